//! Issuers a site trusts, and whether a certificate leads to one of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use vhr_core::record::Certificate;
use vhr_core::time::Timestamp;
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, anchor_from_trusted_cert};

use super::Fault;

/// More issuers than there are.
const MOST: usize = 256;

/// The issuers in a file.
#[derive(Debug, Clone)]
pub struct Roots {
    anchors: Vec<TrustAnchor<'static>>,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be opened, or is no PEM.
    #[error("[signature] roots: {path} does not read as PEM")]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// One in it is no certificate of an issuer.
    #[error("[signature] roots: certificate {number} in {path} cannot be that of an issuer")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Its place, from 1.
        number: usize,
        /// Why.
        source: webpki::Error,
    },
    /// It holds no certificate, or far too many.
    #[error("[signature] roots: {path} holds {count} certificates; 1 to {MOST} are wanted")]
    Count {
        /// The file.
        path: PathBuf,
        /// How many there are.
        count: usize,
    },
}

impl Roots {
    /// Those in a PEM file.
    ///
    /// # Errors
    /// When the file does not read, or holds something else.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let pem = |source| Error::Pem {
            path: path.to_owned(),
            source,
        };
        let certificates = CertificateDer::pem_file_iter(path).map_err(pem)?;
        let certificates = certificates
            .take(MOST + 1)
            .collect::<Result<Vec<_>, _>>()
            .map_err(pem)?;
        if certificates.is_empty() || certificates.len() > MOST {
            return Err(Error::Count {
                path: path.to_owned(),
                count: certificates.len(),
            });
        }
        let anchors = certificates.iter().enumerate().map(|(at, certificate)| {
            let anchor = anchor_from_trusted_cert(certificate).map_err(|source| Error::Certificate {
                path: path.to_owned(),
                number: at + 1,
                source,
            })?;
            Ok(anchor.to_owned())
        });
        Ok(Self {
            anchors: anchors.collect::<Result<_, Error>>()?,
        })
    }

    /// Whether a certificate leads to one of them, over the others that came with it. When it expires is not asked here: it
    /// is looked at within its own time.
    pub(super) fn check(&self, der: &[u8], others: &[Vec<u8>], says: &Certificate, at: Timestamp) -> Result<(), Fault> {
        let der = CertificateDer::from(der);
        let others: Vec<_> = others.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let at = at.max(says.not_before).min(says.not_after);
        let at = UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(at.millis()).unwrap_or(0)));
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        let certificate = EndEntityCert::try_from(&der).map_err(|_| Fault::Untrusted)?;
        let path = certificate.verify_for_usage(algorithms.all, &self.anchors, &others, at, AnyUse, None, None);
        path.map(drop).map_err(|_| Fault::Untrusted)
    }
}

/// What certificates for signing documents are meant for differs from issuer to issuer.
struct AnyUse;

impl ExtendedKeyUsageValidator for AnyUse {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}
