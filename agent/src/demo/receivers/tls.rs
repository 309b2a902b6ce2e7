//! A certificate authority that lives as long as the demonstration.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use super::Error;

/// A throw-away certificate authority, in memory only.
#[derive(Debug)]
pub struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pem: String,
}

impl Ca {
    /// A new authority with a new key.
    pub fn new() -> Result<Self, Error> {
        let mut params = CertificateParams::new(Vec::new()).map_err(Error::Certificate)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "VHR Agent demonstration");
        let key = KeyPair::generate().map_err(Error::Certificate)?;
        let issuer = CertifiedIssuer::self_signed(params, key).map_err(Error::Certificate)?;
        let pem = issuer.as_ref().pem();
        Ok(Self { issuer, pem })
    }

    /// The authority's own certificate, for the client's list of trusted ones.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Takes TLS connections with a fresh certificate for 127.0.0.1 and localhost.
    pub(super) fn acceptor(&self) -> Result<TlsAcceptor, Error> {
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let params = CertificateParams::new(names).map_err(Error::Certificate)?;
        let key = KeyPair::generate().map_err(Error::Certificate)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(Error::Certificate)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        // The provider is named here so that it does not matter what else of the process has set as its default.
        let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(Error::Tls)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .map_err(Error::Tls)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
