//! Packs: what takes the place of what, and how mistakes are told.

use super::good::{DAY, good};
use super::*;

pub(super) const HEAD: &str = "id,severity,from,to,table,field,kind,with,when,vi,en,source\n";

fn read<'t>(files: &[(&'t str, &'t str)]) -> Result<Rules, Vec<Problem>> {
    let rules = files.iter().filter(|(name, _)| !name.starts_with("codes/"));
    let codes = files.iter().filter(|(name, _)| name.starts_with("codes/"));
    let own = |(name, text): &(&'t str, &'t str)| File { name, text };
    let own = Pack {
        rules: rules.map(own).collect(),
        codes: codes.map(own).collect(),
    };
    Rules::read(&[shipped(), own])
}

fn problems(text: &str) -> Vec<String> {
    let text = format!("{HEAD}{text}");
    let problems = read(&[("own.csv", &text)]).expect_err("a mistake was put in");
    problems
        .iter()
        .map(|problem| format!("{}:{} {}", problem.file, problem.line, problem.key))
        .collect()
}

#[test]
fn a_sites_own_pack_adds_rules_and_takes_the_place_of_those_with_its_ids() {
    let text = format!(
        "{HEAD}XML1-T_BHTT-TOTAL,off,,,XML1,T_BHTT,need,,,a,a,\n\
         XML1-HO_TEN-SIZE,block,,,XML1,HO_TEN,size,5,,dài hơn {{size}},longer than {{size}},\n\
         SITE-1,block,,,XML1,MA_KHOA,code,list file khoa,,khoa lạ,unknown ward,\n"
    );
    let rules = read(&[
        ("own.csv", &text),
        (
            "codes/khoa.csv",
            "code,from,to\nK01,2020-01-01,\nK02,2020-01-01,2026-01-31\n",
        ),
    ])
    .unwrap();
    let visit = good("claim").change("XML1.T_BHTT=1");
    let found: Vec<(String, String)> = visit
        .findings(&rules, DAY)
        .into_iter()
        .map(|found| (found.rule, found.said.en))
        .collect();
    let has = |id: &str| found.iter().any(|(rule, _)| rule == id);
    assert!(
        !has("XML1-T_BHTT-TOTAL") && has("XML1-HO_TEN-SIZE") && has("SITE-1"),
        "{found:?}"
    );
    assert!(
        good("claim")
            .findings(&rules, 20_260_131)
            .iter()
            .all(|found| found.rule != "SITE-1")
    );
}

#[test]
fn a_sites_own_list_takes_the_place_of_the_national_one_of_its_name() {
    let moved = good("claim").change("XML1.MATINH_CU_TRU=97");
    let breaks = |rules: &Rules| {
        let found = moved.findings(rules, DAY);
        found.iter().any(|found| found.rule == "XML1-MATINH_CU_TRU-CODE")
    };
    assert!(breaks(&Rules::national()));
    let own = read(&[("codes/tinh.csv", "code,from\n79,2025-07-01\n97,2026-01-01\n")]).unwrap();
    assert!(!breaks(&own));
}

#[test]
fn a_rule_that_is_off_says_nothing_and_an_id_that_is_none_is_given_back() {
    let mut rules = Rules::national();
    let off = [
        "XML2-SO_LUONG-AMOUNT".to_owned(),
        "XML6-*".to_owned(),
        "XML2-SO_LUNG-AMOUNT".to_owned(),
        "Q*".to_owned(),
    ];
    assert_eq!(rules.switch_off(&off), ["XML2-SO_LUNG-AMOUNT", "Q*"]);
    let visit = good("claim").change("XML2[1].SO_LUONG=a | XML6.GIOI_TINH=9 | XML3[1].SO_LUONG=a");
    let found = visit.findings(&rules, DAY);
    let ids: Vec<&str> = found.iter().map(|found| found.rule.as_str()).collect();
    assert!(ids.contains(&"XML3-SO_LUONG-AMOUNT"), "{ids:?}");
    assert!(
        !ids.iter()
            .any(|id| *id == "XML2-SO_LUONG-AMOUNT" || id.starts_with("XML6-")),
        "{ids:?}"
    );
}

#[test]
fn every_mistake_of_a_pack_is_told_at_once_with_its_line() {
    let told = problems(
        "A-1,blok,,,XML1,HO_TEN,need,,,v,e,\n\
         A-2,warn,2026-13-01,,XML1,HO_TEN,need,,,v,e,\n\
         A-3,warn,,,XML99,HO_TEN,need,,,v,e,\n\
         A-4,warn,,,XML1,HO_TENS,need,,,v,e,\n\
         A-5,warn,,,XML1,HO_TEN,needs,,,v,e,\n\
         A-6,warn,,,XML1,HO_TEN,need,,HO_TEN is good,v,e,\n\
         A-7,warn,,,XML1,HO_TEN,need,,,,e,\n\
         A 8,warn,,,XML1,HO_TEN,need,,,v,e,\n\
         A-9,warn,,,XML1,HO_TEN,need,,,v\n\
         A-10,warn,,,XML1,HO_TEN,code,file none,,v,e,\n\
         A-11,warn,2026-02-01,2026-01-01,XML1,HO_TEN,need,,,v,e,\n\
         A-12,warn,,,XML1,HO_TEN,need,,,\"v,e,\n\
         A-13,warn,,,XML1,T_BHTT,equal,T_BHTTS + 1,,v,e,\n\
         A-14,warn,,,XML1,,need,,,v,e,\n\
         A-15,warn,,,XML1,HO_TEN,table,one,,v,e,\n\
         A-16,warn,,,XML1 XML1,HO_TEN MA_LK HO_TEN,need,,,v,e,\n",
    );
    let expected = [
        "2 severity",
        "3 from",
        "4 table",
        "4 field",
        "5 field",
        "6 kind",
        "7 when",
        "8 vi",
        "9 id",
        "10 ",
        "11 kind",
        "12 to",
        "13 ",
        "14 kind",
        "15 kind",
        "16 kind",
        "17 table",
        "17 field",
    ];
    assert_eq!(told, expected.map(|place| format!("own.csv:{place}")));
}

#[test]
fn one_id_for_the_same_days_twice_is_a_mistake_and_for_other_days_is_none() {
    let row = |from: &str, to: &str| format!("A-1,warn,{from},{to},XML1,HO_TEN,size,9,,v,e,\n");
    assert_eq!(
        problems(&(row("", "2026-06-30") + &row("2026-06-30", ""))),
        ["own.csv:3 id"]
    );
    let text = format!("{HEAD}{}{}", row("", "2026-06-30"), row("2026-07-01", ""));
    assert!(read(&[("own.csv", &text)]).is_ok());
}

#[test]
fn a_pack_without_its_columns_or_far_too_large_is_refused() {
    for text in ["id,severity\nA-1,warn\n".to_owned(), "#".repeat(LARGEST + 1)] {
        let problems = read(&[("own.csv", &text)]).expect_err("it is no pack");
        assert_eq!(problems.len(), 1);
    }
}

#[test]
fn what_many_rows_break_is_told_for_three_of_them_and_counted() {
    let rules = Rules::national();
    let changes: Vec<String> = (3..=9)
        .map(|row| format!("XML4[{row}]=XML4[1] | XML4[{row}].STT={row} | XML4[{row}].NGAY_KQ=x"))
        .collect();
    let found = good("claim").change(&changes.join(" | ")).findings(&rules, DAY);
    let told: Vec<&Finding> = found
        .iter()
        .filter(|found| found.rule == "XML4-NGAY_KQ-CALENDAR")
        .collect();
    assert_eq!(told.iter().map(|found| found.row).collect::<Vec<_>>(), [3, 4, 5]);
    assert!(
        told[2].said.en.ends_with("4 more such rows.") && told[2].said.vi.contains("Còn 4 dòng"),
        "{}",
        told[2].said
    );
}

#[test]
fn a_visit_full_of_mistakes_gives_a_hundred_findings_the_blocking_ones_first() {
    let rules = Rules::national();
    let mut visit = Visit::new();
    for table in crate::rules::tables::ALL.iter() {
        visit.row(
            &table.name,
            table.fields.iter().map(|field| (field.name.as_str(), "\u{FFFD}\n?")),
        );
    }
    let found = check(&rules, &visit, DAY);
    assert_eq!(found.len(), 101);
    assert!(found.is_sorted_by_key(|found| found.severity));
    assert_eq!(found[100].rule, "RULES-MORE");
}

#[test]
fn no_message_repeats_a_value() {
    let rules = Rules::national();
    let mut visit = Visit::new();
    for table in crate::rules::tables::ALL.iter() {
        visit.row(
            &table.name,
            table.fields.iter().map(|field| (field.name.as_str(), "BÍMẬT-9")),
        );
    }
    for found in check(&rules, &visit, DAY) {
        assert!(
            !found.said.to_string().contains("BÍMẬT") && !found.place().contains("BÍMẬT"),
            "{found:?}"
        );
        assert!(!found.said.to_string().contains(['{', '}']), "{found:?}");
    }
}

#[test]
fn what_holds_a_claim_back_names_the_first_rules_and_counts_the_others() {
    let rules = Rules::national();
    assert_eq!(held(&good("claim").findings(&rules, DAY)), None);
    let one = good("claim").change("XML2[1].SO_LUONG=x").findings(&rules, DAY);
    let said = held(&one).unwrap();
    assert!(
        said.vi.starts_with("[XML2-SO_LUONG-AMOUNT] XML2[1]/SO_LUONG: "),
        "{said}"
    );
    let many = good("claim")
        .change("XML2[1].SO_LUONG=x | XML1.GIOI_TINH=9 | XML1.T_BHTT=5 | XML1.MA_LK=")
        .findings(&rules, DAY);
    assert!(held(&many).unwrap().en.ends_with("more"), "{:?}", held(&many));
}
