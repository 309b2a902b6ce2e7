//! The money: one Claim per insured visit, with every line of XML2 and XML3 and the totals of XML1.
//!
//! FHIR demands an insurance and a date of making, so a visit without a card, or one that is not settled yet, has no
//! Claim. It comes with the next export, and nothing clinical waits for it.

use vhr_plugin_sdk::{Moment, list, resource};

use crate::claim_facts::{Fact, Facts};
use crate::claim_item;
use crate::condition::{Diagnosis, Role};
use crate::fhir::{concept, identifier, known, money};
use crate::source::{Draft, Source};

/// Totals beside `T_TONGCHI_BV`, which is the Claim's own total.
const TOTALS: [(&str, &str); 8] = [
    ("T_THUOC", "Tổng chi phí thuốc"),
    ("T_VTYT", "Tổng chi phí vật tư y tế"),
    ("T_TONGCHI_BH", "Tổng chi phí trong phạm vi bảo hiểm y tế"),
    ("T_BNTT", "Người bệnh tự trả ngoài phạm vi bảo hiểm y tế"),
    ("T_BNCCT", "Người bệnh cùng chi trả"),
    ("T_BHTT", "Đề nghị quỹ bảo hiểm y tế thanh toán"),
    ("T_NGUONKHAC", "Nguồn khác chi trả"),
    ("T_BHTT_GDV", "Quỹ bảo hiểm y tế thanh toán theo giá dịch vụ"),
];

/// Dates of the card holder's entitlement that no other element of R4 can hold.
const DATES: [(&str, &str); 2] = [
    ("NGAY_MIEN_CCT", "Thời điểm bắt đầu miễn cùng chi trả"),
    ("NAM_NAM_LIEN_TUC", "Thời điểm đủ 5 năm tham gia bảo hiểm y tế liên tục"),
];

pub(crate) fn map<'a>(source: &Source<'a>, draft: &mut Draft<'a>, coverages: &[String], diagnoses: &[Diagnosis<'_>]) {
    if coverages.is_empty() {
        return;
    }
    let head = source.head;
    let profile = source.profile;
    let Some(created) = draft.date_time(head, "NGAY_TTOAN") else {
        draft.issues.information(
            "QD3176-UNSETTLED",
            &head.path("NGAY_TTOAN"),
            "Chưa có ngày thanh toán nên chưa lập Claim",
            "not settled yet, so no Claim is made",
        );
        return;
    };
    let total = draft.decimal(head, "T_TONGCHI_BV");
    let mut facts = Facts::default();
    // "0": no accident. In `accident` FHIR wants its day, which no table has.
    let accident = head.get("MA_TAI_NAN").filter(|kind| *kind != "0");
    facts.tell("MA_TAI_NAN", "Mã tai nạn, thương tích", accident.map(Fact::Code));
    for (field, meaning) in TOTALS {
        let value = draft.decimal(head, field).map(Fact::Amount);
        facts.tell(field, meaning, value);
    }
    for (field, meaning) in DATES {
        let day = draft.date_time(head, field).map(Moment::day);
        facts.tell(field, meaning, day.map(Fact::Day));
    }
    let settlement = settlement_month(source, draft);
    facts.tell("NAM_QT, THANG_QT", "Kỳ quyết toán", settlement.map(Fact::Day));
    facts.tell(
        "MA_TTDV",
        "Mã định danh của thủ trưởng đơn vị",
        head.get("MA_TTDV").map(Fact::Person),
    );

    let json = resource("Claim", |o| {
        o.array("identifier", |a| {
            identifier(a, &profile.identifiers.visit, Some(source.link))
        });
        o.text("status", "active");
        known(
            o,
            "type",
            "http://terminology.hl7.org/CodeSystem/claim-type",
            "institutional",
            "Institutional",
        );
        o.text("use", "claim");
        o.reference("patient", "Patient", source.patient);
        o.text("created", created.as_str());
        o.reference("provider", "Organization", source.facility);
        known(
            o,
            "priority",
            "http://terminology.hl7.org/CodeSystem/processpriority",
            "normal",
            "Normal",
        );
        o.array("diagnosis", |a| {
            let coded = diagnoses
                .iter()
                .filter(|diagnosis| matches!(diagnosis.role, Role::Main | Role::Other));
            for (index, diagnosis) in coded.enumerate() {
                a.object(|o| {
                    o.count("sequence", index + 1);
                    o.reference("diagnosisReference", "Condition", &diagnosis.key);
                });
            }
        });
        o.array("procedure", |a| {
            for (index, code) in list(head.get("MA_PTTT_QT")).enumerate() {
                a.object(|o| {
                    o.count("sequence", index + 1);
                    concept(
                        o,
                        "procedureCodeableConcept",
                        profile.code_systems.icd9cm.as_deref(),
                        Some(code),
                        None,
                    );
                });
            }
        });
        o.array("insurance", |a| {
            for (index, key) in coverages.iter().enumerate() {
                a.object(|o| {
                    o.count("sequence", index + 1);
                    o.flag("focal", index == 0);
                    o.reference("coverage", "Coverage", key);
                });
            }
        });
        o.array("item", |a| claim_item::write_all(a, source, draft, &mut facts));
        o.array("supportingInfo", |a| facts.write(a, source));
        money(o, "total", total);
    });
    draft.put("Claim", "claim".to_owned(), json);
}

/// `NAM_QT` and `THANG_QT` as a month.
fn settlement_month<'a>(source: &Source<'a>, draft: &mut Draft<'a>) -> Option<Moment> {
    let (year, month) = (source.head.get("NAM_QT")?, source.head.get("THANG_QT")?);
    let month = Moment::date(&format!("{year}{month:0>2}00"))
        .ok()
        .filter(|date| date.as_str().len() == 7);
    if month.is_none() {
        draft.bad_date(source.head, "THANG_QT");
    }
    month
}
