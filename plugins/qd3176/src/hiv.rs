//! XML6, HIV care: the episode, the regimens, tests, what is said of the person at this visit, and what is done.

use vhr_plugin_sdk::{list, resource};

use crate::codes;
use crate::fhir::{national_body, period};
use crate::finding::{Finding, Performer, Value};
use crate::source::{Draft, ENCOUNTER, Line, Source};
use crate::treatment::{Episode, Regimen};
use crate::tuberculosis;

pub(crate) fn map<'a>(source: &Source<'a>, draft: &mut Draft<'a>) {
    for line in source.lines("XML6") {
        let episode = Episode {
            key: ["HIV-", source.patient].concat(),
            about: "Chăm sóc và điều trị HIV/AIDS",
            start: None,
            end: None,
            at: line.get("MA_CSKCB"),
        };
        episode.put(source, draft);
        history(source, draft, line);
        let mut regimen = Regimen::new(line, "ARV", "MA_PHAC_DO_DIEU_TRI", "Phác đồ ARV hiện tại");
        regimen.start = draft.date_time(line, "NGAY_CHUYEN_PHAC_DO");
        regimen.step = line.get("MA_BAC_PHAC_DO").map(|code| ("MA_BAC_PHAC_DO", code));
        regimen.reason = line
            .get("LY_DO_CHUYEN_PHAC_DO")
            .map(|code| ("LY_DO_CHUYEN_PHAC_DO", code));
        regimen.days = draft.decimal(line, "SO_NGAY_CAP_THUOC_ARV");
        regimen.put(source, draft);
        Finding::new(line, "TINH_TRANG", "Tình trạng chăm sóc HIV/AIDS khi đến khám")
            .when(source.admitted)
            .codes("MA_LOAI_BN")
            .codes("MA_LYDO_DTRI")
            .codes("GIAI_DOAN_LAM_SANG")
            .codes("NHOM_DOI_TUONG")
            .codes("MA_TINH_TRANG_DK")
            .date(draft, "NGAY_NHAN_TT_MANG_THAI")
            .put(source, draft);
        tests(source, draft, line);
        let screened = Finding::new(line, "LAO", "Tình trạng lao").codes("SANG_LOC_LAO");
        tuberculosis::treatment(source, draft, line, screened, "KQ_DTRI_LAO", line.get("MA_CSKCB"));
        care(source, draft, line);
    }
}

/// What XML6 and XML15 both tell: when HIV was confirmed, and since when two drugs are taken.
pub(crate) fn history<'a>(source: &Source<'a>, draft: &mut Draft<'a>, line: Line<'a>) {
    let confirmed = draft.date_time(line, "NGAYKD_HIV");
    Finding::new(line, "HIV", "Khẳng định nhiễm HIV")
        .loinc("55277-8", "HIV status")
        .category("laboratory", "Laboratory")
        .when(confirmed)
        .performer(line.get("NOI_XN_KD").map(Performer::Facility))
        .value(confirmed.map(|_| Value::Words("Đã khẳng định nhiễm HIV")))
        .text("NOI_LAY_MAU_XN")
        .put(source, draft);
    let mut cotrimoxazole = Regimen::new(line, "CTX", "", "Cotrimoxazole");
    cotrimoxazole.start = draft.date_time(line, "NGAY_BAT_DAU_DT_CTX");
    cotrimoxazole.put(source, draft);
    let mut first = Regimen::new(line, "ARV-BD", "MA_PHAC_DO_DIEU_TRI_BD", "Phác đồ ARV ban đầu");
    first.start = draft.date_time(line, "BDDT_ARV");
    first.begun_at = line.get("NOI_BDDT_ARV");
    first.step = line.get("MA_BAC_PHAC_DO_BD").map(|code| ("MA_BAC_PHAC_DO_BD", code));
    first.put(source, draft);
}

fn tests<'a>(source: &Source<'a>, draft: &mut Draft<'a>, line: Line<'a>) {
    let code = |field| line.get(field).map(|code| Value::Code(field, code));
    Finding::new(line, "TAI_LUONG_VR", "Tải lượng vi rút HIV")
        .category("laboratory", "Laboratory")
        .when(draft.date_time(line, "NGAY_XN_TLVR"))
        .value(code("KQ_XNTL_VR"))
        .codes("MA_LYDO_XNTL_VR")
        .date(draft, "NGAY_KQ_XN_TLVR")
        .put(source, draft);
    Finding::new(line, "PCR", "Xét nghiệm PCR HIV")
        .category("laboratory", "Laboratory")
        .when(draft.date_time(line, "NGAY_XN_PCR"))
        .value(code("MA_KQ_XN_PCR"))
        .number(draft, "LAN_XN_PCR")
        .date(draft, "NGAY_KQ_XN_PCR")
        .put(source, draft);
}

/// What is done about it.
fn care<'a>(source: &Source<'a>, draft: &mut Draft<'a>, line: Line<'a>) {
    let start = draft.date_time(line, "NGAY_BAT_DAU_XU_TRI");
    let end = draft.date_time(line, "NGAY_KET_THUC_XU_TRI");
    let end = draft.ordered(line, "NGAY_KET_THUC_XU_TRI", start, end);
    let codes = line.get("MA_XU_TRI");
    if codes.is_none() && start.is_none() && end.is_none() {
        return;
    }
    let json = resource("CarePlan", |o| {
        o.text("status", if source.is_over(end) { "completed" } else { "active" });
        o.text("intent", "plan");
        o.text("title", "Xử trí HIV/AIDS");
        o.reference("subject", "Patient", source.patient);
        o.reference("encounter", "Encounter", ENCOUNTER);
        period(o, "period", start, end);
        o.array("activity", |a| {
            for code in list(codes) {
                a.object(|o| {
                    o.object("detail", |o| {
                        o.object("code", |o| national_body(o, source, "MA_XU_TRI", "Xử trí", code));
                        o.text("status", "unknown");
                    });
                });
            }
        });
    });
    draft.put("CarePlan", [&line.key(), "-XU_TRI"].concat(), json);
}

/// Records that the law protects more: table 6, what table 15 says of HIV, an antiretroviral drug, or a code or a diagnosis
/// that tells of HIV anywhere one can stand. In doubt about how a code is written (blanks, commas), it counts: what leaves
/// cannot be called back.
pub(crate) fn is_concerned(source: &Source<'_>) -> bool {
    const TUBERCULOSIS: [&str; 4] = ["PHANLOAI_LAO_HIV", "NGAYKD_HIV", "BDDT_ARV", "NGAY_BAT_DAU_DT_CTX"];
    let told = |table, fields: &[&str], tells: fn(&str) -> bool| {
        let said = |line: Line<'_>| fields.iter().any(|field| line.get(field).is_some_and(tells));
        source.lines(table).any(said)
    };
    const CODES: [&str; 2] = ["MA_BENH_CHINH", "MA_BENH_KT"];
    const WORDS: [&str; 2] = ["CHAN_DOAN_VAO", "CHAN_DOAN_RV"];
    !source.visit.table("XML6").is_empty()
        || told("XML15", &TUBERCULOSIS, |_| true)
        || told("XML3", &["MA_BENH"], is_code_of_hiv)
        || ["XML1", "XML13", "XML14"]
            .iter()
            .any(|table| told(table, &CODES, is_code_of_hiv))
        || ["XML1", "XML7", "XML8", "XML10", "XML11", "XML13", "XML14"]
            .iter()
            .any(|table| told(table, &WORDS, names_hiv))
        || is_treated(source)
}

fn is_code_of_hiv(codes: &str) -> bool {
    const CODES: [&[u8]; 9] = [b"B20", b"B21", b"B22", b"B23", b"B24", b"Z21", b"R75", b"O987", b"Z206"];
    codes.split([';', ',', '/', '|']).any(|code| {
        let mut plain = [0; 4];
        let letters = code.bytes().filter(u8::is_ascii_alphanumeric);
        plain
            .iter_mut()
            .zip(letters)
            .for_each(|(place, letter)| *place = letter.to_ascii_uppercase());
        CODES.iter().any(|hiv| plain.starts_with(hiv))
    })
}

fn names_hiv(words: &str) -> bool {
    ["HIV", "AIDS"].iter().any(|name| {
        beginnings(words, name).any(|at| {
            let after = words[at + name.len()..].chars().next();
            !after.is_some_and(char::is_alphanumeric)
        })
    })
}

/// A drug that tells of HIV by itself, two that do together, or one that a project or a programme pays for.
fn is_treated(source: &Source<'_>) -> bool {
    let mut met: Option<&str> = None;
    for line in source.lines("XML2") {
        for text in [line.get("TEN_THUOC"), line.get("HAM_LUONG")].into_iter().flatten() {
            let named = |(substance, _): &(&str, bool)| beginnings(text, substance).next().is_some();
            for (substance, alone) in codes::antiretrovirals().filter(named) {
                let given = matches!(line.get("NGUON_CTRA"), Some("2" | "3" | "4"));
                if alone || given || met.is_some_and(|known| known != substance) {
                    return true;
                }
                met = Some(substance);
            }
        }
    }
    false
}

/// Where a word begins like this, in capitals or not. Every drug of every visit passes here once for each substance.
fn beginnings<'t>(text: &'t str, name: &'t str) -> impl Iterator<Item = usize> + 't {
    let (text, name) = (text.as_bytes(), name.as_bytes());
    let first = name.first().map_or(0, |letter| letter | 0x20);
    let starts = text
        .iter()
        .enumerate()
        .filter(move |(_, letter)| **letter | 0x20 == first);
    starts.map(|(at, _)| at).filter(move |at| {
        let there = text.get(*at..at + name.len());
        there.is_some_and(|there| there.eq_ignore_ascii_case(name)) && !ends_in_letter(&text[..*at])
    })
}

fn ends_in_letter(text: &[u8]) -> bool {
    text.last()
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_words_of_hiv_are_known_however_they_are_written() {
        assert!(is_code_of_hiv("J18.9; b 20.1") && !is_code_of_hiv("O98,7") && is_code_of_hiv("o98.7"));
        assert!(!is_code_of_hiv("J18.9;A15.0"));
        assert!(names_hiv("Lao phổi/hiv(+)") && names_hiv("AIDS") && !names_hiv("Chiva; naids"));
        assert!(!names_hiv("HIVậ") && names_hiv("đã hiv"));
    }
}
