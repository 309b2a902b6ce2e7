//! Any file with anything for a signature: nothing that was not signed by the key of a certificate in it is ever called valid.

use vhr_agent::frame::{self, Limits};
use vhr_agent::signature::{self, Standing};
use vhr_core::time::Timestamp;

/// Elements of signatures.
pub const WORDS: &[&str] = &[
    "<Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\">",
    "</Signature>",
    "<SignedInfo>",
    "</SignedInfo>",
    "<Reference URI=\"\">",
    "<Reference URI=\"#a\">",
    "</Reference>",
    " Id=\"a\"",
    "<Transforms>",
    "<DigestValue>",
    "<SignatureValue>",
    "<X509Certificate>",
    "xmlns:a=\"b\"",
    "&#xD;",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<HOSO>",
    "</HOSO>",
    "\r\n",
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
    "http://www.w3.org/2001/10/xml-exc-c14n#",
];

macro_rules! vectors {
    ($($name:literal)*) => {
        [$(&include_bytes!(concat!("../../../agent/src/signature/vectors/", $name, ".xml"))[..]),*]
    };
}

/// Files that are signed, well and badly.
pub fn seeds() -> Vec<Vec<u8>> {
    let vectors = vectors!(
        "valid" "valid-chain" "valid-exclusive" "valid-time" "hard" "hard-exclusive" "part-one-of-two" "part-records" "part-unit" "two-signatures"
        "check-in" "check-in-beside" "check-in-rows" "expired" "no-certificate" "sha1" "sha512" "short-key" "utf-16"
    );
    vectors.iter().map(|vector| vector.to_vec()).collect()
}

/// Any file.
pub fn run(bytes: &[u8]) {
    let at = Timestamp::from_millis(1_780_000_000_000);
    // A file that is refused has nothing that a signature could be asked for.
    let Ok(frame::Survey { records, .. }) = frame::survey(bytes, &Limits::default()) else {
        return;
    };
    let check = || signature::check(|| Ok(bytes), records, None, at).expect("memory does not fail");
    let standing = check();
    assert_eq!(format!("{standing:?}"), format!("{:?}", check()), "the same again");
    match standing {
        Standing::Valid(valid) => {
            let held = |what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
            // In UTF-16 every other byte is 0.
            assert!(held(b"X509Certificate") || bytes.contains(&0));
            assert!(!valid.covers_records || records > 0);
        }
        Standing::Broken { .. } => {}
        Standing::None => panic!("a file that is checked has one, or tells that there is none"),
    }
}
