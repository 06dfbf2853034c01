//! TLS of the public listener: the certificate and its key come from two files, which may be renewed while the server
//! runs.
//!
//! The submodules: `files` reads and checks the two files, `certificate` reads what an operator is shown about them,
//! `expiry` warns before clients refuse the certificate, `renewal` loads renewed files. The handshake itself is part of
//! `serve::connection`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

mod certificate;
mod expiry;
mod files;
mod renewal;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use certificate::Certificate;
pub use expiry::ExpiryWarning;
pub use files::TlsFileError;

/// The protocols that are offered by ALPN, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// A certificate with its key, and the acceptor that uses it. Clones share both.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    current: Arc<CurrentCertificate>,
    certificate: PathBuf,
    key: PathBuf,
    stamps: files::Stamps,
}

impl Tls {
    /// Reads both files. An error is one line for the operator.
    pub fn open(certificate: &Path, key: &Path) -> Result<Self, TlsFileError> {
        let stamps = files::Stamps::of(certificate, key);
        let current = Arc::new(CurrentCertificate(RwLock::new(files::read(certificate, key)?)));
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsFileError::provider)?
            .with_no_client_auth();
        let mut config = config.with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { acceptor, current, certificate: certificate.to_owned(), key: key.to_owned(), stamps })
    }

    /// What the certificate that is in use at the moment says.
    pub fn certificate(&self) -> Certificate {
        Certificate::of(&self.current.now())
    }

    pub(crate) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }
}

/// The certificate that new handshakes use; a renewal replaces it. Handshakes under way keep the one with which they
/// began.
#[derive(Debug)]
struct CurrentCertificate(RwLock<Arc<CertifiedKey>>);

impl CurrentCertificate {
    fn now(&self) -> Arc<CertifiedKey> {
        // A poisoned lock is used all the same: a panic cannot leave the pointer half written.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, with: Arc<CertifiedKey>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = with;
    }
}

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now())
    }
}
