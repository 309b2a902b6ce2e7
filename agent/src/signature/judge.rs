//! What the signature of a file means for each of its records, and what people are told of it.

use std::io::{self, Read};

use vhr_core::config::{Config, Signed};
use vhr_core::record::{ClaimForm, Head, Issue, Signature};
use vhr_core::said;
use vhr_core::say::Said;
use vhr_core::time::Timestamp;

use super::roots::{Error, Roots};
use super::{Fault, Standing, check};
use crate::frame::Survey;

/// People are told so many days before a certificate expires.
const EXPIRES_SOON: i64 = 30;

/// What a site asks of signatures.
#[derive(Debug, Clone, Default)]
pub struct Signatures {
    roots: Option<Roots>,
    /// An endpoint wants to be told of what is not signed.
    warn: bool,
}

impl Signatures {
    /// As configured.
    ///
    /// # Errors
    /// When the file of trusted issuers is of no use.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let roots = config.signature.roots.as_deref().map(Roots::read).transpose()?;
        let warn = config
            .endpoints
            .iter()
            .any(|endpoint| endpoint.signed() == Signed::Warn);
        Ok(Self { roots, warn })
    }

    /// Looks at a file received at a time, where it is signed at all. `open` begins to read it anew.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn judge<R: Read>(
        &self,
        survey: &Survey,
        open: impl Fn() -> io::Result<R>,
        at: Timestamp,
    ) -> io::Result<Judge> {
        let standing = if survey.signed || survey.signature_within {
            {
                // A check-in by itself stands in no `HOSO`.
                let records = if survey.check_in { 0 } else { survey.records };
                check(open, records, self.roots.as_ref(), at)?
            }
        } else {
            Standing::None
        };
        Ok(Judge {
            standing,
            at,
            warn: self.warn,
        })
    }
}

/// What is known of one file's signatures.
#[derive(Debug)]
pub struct Judge {
    standing: Standing,
    /// When the file was received.
    at: Timestamp,
    warn: bool,
}

impl Judge {
    /// How the signature stands for a record of the file that came `signed`, of a visit that ended then.
    pub fn signature(&self, signed: bool, ended: Option<Timestamp>) -> Option<Signature> {
        let broken = |fault: &Fault, certificate| Signature {
            fault: Some(fault.said()),
            certificate,
            covers: Vec::new(),
            signed_at: None,
            issuer_checked: false,
        };
        match &self.standing {
            _ if !signed => None,
            Standing::None => Some(broken(&Fault::NoSignature, None)),
            Standing::Broken { fault, certificate } => Some(broken(fault, certificate.clone())),
            Standing::Valid(valid) => {
                let certificate = &valid.certificate;
                // Nothing is signed before the visit has ended.
                let made = valid.signed_at.or(ended);
                let fault = if !valid.covers_records {
                    Some(Fault::Uncovered)
                } else if made.is_some_and(|made| made > certificate.not_after) {
                    Some(Fault::Expired)
                } else if valid.signed_at.is_some_and(|made| made < certificate.not_before) {
                    Some(Fault::NotYet)
                } else {
                    None
                };
                Some(Signature {
                    fault: fault.map(|fault| fault.said()),
                    certificate: Some(certificate.clone()),
                    covers: valid.covers.clone(),
                    signed_at: valid.signed_at,
                    issuer_checked: valid.issuer_checked,
                })
            }
        }
    }

    /// Adds to a record what people should know of its signature.
    pub fn remark(&self, head: &mut Head) {
        if head.claim == ClaimForm::None {
            return;
        }
        let signature = head.signature.as_ref();
        if let Some(fault) = signature.and_then(|signature| signature.fault.as_ref()) {
            let (vi, en) = (&fault.vi, &fault.en);
            let said = said!("chữ ký không có giá trị: {vi}", "the signature does not hold: {en}");
            head.issues.push(issue("error", "SIGN-BROKEN", &said));
            return;
        }
        let expires = signature.and_then(|signature| self.expires(signature));
        let unsigned = self.warn.then(|| head.unsigned()).flatten();
        let unsigned = unsigned.map(|why| issue("warning", "SIGN-NONE", &why));
        head.issues.extend(expires.into_iter().chain(unsigned));
    }

    fn expires(&self, signature: &Signature) -> Option<Issue> {
        let certificate = signature.certificate.as_ref()?;
        let days = certificate.days_left(self.at);
        let day = certificate.last_day();
        let said = match days {
            EXPIRES_SOON.. => return None,
            0.. => said!(
                "chứng thư số dùng để ký hết hạn ngày {day}: hãy gia hạn",
                "the certificate it is signed with expires on {day}: have it renewed"
            ),
            _ => said!(
                "chứng thư số dùng để ký đã hết hạn từ ngày {day}: nơi nhận có thể từ chối, hãy gia hạn",
                "the certificate it is signed with expired on {day}: the receiver may refuse it, have it renewed"
            ),
        };
        Some(issue("warning", "SIGN-EXPIRES", &said))
    }
}

fn issue(severity: &str, code: &str, said: &Said) -> Issue {
    Issue {
        severity: severity.into(),
        code: code.into(),
        source: "CHUKYDONVI".into(),
        message: format!("{} / {}", said.vi, said.en),
    }
}
