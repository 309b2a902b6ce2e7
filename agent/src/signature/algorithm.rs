//! The few algorithms a claim file's signature may use; what is known to be weak is told by name.

use super::Fault;
use super::canon::Method;

pub(super) const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";

/// A canonical form, and whether it keeps comments.
pub(super) fn canonical(uri: &str) -> Result<(Method, bool), Fault> {
    match uri {
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315" => Ok((Method::Inclusive, false)),
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments" => Ok((Method::Inclusive, true)),
        "http://www.w3.org/2001/10/xml-exc-c14n#" => Ok((Method::Exclusive(Vec::new()), false)),
        "http://www.w3.org/2001/10/xml-exc-c14n#WithComments" => Ok((Method::Exclusive(Vec::new()), true)),
        other => Err(Fault::Algorithm(shown(other))),
    }
}

/// RSA with SHA-256, and nothing else.
pub(super) fn signature(uri: &str) -> Result<(), Fault> {
    match uri {
        "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256" => Ok(()),
        "http://www.w3.org/2000/09/xmldsig#rsa-sha1" => Err(Fault::Weak("RSA-SHA1")),
        "http://www.w3.org/2001/04/xmldsig-more#rsa-md5" => Err(Fault::Weak("RSA-MD5")),
        other => Err(Fault::Algorithm(shown(other))),
    }
}

/// SHA-256, and nothing else.
pub(super) fn digest(uri: &str) -> Result<(), Fault> {
    match uri {
        "http://www.w3.org/2001/04/xmlenc#sha256" => Ok(()),
        "http://www.w3.org/2000/09/xmldsig#sha1" => Err(Fault::Weak("SHA-1")),
        "http://www.w3.org/2001/04/xmldsig-more#md5" => Err(Fault::Weak("MD5")),
        other => Err(Fault::Algorithm(shown(other))),
    }
}

/// The name of an algorithm for people; what does not look like one is not shown.
pub(super) fn shown(uri: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b":/.#-_".contains(&b);
    if uri.starts_with("http://www.w3.org/") && uri.len() <= 100 && uri.bytes().all(plain) {
        uri.to_owned()
    } else {
        "?".to_owned()
    }
}
