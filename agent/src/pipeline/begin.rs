//! By which lines a record goes, and in which state each delivery begins.

use vhr_core::config::{Endpoint, Kind, Lane};
use vhr_core::delivery::{ReasonKind, State};
use vhr_core::record::{ClaimForm, Head};
use vhr_core::time::Timestamp;

use crate::queue::Begin;

/// How a record's delivery by a line begins. A check-in and a claim of one visit go to a gateway each by its own, and neither
/// takes the other's place; elsewhere a check-in is news only where nothing of the visit is known. With `once`, a claim goes to
/// a gateway only if no other visit's says the same.
pub(super) fn begin(line: &Endpoint, head: &Head, once: bool, now: Timestamp) -> Begin {
    let check_in = matches!(head.claim, ClaimForm::CheckIn { .. });
    match line.kind {
        Kind::Bhxh { lane, .. } if check_in != (lane == Lane::CheckIns) => Begin::OfAnotherLine,
        Kind::Bhxh { .. } if once && !check_in => first_state(line, head, now).map_or(Begin::Excluded, Begin::Once),
        Kind::Bhxh { .. } => first_state(line, head, now).map_or(Begin::Excluded, Begin::In),
        Kind::Fhir { .. } if check_in => first_state(line, head, now).map_or(Begin::OfAnotherLine, Begin::IfNew),
        Kind::Fhir { .. } => first_state(line, head, now).map_or(Begin::Excluded, Begin::In),
    }
}

/// The state in which a record's delivery to an endpoint begins; none: it does not go there.
fn first_state(endpoint: &Endpoint, head: &Head, now: Timestamp) -> Option<State> {
    if head.classes.iter().any(|class| endpoint.exclude.contains(class)) {
        return None;
    }
    if let Kind::Fhir { profile, .. } = &endpoint.kind
        && let Some(why) = head.no_bundle.get(profile)
    {
        return Some(State::park(ReasonKind::NoBundle, why.to_string(), now));
    }
    match (&endpoint.kind, &head.claim) {
        (Kind::Bhxh { .. }, ClaimForm::None) => None,
        (Kind::Bhxh { .. }, ClaimForm::SignedSeveral) => Some(State::park(
            ReasonKind::SignedSeveral,
            "Tệp đã ký có nhiều hồ sơ, cổng chỉ nhận từng hồ sơ: hãy xuất và ký lại mỗi hồ sơ một tệp. \
             (The signed file holds several visits and the gateway takes one at a time: export and sign one file per visit.)"
                .into(),
            now,
        )),
        (Kind::Bhxh { .. }, _) if head.held.is_some() => {
            let why = head.held.as_ref().map(ToString::to_string).unwrap_or_default();
            Some(State::park(ReasonKind::Rules, why, now))
        }
        _ => Some(match endpoint.signed().withholds(head) {
            Some(why) => State::park(ReasonKind::Unsigned, why.to_string(), now),
            None => State::new(endpoint.schedule.next_window(now)),
        }),
    }
}
