//! What a certificate says, and whether its key made a signature.

use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use vhr_core::record::Certificate;
use vhr_core::time::Timestamp;
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};
use x509_parser::public_key::PublicKey;

use super::Fault;

/// No name in a certificate is that long.
const NAME: usize = 512;
/// Keys below that are not verified with any more.
const BITS: usize = 2048;

/// A certificate whose fields were read.
pub(super) struct Read<'a> {
    pub(super) says: Certificate,
    parsed: X509Certificate<'a>,
}

/// The fields of a certificate.
pub(super) fn read(der: &[u8]) -> Result<Read<'_>, Fault> {
    let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| Fault::Certificate)?;
    if !rest.is_empty() {
        return Err(Fault::Certificate);
    }
    let time = |seconds: i64| Timestamp::from_millis(seconds.saturating_mul(1000));
    let says = Certificate {
        subject: shown(parsed.subject()),
        issuer: shown(parsed.issuer()),
        serial: parsed.raw_serial_as_string().replace(':', ""),
        not_before: time(parsed.validity().not_before.timestamp()),
        not_after: time(parsed.validity().not_after.timestamp()),
    };
    Ok(Read { says, parsed })
}

impl Read<'_> {
    /// Whether the key of this certificate made `signature` over `message`, with RSA and SHA-256.
    pub(super) fn made(&self, message: &[u8], signature: &[u8]) -> Result<(), Fault> {
        match self.parsed.public_key().parsed() {
            Ok(PublicKey::RSA(key)) if key.key_size() < BITS => return Err(Fault::Weak("RSA < 2048 bit")),
            Ok(PublicKey::RSA(_)) => {}
            _ => return Err(Fault::Key),
        }
        let key = &self.parsed.public_key().subject_public_key.data;
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key);
        key.verify(message, signature).map_err(|_| Fault::Value)
    }
}

/// A name for people, on one line.
fn shown(name: &X509Name<'_>) -> String {
    let text = name.to_string();
    let text = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    text.take(NAME).collect()
}
