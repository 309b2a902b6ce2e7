//! XML1 to Coverage: one per insurance card, its number, registered facility and validity taken from the same place of
//! each list.

use vhr_plugin_sdk::{Array, Moment, aligned, list, resource};

use crate::fhir::{identifier, period, wording};
use crate::source::{Draft, Source};

/// The keys of the coverages, the one in use first.
pub(crate) fn map<'a>(source: &Source<'a>, draft: &mut Draft<'a>) -> Vec<String> {
    // What belongs to a card stands beside its number.
    let head = source.told("MA_THE_BHYT");
    let mut keys = Vec::new();
    let places = head.get("MA_THE_BHYT").map_or(0, |cards| cards.split(';').count());
    for index in 0..places {
        let Some(card) = aligned(head.get("MA_THE_BHYT"), index) else {
            continue;
        };
        let mut valid = |field: &str| {
            let moment = Moment::date(aligned(head.get(field), index)?).ok();
            if moment.is_none() {
                draft.bad_date(head, field);
            }
            moment
        };
        let (start, end) = (valid("GT_THE_TU"), valid("GT_THE_DEN"));
        let end = draft.ordered(head, "GT_THE_DEN", start, end);
        let json = resource("Coverage", |o| {
            o.array("identifier", |a| {
                identifier(a, &source.profile.identifiers.insurance_card, Some(card))
            });
            o.text("status", "active");
            wording(o, "type", "Bảo hiểm y tế");
            o.text("subscriberId", card);
            o.reference("beneficiary", "Patient", source.patient);
            period(o, "period", start, end);
            o.array("payor", |a| a.object(|o| o.text("display", "Bảo hiểm xã hội Việt Nam")));
            o.array("class", |a| {
                let registered = aligned(head.get("MA_DKBD"), index);
                class(a, "Nơi đăng ký khám bệnh, chữa bệnh ban đầu", registered);
                class(a, "Mã khu vực", source.head.get("MA_KHUVUC"));
            });
        });
        let key = format!("BHYT-{}", index + 1);
        draft.put("Coverage", key.clone(), json);
        keys.push(key);
    }
    for field in ["MA_DKBD", "GT_THE_TU", "GT_THE_DEN"] {
        if list(head.get(field)).count() > keys.len() {
            draft.issues.warning(
                "QD3176-CARD-LISTS",
                &head.path(field),
                "Nhiều giá trị hơn số thẻ BHYT; bỏ qua phần thừa",
                "more values than insurance cards; the rest is left out",
            );
        }
    }
    keys
}

fn class(a: &mut Array<'_>, meaning: &str, value: Option<&str>) {
    if let Some(value) = value {
        a.object(|o| {
            wording(o, "type", meaning);
            o.text("value", value);
        });
    }
}
