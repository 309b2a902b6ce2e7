//! In which state the delivery of a record begins.

use vhr_core::config::{Config, Endpoint, parse};
use vhr_core::delivery::{ReasonKind, State};
use vhr_core::record::{ClaimForm, Head, Signature};
use vhr_core::said;

use super::super::*;
use crate::queue::Begin;

/// The FHIR server and a gateway that wants claim files signed like that.
fn endpoints(signed: &str) -> Vec<Endpoint> {
    config(signed).endpoints
}

fn config(signed: &str) -> Config {
    let text = format!(
        "[site]\nfacility = \"79999\"\nname = \"Bệnh viện Ví Dụ\"\n[storage]\ndir = \"/var/lib/vhr\"\n\
         [[source]]\nname = \"his\"\npath = \"/srv/his\"\nplugin = \"vn.qd3176\"\n\
         [[endpoint]]\nname = \"vhr\"\nkind = \"fhir\"\nurl = \"https://vhr.example.vn\"\n\
         [[endpoint]]\nname = \"insurance\"\nkind = \"bhxh\"\nurl = \"https://egw.example.vn\"\nusername = \"79999_BV\"\n\
         password = {{ env = \"X\" }}\nsigned = \"{signed}\"\n"
    );
    parse(&text, "test.toml").unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn head(signature: Option<Signature>, claim: ClaimForm) -> Head {
    Head {
        signed: signature.is_some(),
        signature,
        claim,
        ..crate::invented::head()
    }
}

fn signature(fault: Option<vhr_core::say::Said>) -> Option<Signature> {
    Some(Signature {
        fault,
        certificate: None,
        covers: vec![],
        signed_at: None,
        issuer_checked: false,
    })
}

/// Per endpoint: what keeps the record back there.
fn kept_back(signed: &str, head: &Head) -> Vec<Option<Option<ReasonKind>>> {
    let now = Timestamp::from_millis(1);
    let first = endpoints(signed)
        .into_iter()
        .map(|endpoint| begin(&endpoint, head, true, now).state().cloned());
    let kind = |state: State| match state {
        State::Parked(reason) => Some(reason.kind),
        _ => None,
    };
    first.map(|state| state.map(kind)).collect()
}

#[test]
fn only_where_it_is_asked_for_what_carries_no_signature_that_holds_waits_for_a_person() {
    let unsigned = head(None, ClaimForm::AsReceived);
    let broken = head(signature(Some(said!("sai", "wrong"))), ClaimForm::AsReceived);
    let rewritten = head(signature(None), ClaimForm::Envelope { why: "split".into() });
    let holds = head(signature(None), ClaimForm::AsReceived);
    for head in [&unsigned, &broken, &rewritten] {
        assert_eq!(kept_back("only", head), [Some(None), Some(Some(ReasonKind::Unsigned))]);
        assert_eq!(kept_back("warn", head), [Some(None), Some(None)]);
        assert_eq!(kept_back("any", head), [Some(None), Some(None)]);
    }
    assert_eq!(kept_back("only", &holds), [Some(None), Some(None)]);
}

#[test]
fn what_has_no_bundle_waits_at_the_endpoints_of_that_profile_and_its_claim_goes() {
    let without = |profile: &str| Head {
        no_bundle: [(profile.to_owned(), said!("sai", "wrong"))].into(),
        ..head(None, ClaimForm::AsReceived)
    };
    assert_eq!(
        kept_back("any", &without("r4")),
        [Some(Some(ReasonKind::NoBundle)), Some(None)]
    );
    assert_eq!(kept_back("any", &without("another")), [Some(None), Some(None)]);
}

#[test]
fn what_is_no_claim_or_signed_for_several_keeps_its_own_way() {
    assert_eq!(kept_back("only", &head(None, ClaimForm::None)), [Some(None), None]);
    assert_eq!(
        kept_back("only", &head(signature(None), ClaimForm::SignedSeveral)),
        [Some(None), Some(Some(ReasonKind::SignedSeveral))]
    );
}

#[test]
fn a_check_in_goes_by_a_line_of_its_own_at_once_and_a_claim_by_the_schedule() {
    let nightly = config("any\"\nschedule = \"0 0 20 * * *\"\nspread = \"0s");
    let noon = Timestamp::parse_rfc3339("2026-10-05T12:00:00+07:00").unwrap();
    let night = Timestamp::parse_rfc3339("2026-10-05T20:00:00+07:00").unwrap();
    let begins = |claim| {
        let head = head(None, claim);
        let lines = nightly.lines();
        let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(names, ["vhr", "insurance", "insurance.check-in"]);
        let [fhir, claims, check_ins] = [0, 1, 2].map(|nth: usize| begin(&lines[nth], &head, true, noon));
        (fhir, claims, check_ins)
    };
    let at_noon = || State::new(noon);
    assert_eq!(
        begins(ClaimForm::CheckIn { why: None }),
        (Begin::IfNew(at_noon()), Begin::OfAnotherLine, Begin::In(at_noon()))
    );
    assert_eq!(
        begins(ClaimForm::AsReceived),
        (
            Begin::In(at_noon()),
            Begin::Once(State::new(night)),
            Begin::OfAnotherLine
        )
    );
    let claims = &nightly.lines()[1];
    let off = begin(claims, &head(None, ClaimForm::AsReceived), false, noon);
    assert_eq!(
        off,
        Begin::In(State::new(night)),
        "the rule against the same twice is off"
    );
    assert_eq!(
        begins(ClaimForm::None),
        (Begin::In(at_noon()), Begin::Excluded, Begin::OfAnotherLine)
    );
}
