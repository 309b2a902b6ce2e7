//! The lines of the Claim: one for each row of XML2 and XML3.

use vhr_plugin_sdk::{Array, Decimal, Moment, Object, list};

use crate::claim_facts::Facts;
use crate::codes;
use crate::fhir::{ABSENT, coding, concept, concept_body, money, national_body, period, quantity};
use crate::source::{Draft, ENCOUNTER, Line, Source};

/// Every row of XML2 and XML3.
pub(crate) fn write_all<'a>(a: &mut Array<'_>, source: &Source<'a>, draft: &mut Draft<'a>, facts: &mut Facts<'a>) {
    let lines = source.lines("XML2").map(drug).chain(source.lines("XML3").map(service));
    for (index, item) in lines.enumerate() {
        a.object(|o| write_item(o, source, draft, facts, index + 1, item));
    }
}

/// A row as a line of the claim.
struct Item<'a> {
    line: Line<'a>,
    what: What,
    code: Option<&'a str>,
    name: Option<&'a str>,
    price: &'static str,
}

enum What {
    Drug,
    Service,
    Supply,
}

fn drug(line: Line<'_>) -> Item<'_> {
    Item {
        line,
        what: What::Drug,
        code: line.get("MA_THUOC"),
        name: line.get("TEN_THUOC"),
        price: "DON_GIA",
    }
}

fn service(line: Line<'_>) -> Item<'_> {
    let price = "DON_GIA_BV";
    match line.get("MA_VAT_TU") {
        Some(code) => Item {
            line,
            what: What::Supply,
            code: Some(code),
            name: line.get("TEN_VAT_TU"),
            price,
        },
        None => {
            let name = line.get("TEN_DICH_VU").or(line.get("TEN_VAT_TU"));
            Item {
                line,
                what: What::Service,
                code: line.get("MA_DICH_VU"),
                name,
                price,
            }
        }
    }
}

fn write_item<'a>(
    o: &mut Object<'_>,
    source: &Source<'a>,
    draft: &mut Draft<'a>,
    facts: &mut Facts<'a>,
    sequence: usize,
    item: Item<'a>,
) {
    let Item {
        line,
        what,
        code,
        name,
        price,
    } = item;
    let systems = &source.profile.code_systems;
    let system = match what {
        What::Drug => &systems.drug,
        What::Service => &systems.service,
        What::Supply => &systems.supply,
    };
    o.count("sequence", sequence);
    o.raw("informationSequence", &facts.of_row(draft, line));
    if let Some(group) = line.get("MA_NHOM") {
        let name = codes::group(group, source.day().as_str()).map(|(_, name)| name);
        o.object("category", |o| {
            concept_body(o, systems.cost_group.as_deref(), Some(group), name)
        });
    }
    match code.or(name) {
        Some(_) => concept(o, "productOrService", system.as_deref(), code, name),
        None => {
            draft.missing(
                line,
                "MA_DICH_VU",
                "Dòng chi phí không có mã và tên",
                "a cost line with neither code nor name",
            );
            o.raw("productOrService", ABSENT);
        }
    }
    o.array("modifier", |a| {
        if let Some(fuel) = line.get("MA_XANG_DAU") {
            a.object(|o| national_body(o, source, "MA_XANG_DAU", "Mã xăng dầu vận chuyển", fuel));
        }
    });
    o.array("programCode", |a| {
        if let Some(payer) = line.get("NGUON_CTRA") {
            a.object(|o| national_body(o, source, "NGUON_CTRA", "Nguồn chi trả", payer));
        }
    });
    served(o, draft, line);
    o.object("locationCodeableConcept", |o| {
        o.array("coding", |a| {
            list(line.get("MA_KHOA")).for_each(|code| coding(a, None, Some(code)))
        });
    });
    let amount = line.get("SO_LUONG").and_then(Decimal::parse);
    quantity(o, "quantity", amount, line.get("DON_VI_TINH"));
    money(o, "unitPrice", draft.decimal(line, price));
    if let Some(ratio) = draft.decimal(line, "TYLE_TT_DV").and(line.get("TYLE_TT_DV")) {
        let factor = hundredth(ratio);
        match Decimal::parse(&factor) {
            Some(factor) => o.decimal("factor", factor),
            None => draft.bad_number(line, "TYLE_TT_DV"),
        }
    }
    money(o, "net", draft.decimal(line, "THANH_TIEN_BV"));
    o.array("udi", |a| {
        if let Some(product) = line.get("MA_HIEU_SP") {
            a.object(|o| {
                o.text("type", "Device");
                o.object("identifier", |o| o.text("value", product));
            });
        }
    });
    o.array("encounter", |a| a.reference("Encounter", ENCOUNTER));
}

/// When it was done; where nothing says so, when it was ordered. Rows that were mapped before have already been told about
/// a bad time; quiet here, but for drugs, whose time stands nowhere else.
fn served<'a>(o: &mut Object<'_>, draft: &mut Draft<'a>, line: Line<'a>) {
    let done = match line.is_of("XML2") {
        true => draft.date_time(line, "NGAY_TH_YL"),
        false => line.moment("NGAY_TH_YL"),
    };
    match done {
        Some(start) => {
            let end = line.moment("NGAY_KQ").filter(|end| start.not_after(end) == Ok(true));
            period(o, "servicedPeriod", Some(start), end.or(Some(start)));
        }
        None => o.moment("servicedDate", line.moment("NGAY_YL").map(Moment::day)),
    }
}

/// A percentage as the number to multiply with: `80` is `0.80`. Of what is below zero, no number.
fn hundredth(percent: &str) -> String {
    let (whole, fraction) = percent.split_once('.').unwrap_or((percent, ""));
    if percent.starts_with('-') {
        return String::new();
    }
    let padded = format!("{whole:0>3}");
    let (front, back) = padded.split_at(padded.len() - 2);
    [front, ".", back, fraction].concat()
}

#[cfg(test)]
mod tests {
    use super::hundredth;

    #[test]
    fn a_percentage_becomes_a_factor_digit_by_digit() {
        for (percent, factor) in [
            ("80", "0.80"),
            ("100", "1.00"),
            ("5", "0.05"),
            ("0", "0.00"),
            ("33.5", "0.335"),
            ("-500", ""),
        ] {
            assert_eq!(hundredth(percent), factor);
        }
    }
}
