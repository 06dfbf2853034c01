//! TLS at the public door: the certificate and its key from two files, renewed while the server runs.
//!
//! What is where: `files` reads and judges the two files, `certificate` reads what an operator is told about them,
//! `renewal` takes up what was renewed. The handshake itself is part of `serve::connection`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use domain::Timestamp;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

mod certificate;
mod files;
mod renewal;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use certificate::Certificate;
pub use files::TlsFileError;

/// What is spoken inside, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// A certificate with its key, and the handshake that shows it. Clones share both.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    shown: Arc<Shown>,
    certificate: PathBuf,
    key: PathBuf,
    stamps: files::Stamps,
}

impl Tls {
    /// Reads both files. `Err` is one line for the operator.
    pub fn open(certificate: &Path, key: &Path) -> Result<Self, TlsFileError> {
        let stamps = files::Stamps::of(certificate, key);
        let shown = Arc::new(Shown(RwLock::new(files::read(certificate, key)?)));
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsFileError::provider)?
            .with_no_client_auth();
        let mut config = config.with_cert_resolver(Arc::clone(&shown) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { acceptor, shown, certificate: certificate.to_owned(), key: key.to_owned(), stamps })
    }

    /// What the certificate says that is shown at the moment.
    pub fn certificate(&self) -> Certificate {
        Certificate::of(&self.shown.now())
    }

    pub(crate) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }
}

/// What clients get to see; replaced when it is renewed. Handshakes under way go on with what they began with.
#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

impl Shown {
    fn now(&self) -> Arc<CertifiedKey> {
        // Whoever panicked has not left half a pointer behind.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, with: Arc<CertifiedKey>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = with;
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now())
    }
}

/// Says that clients will refuse this certificate, and is otherwise no reason not to serve: a clock may be wrong, and
/// an expired certificate that is renewed later needs no restart then.
pub fn warn_if_expired(certificate: &Certificate, now: Timestamp) {
    match certificate.expires {
        Some(expires) if now.has_reached(expires) => {
            tracing::warn!(%expires, "the TLS certificate has expired: clients will refuse it");
        }
        _ => {}
    }
}
