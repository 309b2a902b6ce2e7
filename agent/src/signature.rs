//! Signed claim files: does the signature in `CHUKYDONVI` hold, whose is it, and does it cover the records?
//!
//! XML signatures with RSA-SHA256 and SHA-256, enveloped or by `Id`, over inclusive or exclusive canonical XML 1.0. What stays
//! true:
//!
//! - The file is read twice and never held; the work is linear in its size, and limited.
//! - A signature holds only if every signature in the file does, and only for records that stand within what it refers to.
//! - What could be read in two ways, by us and by whoever verifies, is broken: doubled `Id`s, records inside a signature,
//!   markup in comments, another number of records than the cutter finds.
//! - Nothing is changed: signed bytes leave as they came. No message repeats a value from the file but the certificate's.

mod algorithm;
mod canon;
mod certificate;
mod fault;
mod judge;
mod pass;
mod read;
mod roots;
mod scope;
mod walk;

#[cfg(test)]
mod tests;

use std::io::{self, Read};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use vhr_core::record::Certificate;
use vhr_core::time::Timestamp;

pub use fault::Fault;
pub use judge::{Judge, Signatures};
pub use roots::{Error, Roots};

use pass::Passed;
use read::{Seen, Signature};
use walk::Stop;

/// How the signature of a file stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// There is none.
    None,
    /// All there are hold.
    Valid(Valid),
    /// One does not hold, or none could be checked.
    Broken {
        /// Why.
        fault: Fault,
        /// Of the signature that does not hold, as far as it could be read.
        certificate: Option<Certificate>,
    },
}

/// A signature that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Valid {
    /// Whose it is; of several, the one that expires first.
    pub certificate: Certificate,
    /// The elements it refers to, without those inside the signature itself; empty: the whole document.
    pub covers: Vec<String>,
    /// Every record stands within what it refers to.
    pub covers_records: bool,
    /// When it was made, where that is signed too.
    pub signed_at: Option<Timestamp>,
    /// Its certificate leads to one of the given issuers; otherwise none were given.
    pub issuer_checked: bool,
}

/// Checks the signatures of a file that has some. `open` begins to read it anew; `records` is how many the cutter finds; `at`
/// is when it was received.
///
/// # Errors
/// When the file cannot be read.
pub fn check<R: Read>(
    open: impl Fn() -> io::Result<R>,
    records: u32,
    roots: Option<&Roots>,
    at: Timestamp,
) -> io::Result<Standing> {
    let broken = |fault| Standing::Broken {
        fault,
        certificate: None,
    };
    let mut seen = Seen::default();
    match walk::walk(open()?, &mut |node, _| seen.node(node)) {
        Ok(()) => {}
        Err(Stop::Read(e)) => return Err(e),
        Err(Stop::Fault(fault)) => return Ok(broken(fault)),
    }
    if seen.signatures.is_empty() {
        return Ok(broken(Fault::NoSignature));
    }
    if seen.records != records {
        return Ok(broken(Fault::Records));
    }
    let passed = match pass::pass(open()?, &seen) {
        Ok(passed) => passed,
        Err(Stop::Read(e)) => return Err(e),
        Err(Stop::Fault(fault)) => return Ok(broken(fault)),
    };
    let mut valid: Option<Certificate> = None;
    let mut signed_at = None;
    for (number, signature) in seen.signatures.iter().enumerate() {
        let told = signature
            .signed_at
            .as_ref()
            .filter(|_| passed.signing_time_is_signed[number]);
        let made = told.and_then(|(_, text)| time(text));
        match verify(signature, &passed, number, roots, made.unwrap_or(at)) {
            Ok(certificate) => {
                signed_at = signed_at.max(made);
                valid = match valid {
                    Some(other) if other.not_after <= certificate.not_after => Some(other),
                    _ => Some(certificate),
                };
            }
            Err((fault, certificate)) => return Ok(Standing::Broken { fault, certificate }),
        }
    }
    Ok(match valid {
        Some(certificate) => Standing::Valid(Valid {
            certificate,
            covers_records: passed.uncovered == 0,
            covers: if passed.whole { Vec::new() } else { passed.parts },
            signed_at,
            issuer_checked: roots.is_some(),
        }),
        None => broken(Fault::NoSignature),
    })
}

/// Whose the signature is, or why it does not hold.
fn verify(
    signature: &Signature,
    passed: &Passed,
    number: usize,
    roots: Option<&Roots>,
    at: Timestamp,
) -> Result<Certificate, (Fault, Option<Certificate>)> {
    let ders: Vec<_> = signature.certificates.iter().map(|text| decode(text)).collect();
    let ders: Option<Vec<_>> = ders.into_iter().collect();
    let Some(ders) = ders else {
        return Err((signature.fault.clone().unwrap_or(Fault::Certificate), None));
    };
    let certificates: Result<Vec<_>, Fault> = ders.iter().map(|der| certificate::read(der)).collect();
    let first = certificates.as_ref().ok().and_then(|all| all.first());
    let first = first.map(|certificate| certificate.says.clone());
    let holds = || {
        if let Some(fault) = &signature.fault {
            return Err(fault.clone());
        }
        let signed_info = passed.signed_info(number).ok_or(Fault::Incomplete("SignedInfo"))?;
        if !signature.algorithm {
            return Err(Fault::Incomplete("SignatureMethod"));
        }
        if signature.references.is_empty() {
            return Err(Fault::Incomplete("Reference"));
        }
        for (place, reference) in signature.references.iter().enumerate() {
            if !reference.algorithm {
                return Err(Fault::Incomplete("DigestMethod"));
            }
            let digest = reference.digest.as_deref().and_then(decode);
            let digest = digest.ok_or(Fault::Incomplete("DigestValue"))?;
            if passed.digest(number, place).ok_or(Fault::Reference)? != digest {
                return Err(Fault::Digest);
            }
        }
        let value = signature.value.as_deref().and_then(decode);
        let value = value.ok_or(Fault::Incomplete("SignatureValue"))?;
        let certificates = certificates.as_ref().map_err(Clone::clone)?;
        let mut fault = Fault::NoCertificate;
        // A chain may stand there in any order.
        let made = certificates.iter().zip(&ders).find(|(certificate, _)| {
            let made = certificate.made(signed_info, &value);
            made.map_err(|why| fault = why).is_ok()
        });
        let (certificate, der) = made.ok_or(fault)?;
        if let Some(roots) = roots {
            roots.check(der, &ders, &certificate.says, at)?;
        }
        Ok(certificate.says.clone())
    };
    holds().map_err(|fault| (fault, first))
}

/// Base64 as it stands in XML, in lines or not.
fn decode(text: &str) -> Option<Vec<u8>> {
    let text: String = text.split_ascii_whitespace().collect();
    STANDARD.decode(text).ok().filter(|bytes| !bytes.is_empty())
}

/// A signing time; without an offset it is one of Vietnam.
fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    Timestamp::parse_rfc3339(text).or_else(|| Timestamp::parse_rfc3339(&format!("{text}+07:00")))
}
