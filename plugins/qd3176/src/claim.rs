//! The money: one Claim per insured visit, with every line of XML2 and XML3 and the totals of XML1.
//!
//! FHIR demands an insurance and a date of making, so a visit without a card, or one that is not settled yet, has no
//! Claim. It comes with the next export, and nothing clinical waits for it.

use vhr_plugin_sdk::{Array, Decimal, Moment, Object, list, resource};

use crate::codes;
use crate::condition::{Diagnosis, Role};
use crate::fhir::{ABSENT, concept, concept_body, identifier, known, measured, money, quantity, wording};
use crate::source::{Draft, ENCOUNTER, Line, Source};

const CURRENCY: &str = "urn:iso:std:iso:4217";

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
    let totals = TOTALS.map(|(field, meaning)| (field, meaning, draft.decimal(head, field)));
    let dates = DATES.map(|(field, meaning)| (field, meaning, draft.date_time(head, field)));
    let settlement = settlement_month(source, draft);

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
        o.array("supportingInfo", |a| {
            let mut sequence = 0;
            let mut information = |a: &mut Array<'_>, field: &str, meaning: &str, write: &dyn Fn(&mut Object<'_>)| {
                sequence += 1;
                a.object(|o| {
                    o.count("sequence", sequence);
                    wording(o, "category", meaning);
                    wording(o, "code", field);
                    write(o);
                });
            };
            for (field, meaning, value) in totals {
                if let Some(value) = value {
                    information(a, field, meaning, &|o| {
                        measured(o, "valueQuantity", value, "VND", CURRENCY, "VND");
                    });
                }
            }
            for (field, meaning, date) in dates {
                if let Some(date) = date {
                    information(a, field, meaning, &|o| o.text("timingDate", date.day().as_str()));
                }
            }
            if let Some(month) = settlement {
                information(a, "NAM_QT, THANG_QT", "Kỳ quyết toán", &|o| {
                    o.text("timingDate", month.as_str())
                });
            }
        });
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
        o.array("item", |a| {
            let lines = source.lines("XML2").map(drug).chain(source.lines("XML3").map(service));
            for (index, item) in lines.enumerate() {
                a.object(|o| write_item(o, source, draft, index + 1, item));
            }
        });
        money(o, "total", total);
    });
    draft.put("Claim", "claim".to_owned(), json);
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

fn write_item<'a>(o: &mut Object<'_>, source: &Source<'a>, draft: &mut Draft<'a>, sequence: usize, item: Item<'a>) {
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
    // Rows that were mapped before have already been told about a bad order time; quiet here.
    let served = line.get("NGAY_YL").and_then(|text| Moment::date(text).ok());
    o.moment("servicedDate", served);
    let amount = line.get("SO_LUONG").and_then(Decimal::parse);
    quantity(o, "quantity", amount, line.get("DON_VI_TINH"));
    money(o, "unitPrice", draft.decimal(line, price));
    money(o, "net", draft.decimal(line, "THANH_TIEN_BV"));
    o.array("encounter", |a| a.reference("Encounter", ENCOUNTER));
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
