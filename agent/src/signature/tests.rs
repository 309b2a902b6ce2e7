//! Signed files made by another implementation (see `vectors/Make.java`), whole and spoilt.

use super::*;
use crate::frame;

macro_rules! vector {
    ($name:literal) => {
        include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/src/signature/vectors/",
            $name,
            ".xml"
        ))
        .as_slice()
    };
}

mod records;

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

fn received() -> Timestamp {
    at("2026-10-05T08:00:00+07:00")
}

/// As `map` asks: with the number of records that the cutter finds.
fn standing(file: &[u8]) -> Standing {
    let survey = frame::survey(file, &frame::Limits::default()).unwrap();
    assert!(survey.signed || survey.signature_within);
    check(|| Ok(file), survey.records, None, received()).unwrap()
}

fn valid(file: &[u8]) -> Valid {
    match standing(file) {
        Standing::Valid(valid) => valid,
        other => panic!("{other:?}"),
    }
}

fn fault(file: &[u8]) -> Fault {
    match standing(file) {
        Standing::Broken { fault, .. } => fault,
        other => panic!("{other:?}"),
    }
}

fn text(file: &[u8]) -> String {
    String::from_utf8(file.to_vec()).unwrap()
}

/// The fault of a file after a change.
fn spoilt(file: &[u8], from: &str, to: &str) -> Fault {
    let text = text(file);
    assert!(text.contains(from), "{from:?} is not there");
    fault(text.replacen(from, to, 1).as_bytes())
}

#[test]
fn a_signature_over_the_whole_file_holds_and_tells_whose_it_is() {
    for file in [vector!("valid"), vector!("valid-exclusive"), vector!("valid-chain")] {
        let valid = valid(file);
        assert!(valid.covers_records && valid.covers.is_empty() && !valid.issuer_checked);
        let certificate = valid.certificate;
        assert!(certificate.subject.contains("CN=BV Ví Dụ"), "{certificate:?}");
        assert!(certificate.issuer.contains("CN=Invented Root"), "{certificate:?}");
        assert_eq!(certificate.not_before, at("2026-01-01T00:00:00Z"));
        assert_eq!(certificate.not_after, at("2027-01-01T00:00:00Z"));
        assert!(certificate.serial.len() >= 16 && certificate.serial.bytes().all(|b| b.is_ascii_hexdigit()));
        assert_eq!(valid.signed_at, None);
    }
}

#[test]
fn everything_a_canonical_form_does_is_done_as_others_do_it() {
    let hard = valid(vector!("hard"));
    assert!(hard.covers_records && hard.covers.is_empty());
    assert_eq!(hard.signed_at, Some(at("2026-10-02T08:00:00+07:00")));
    assert!(valid(vector!("hard-exclusive")).covers_records);
    assert!(valid(vector!("utf-16")).covers_records);
}

#[test]
fn what_the_canonical_form_does_not_see_may_change() {
    let file = text(vector!("hard"));
    for (from, to) in [
        ("<!-- within\r\n -->", ""),
        ("\r\n", "\n"),
        ("\u{FEFF}", ""),
        (" z='1' a:y='2'", "\n  a:y=\"2\" z=\"1\" "),
        ("<y xmlns=''/>", "<y xmlns=''></y>"),
        ("<![CDATA[79<9&9]]>9", "79&lt;9&amp;9&#57;"),
    ] {
        assert!(file.contains(from), "{from:?} is not there");
        assert!(valid(file.replace(from, to).as_bytes()).covers_records, "{from:?}");
    }
}

#[test]
fn one_byte_of_the_content_changed_is_told_from_one_of_the_signature() {
    let file = vector!("valid");
    assert_eq!(spoilt(file, "79999", "79998"), Fault::Digest);
    assert_eq!(spoilt(file, "</HOSO>", "</HOSO> "), Fault::Digest);
    assert_eq!(spoilt(file, "NOIDUNGFILE>PD", "NOIDUNGFILE>QD"), Fault::Digest);
    assert_eq!(
        spoilt(vector!("hard"), "<?within it?>", "<?within  it ?>"),
        Fault::Digest
    );
    assert_eq!(
        spoilt(vector!("hard"), "xmlns:unused=\"urn:unused\"", ""),
        Fault::Digest
    );
    // In SignedInfo: a blank more, though every digest fits.
    assert_eq!(spoilt(file, "</SignedInfo>", " </SignedInfo>"), Fault::Value);
    let value = text(file).split("<SignatureValue>").nth(1).unwrap()[..8].to_owned();
    let other: String = value.chars().rev().collect();
    assert_eq!(spoilt(file, &value, &other), Fault::Value);
    assert_eq!(fault(vector!("other-certificate")), Fault::Value);
}

#[test]
fn a_broken_signature_still_tells_whose_it_claims_to_be() {
    let file = text(vector!("valid")).replace("79999", "79998");
    let Standing::Broken { certificate, .. } = standing(file.as_bytes()) else {
        panic!("it was spoilt")
    };
    assert!(certificate.unwrap().subject.contains("BV Ví Dụ"));
}

#[test]
fn weak_and_other_algorithms_are_told_by_name_and_not_accepted() {
    assert_eq!(fault(vector!("sha1")), Fault::Weak("RSA-SHA1"));
    assert_eq!(fault(vector!("short-key")), Fault::Weak("RSA < 2048 bit"));
    let sha512 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512";
    assert_eq!(fault(vector!("sha512")), Fault::Algorithm(sha512.into()));
    let file = vector!("valid");
    assert_eq!(
        spoilt(file, "2001/04/xmlenc#sha256", "2000/09/xmldsig#sha1"),
        Fault::Weak("SHA-1")
    );
    let xslt = "http://www.w3.org/TR/1999/REC-xslt-19991116";
    assert_eq!(
        spoilt(file, "http://www.w3.org/2000/09/xmldsig#enveloped-signature", xslt),
        Fault::Algorithm(xslt.into())
    );
    assert_eq!(
        spoilt(
            file,
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
            "79999 Nguyễn"
        ),
        Fault::Algorithm("?".into())
    );
}

#[test]
fn a_signature_with_a_part_missing_is_told_by_the_part() {
    assert_eq!(fault(vector!("no-certificate")), Fault::NoCertificate);
    let file = text(vector!("valid"));
    for (part, told) in [
        ("SignedInfo", Fault::Incomplete("SignedInfo")),
        ("SignatureMethod", Fault::Incomplete("SignatureMethod")),
        ("Reference", Fault::Incomplete("Reference")),
        ("DigestMethod", Fault::Incomplete("DigestMethod")),
        ("DigestValue", Fault::Incomplete("DigestValue")),
        ("SignatureValue", Fault::Incomplete("SignatureValue")),
        ("KeyInfo", Fault::NoCertificate),
    ] {
        let (start, end) = (file.find(&format!("<{part}")).unwrap(), format!("</{part}>"));
        let end = file.find(&end).unwrap() + end.len();
        let without = format!("{}{}", &file[..start], &file[end..]);
        assert_eq!(fault(without.as_bytes()), told, "{part}");
        let twice = format!("{}{}", &file[..end], &file[start..]);
        assert!(
            matches!(standing(twice.as_bytes()), Standing::Broken { .. }) || part == "KeyInfo",
            "{part} twice"
        );
    }
    assert_eq!(
        spoilt(vector!("valid"), "<X509Certificate>MII", "<X509Certificate>AII"),
        Fault::Certificate
    );
    assert_eq!(
        spoilt(vector!("valid"), "<X509Certificate>MII", "<X509Certificate>!"),
        Fault::Certificate
    );
}

#[test]
fn what_stands_in_the_seal_and_is_no_signature_is_told() {
    let file = text(vector!("valid"));
    let seal = file.find("<CHUKYDONVI>").unwrap() + "<CHUKYDONVI>".len();
    let end = file.find("</CHUKYDONVI>").unwrap();
    for other in [
        "MIIB",
        "<![CDATA[<Signature/>]]>",
        "<Signature/>",
        "<Signature xmlns='urn:mine'/>",
    ] {
        let file = format!("{}{other}{}", &file[..seal], &file[end..]);
        assert_eq!(fault(file.as_bytes()), Fault::NoSignature, "{other}");
    }
    let unsigned = format!("{}{}", &file[..seal], &file[end..]);
    let survey = frame::survey(unsigned.as_bytes(), &frame::Limits::default()).unwrap();
    let judge = Signatures::default().judge(&survey, || Ok(unsigned.as_bytes()), received());
    assert_eq!(judge.unwrap().signature(false, None), None);
}

#[test]
fn a_signature_over_parts_names_them_and_whether_the_records_are_in_them() {
    let records = valid(vector!("part-records"));
    assert_eq!(records.covers, ["THONGTINDONVI", "THONGTINHOSO"]);
    assert!(records.covers_records);
    let unit = valid(vector!("part-unit"));
    assert_eq!(unit.covers, ["THONGTINDONVI"]);
    assert!(!unit.covers_records);
    assert!(!valid(vector!("part-one-of-two")).covers_records);
    assert_eq!(spoilt(vector!("part-records"), "20261001", "20261002"), Fault::Digest);
    let outside = text(vector!("part-unit")).replace("20261001", "20261002");
    assert_eq!(valid(outside.as_bytes()).covers, ["THONGTINDONVI"]);
}

#[test]
fn of_two_signatures_both_have_to_hold_and_the_one_that_expires_first_is_shown() {
    let two = valid(vector!("two-signatures"));
    assert!(two.covers_records);
    assert_eq!(two.covers, ["HOSO", "HOSO"]);
    assert_eq!(two.certificate.not_after, at("2026-11-01T00:00:00Z"));
    for record in ["Id=\"first\"", "Id=\"second\""] {
        assert_eq!(
            spoilt(vector!("two-signatures"), record, &format!("{record} a='b'")),
            Fault::Digest
        );
    }
}

#[test]
fn a_reference_to_nothing_or_to_one_of_two_or_elsewhere_is_told() {
    let file = vector!("part-records");
    assert_eq!(spoilt(file, "Id=\"info\"", "Id=\"other\""), Fault::Reference);
    assert_eq!(
        spoilt(file, "<GIAMDINHHS>", "<GIAMDINHHS ID=\"info\">"),
        Fault::Reference
    );
    for uri in ["https://example.org/", "#xpointer(/)", "info", "#"] {
        assert_eq!(
            spoilt(file, "URI=\"#info\"", &format!("URI=\"{uri}\"")),
            Fault::Reference,
            "{uri}"
        );
    }
    assert_eq!(spoilt(file, " URI=\"#info\"", ""), Fault::Reference);
}

/// The records that are read must be those that were signed: the ways to have it otherwise.
#[test]
fn records_that_were_not_signed_do_not_pass_for_signed() {
    let signed = text(vector!("part-one-of-two"));
    let record = &signed[signed.find("<HOSO").unwrap()..signed.find("</HOSO>").unwrap() + "</HOSO>".len()];
    let forged = record.replace(" Id=\"first\"", "");
    // Beside the signed one, before or behind it, or around it.
    let original = text(vector!("two-signatures"));
    for to in [format!("{forged}{record}"), format!("{record}{forged}")] {
        let file = original.replacen(record, &to, 1);
        assert!(!valid(file.as_bytes()).covers_records);
    }
    let around = original.replacen(record, &format!("<HOSO><FILEHOSO/>{record}</HOSO>"), 1);
    assert_eq!(fault(around.as_bytes()), Fault::Records);
    // The signed one moved into the signature, and another in its place.
    let moved = original.replacen(record, &forged, 1);
    let moved = moved.replacen("</Signature>", &format!("<Object>{record}</Object></Signature>"), 1);
    assert_eq!(fault(moved.as_bytes()), Fault::Wrapped);
    // In the signature, which the signature over the whole file does not cover.
    let inside = format!("<Object>{forged}</Object></Signature>");
    assert_eq!(spoilt(vector!("valid"), "</Signature>", &inside), Fault::Wrapped);
    let facility = "<Object><x:MACSKCB xmlns:x='urn:x'>1</x:MACSKCB></Object></Signature>";
    assert_eq!(spoilt(vector!("valid"), "</Signature>", facility), Fault::Wrapped);
    // In what no signature sees.
    let file = text(vector!("valid"));
    let commented = file.replacen("<CHUKYDONVI>", &format!("<!--{forged}--><CHUKYDONVI>"), 1);
    assert!(matches!(fault(commented.as_bytes()), Fault::Form(_)));
    // Under a root of its own.
    let root = file.find("<GIAMDINHHS>").unwrap();
    let wrapped = format!(
        "<GIAMDINHHS><DANHSACHHOSO>{forged}</DANHSACHHOSO>{}</GIAMDINHHS>",
        &file[root..]
    );
    let survey = frame::survey(wrapped.as_bytes(), &frame::Limits::default());
    assert!(survey.is_err());
    assert!(matches!(
        check(|| Ok(wrapped.as_bytes()), 2, None, received()).unwrap(),
        Standing::Broken {
            fault: Fault::Digest,
            ..
        }
    ));
}

#[test]
fn what_is_not_strict_xml_is_not_taken_for_signed() {
    let file = text(vector!("valid"));
    for (from, to, told) in [
        (
            "<GIAMDINHHS>",
            "<!DOCTYPE GIAMDINHHS [<!ENTITY a 'b'>]><GIAMDINHHS>",
            Fault::Doctype,
        ),
        ("79999", "79999&a;", Fault::Entity),
        ("79999", "79999&#0;", Fault::Entity),
        ("79999", "79999\u{1}", Fault::Characters),
        ("</GIAMDINHHS>", "", Fault::Form("cut short")),
        ("</GIAMDINHHS>", "</GIAMDINHHS>x", Fault::Form("text outside the root")),
        ("</GIAMDINHHS>", "</GIAMDINHHS><x/>", Fault::Form("two roots")),
        (
            "<CHUKYDONVI>",
            "<CHUKYDONVI a='1' a='2'>",
            Fault::Form("an attribute that is there twice"),
        ),
        (
            "<CHUKYDONVI>",
            "<CHUKYDONVI x:a='1'>",
            Fault::Form("a prefix without a namespace"),
        ),
        (
            "<CHUKYDONVI>",
            "<CHUKYDONVI xmlns:a='u' xmlns:b='u' a:x='1' b:x='1'>",
            Fault::Form("an attribute that is there twice"),
        ),
        (
            "<CHUKYDONVI>",
            "<CHUKYDONVI a='<'>",
            Fault::Form("markup in an attribute"),
        ),
        ("79999", "79]]>999", Fault::Form("]]> in a text")),
        ("</THONGTINDONVI>", "</THONGTINHOSO>", Fault::Form("not well-formed")),
    ] {
        assert!(file.contains(from), "{from:?}");
        let spoilt = file.replacen(from, to, 1);
        let found = check(|| Ok(spoilt.as_bytes()), 1, None, received()).unwrap();
        assert_eq!(
            found,
            Standing::Broken {
                fault: told,
                certificate: None
            },
            "{to}"
        );
    }
    let declared = file.replacen("utf-8", "windows-1258", 1).replacen("79999", "ế", 1);
    assert_eq!(fault(declared.as_bytes()), Fault::Characters);
    let mut bytes = file.into_bytes();
    let at = bytes.windows(5).position(|five| five == b"79999").unwrap();
    bytes[at] = 0xFF;
    assert_eq!(fault(&bytes), Fault::Characters);
}

#[test]
fn depth_and_numbers_are_limited() {
    let file = text(vector!("valid"));
    let deep = format!("{}{}", "<a>".repeat(100), "</a>".repeat(100));
    let attributes: String = (0..100).map(|n| format!(" a{n}='1'")).collect();
    let namespaces: String = (0..60).map(|n| format!(" xmlns:a{n}='u'")).collect();
    let signature = &file[file.find("<Signature").unwrap()..file.find("</CHUKYDONVI>").unwrap()];
    let reference = &file[file.find("<Reference").unwrap()..file.find("</SignedInfo>").unwrap()];
    let text = format!("<SigningTime>{}</SigningTime></Signature>", "1".repeat(100_000));
    for (from, to, told) in [
        ("<CHUKYDONVI>", format!("<CHUKYDONVI>{deep}"), Fault::TooLarge),
        ("<CHUKYDONVI>", format!("<CHUKYDONVI{attributes}>"), Fault::TooLarge),
        (
            "<CHUKYDONVI>",
            format!("<CHUKYDONVI{namespaces}><b{namespaces}/>"),
            Fault::TooLarge,
        ),
        ("</Signature>", text, Fault::TooLarge),
        (
            "<CHUKYDONVI>",
            format!("<CHUKYDONVI>{}", signature.repeat(20)),
            Fault::TooMany,
        ),
        (
            "</SignedInfo>",
            format!("{}</SignedInfo>", reference.repeat(20)),
            Fault::TooMany,
        ),
    ] {
        let spoilt = file.replacen(from, &to, 1);
        assert_eq!(fault(spoilt.as_bytes()), told, "{}", &to[..to.len().min(80)]);
    }
}

#[test]
fn issuers_are_checked_only_where_the_site_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let roots = |pem: &[u8]| {
        let path = folder.path().join("roots.pem");
        std::fs::write(&path, pem).unwrap();
        Roots::read(&path)
    };
    let file = vector!("valid");
    let root = roots(include_bytes!("vectors/root.pem")).unwrap();
    // Long after: that a certificate has expired is told in its own place.
    for time in [received(), at("2030-01-01T00:00:00Z")] {
        let found = check(|| Ok(file), 1, Some(&root), time).unwrap();
        assert!(
            matches!(
                found,
                Standing::Valid(Valid {
                    issuer_checked: true,
                    ..
                })
            ),
            "{found:?}"
        );
    }
    let other = roots(include_bytes!("vectors/other.pem")).unwrap();
    let found = check(|| Ok(file), 1, Some(&other), received()).unwrap();
    assert!(
        matches!(
            found,
            Standing::Broken {
                fault: Fault::Untrusted,
                ..
            }
        ),
        "{found:?}"
    );
    assert!(matches!(roots(b""), Err(Error::Count { count: 0, .. })));
    let no_pem = b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
    assert!(matches!(roots(no_pem), Err(Error::Pem { .. })));
    let no_certificate = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(
        roots(no_certificate),
        Err(Error::Certificate { number: 1, .. })
    ));
}

#[test]
fn a_file_that_cannot_be_read_is_no_broken_signature() {
    let failing = || Ok(vector!("valid")[..500].chain(Failing));
    let error = check(failing, 1, None, received()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::TimedOut.into())
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]

    /// Whatever is done to it: it still holds only where the canonical form is the same, and nothing panics.
    #[test]
    fn no_change_of_bytes_panics(at in 0usize..5000, byte: u8, cut in 0usize..200, twice: bool) {
        for file in [vector!("valid-time"), vector!("hard"), vector!("two-signatures")] {
            let mut bytes = file.to_vec();
            let at = at % bytes.len();
            let to = (at + cut).min(bytes.len());
            if twice {
                bytes.extend_from_within(at..to);
            } else {
                bytes.splice(at..to, [byte]);
            }
            let _ = check(|| Ok(bytes.as_slice()), 1, None, received()).unwrap();
        }
    }

    #[test]
    fn no_input_panics(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
        let _ = check(|| Ok(bytes.as_slice()), 1, None, received()).unwrap();
    }
}
