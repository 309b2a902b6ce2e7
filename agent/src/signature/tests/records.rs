//! What a file's signature means for its records, and what people are told.

use vhr_core::record::{ClaimForm, Head};

use super::*;
use crate::signature::Judge;

fn judged(file: &[u8], received: &str) -> Judge {
    let survey = frame::survey(file, &frame::Limits::default()).unwrap();
    let judge = Signatures::default().judge(&survey, || Ok(file), at(received));
    judge.unwrap()
}

fn head(signed: bool, judge: &Judge, ended: Option<&str>) -> Head {
    Head {
        ended: ended.map(str::to_owned),
        signed,
        signature: judge.signature(signed, ended.map(at)),
        ..crate::invented::head()
    }
}

/// The codes of what people are told, and why it counts as unsigned.
fn told(file: &[u8], received: &str, ended: Option<&str>) -> (Vec<String>, Option<String>) {
    let judge = judged(file, received);
    let mut head = head(true, &judge, ended);
    judge.remark(&mut head);
    let codes = head.issues.iter().map(|issue| issue.code.clone());
    (codes.collect(), head.unsigned().map(|why| why.en))
}

const OCTOBER: &str = "2026-10-05T00:00:00Z";

#[test]
fn a_certificate_that_expires_within_thirty_days_of_receipt_is_told() {
    let file = vector!("valid");
    assert_eq!(told(file, OCTOBER, None), (vec![], None));
    assert_eq!(told(file, "2026-12-02T00:00:00Z", None), (vec![], None));
    for late in ["2026-12-02T00:00:01Z", "2026-12-31T00:00:00Z", "2027-05-01T00:00:00Z"] {
        assert_eq!(
            told(file, late, Some(OCTOBER)),
            (vec!["SIGN-EXPIRES".to_owned()], None),
            "{late}"
        );
    }
}

#[test]
fn a_signature_made_after_the_certificate_had_expired_does_not_hold() {
    let broken = |words: &str| (vec!["SIGN-BROKEN".to_owned()], Some(words.to_owned()));
    let expired = "the certificate had expired when it was signed";
    // It ended on 2026-06-01: the visit had, or had not, ended by then; or the signature tells its own time.
    assert_eq!(
        told(vector!("expired"), OCTOBER, Some("2026-06-02T00:00:00Z")),
        broken(expired)
    );
    assert_eq!(
        told(vector!("expired"), OCTOBER, Some("2026-05-30T00:00:00Z")),
        (vec!["SIGN-EXPIRES".to_owned()], None)
    );
    assert_eq!(
        told(vector!("expired-time"), OCTOBER, Some("2026-05-30T00:00:00Z")),
        broken(expired)
    );
}

#[test]
fn a_signing_time_that_is_not_signed_itself_is_not_believed() {
    let claimed = "<Object><SigningTime>2026-05-30T00:00:00</SigningTime></Object></Signature>";
    let file = text(vector!("expired")).replace("</Signature>", claimed);
    let ended = Some("2026-06-02T00:00:00Z");
    assert_eq!(told(file.as_bytes(), OCTOBER, ended).0, ["SIGN-BROKEN"]);
    assert_eq!(
        valid(vector!("expired-time")).signed_at,
        Some(at("2026-10-02T08:00:00+07:00"))
    );
}

#[test]
fn broken_and_not_covering_signatures_are_told_as_errors() {
    let words = |file: &[u8]| told(file, OCTOBER, None).1.unwrap();
    assert_eq!(
        words(vector!("part-unit")),
        "the signature holds, but does not cover the records"
    );
    let spoilt = text(vector!("valid")).replace("79999", "79998");
    let (codes, why) = told(spoilt.as_bytes(), OCTOBER, None);
    assert_eq!(codes, ["SIGN-BROKEN"]);
    assert_eq!(why.unwrap(), "the content was changed after it was signed");
}

#[test]
fn a_claim_that_leaves_in_another_form_than_it_came_counts_as_unsigned() {
    let judge = judged(vector!("valid"), OCTOBER);
    let mut rewritten = head(true, &judge, None);
    rewritten.claim = ClaimForm::Envelope {
        why: "tables built by the plugin".into(),
    };
    assert!(rewritten.unsigned().unwrap().en.contains("tables built by the plugin"));
    let mut old = head(true, &judge, None);
    old.signature = None;
    assert_eq!(old.unsigned().unwrap().en, "its signature was not checked");
}

#[test]
fn a_record_that_holds_only_text_where_its_signature_should_be_is_told() {
    let file = text(vector!("valid"));
    let seal = &file[file.find("<CHUKYDONVI>").unwrap()..file.find("</GIAMDINHHS>").unwrap()];
    let within = file
        .replace(seal, "")
        .replace("</FILEHOSO>", "</FILEHOSO><CHUKYDONVI>MIIB</CHUKYDONVI>");
    let (codes, why) = told(within.as_bytes(), OCTOBER, None);
    assert_eq!(codes, ["SIGN-BROKEN"]);
    assert_eq!(why.unwrap(), "CHUKYDONVI holds no XML signature");
    // A signature there is found, and checked.
    let moved = file
        .replace(seal, "<CHUKYDONVI/>")
        .replace("</FILEHOSO>\n", &format!("</FILEHOSO>{seal}"));
    let (codes, why) = told(moved.as_bytes(), OCTOBER, None);
    assert_eq!(codes, ["SIGN-BROKEN"]);
    assert_eq!(why.unwrap(), "the content was changed after it was signed");
}

#[test]
fn a_signed_check_in_by_itself_holds_where_its_signature_covers_its_rows() {
    let seen = frame::survey(vector!("check-in"), &frame::Limits::default()).unwrap();
    assert!(seen.check_in && seen.signed);
    assert_eq!(told(vector!("check-in"), OCTOBER, None), (vec![], None));
    assert_eq!(told(vector!("check-in-rows"), OCTOBER, None), (vec![], None));
    let (codes, why) = told(vector!("check-in-beside"), OCTOBER, None);
    assert_eq!(codes, ["SIGN-BROKEN"]);
    assert_eq!(why.unwrap(), "the signature holds, but does not cover the records");
    let spoilt = text(vector!("check-in")).replace("LK1", "LK2");
    let why = told(spoilt.as_bytes(), OCTOBER, None).1.unwrap();
    assert_eq!(why, "the content was changed after it was signed");
    // Taken out of an envelope, it is not what was signed there.
    let mut taken_out = head(true, &judged(vector!("valid"), OCTOBER), None);
    taken_out.claim = ClaimForm::CheckIn { why: None };
    assert_eq!(taken_out.unsigned(), None);
    taken_out.claim = ClaimForm::CheckIn {
        why: Some("taken out of its envelope".into()),
    };
    assert!(taken_out.unsigned().unwrap().en.contains("envelope"));
}
