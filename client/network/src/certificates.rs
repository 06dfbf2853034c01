//! Which certificates of servers are trusted: those that the system trusts, and those of a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls_platform_verifier::Verifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{self, ClientConfig, DigitallySignedStruct, SignatureScheme};

use crate::failure::ConnectFailure;

/// Only HTTP/1.1 is spoken: one connection carries one body, and a cut connection concerns one request.
const PROTOCOL: &[u8] = b"http/1.1";

/// Why a file with certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaFileError {
    /// It cannot be read.
    #[error("the file with certificates {} cannot be read: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why it cannot be read.
        why: std::io::Error,
    },
    /// It has no certificates.
    #[error("the file {} has no certificate in the form PEM", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A certificate in it is none.
    #[error("a certificate in the file {} cannot be read: {why}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// What is trusted. TLS is set up at the first connection that uses it: a system without certificates still reaches
/// servers that need none.
pub struct Roots {
    extra: Vec<CertificateDer<'static>>,
    config: OnceLock<Result<Arc<ClientConfig>, String>>,
}

impl Roots {
    pub fn read(file: Option<&Path>) -> Result<Self, CaFileError> {
        let extra = file.map_or(Ok(Vec::new()), certificates)?;
        Ok(Self { extra, config: OnceLock::new() })
    }

    pub fn tls(&self) -> Result<Arc<ClientConfig>, ConnectFailure> {
        let config = self.config.get_or_init(|| self.config().map(Arc::new).map_err(|error| error.to_string()));
        config.clone().map_err(ConnectFailure::Certificate)
    }

    fn config(&self) -> Result<ClientConfig, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Arc::new(TrustedCertificates {
            chains: Verifier::new_with_extra_roots(self.extra.clone(), Arc::clone(&provider))?,
            own: self.extra.clone(),
            provider: Arc::clone(&provider),
        });
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(config)
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CaFileError> {
    let path = path.to_owned();
    let pem = match fs::read(&path) {
        Ok(pem) => pem,
        Err(why) => return Err(CaFileError::Unreadable { path, why }),
    };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = match found {
        Ok(found) if found.is_empty() => return Err(CaFileError::Empty { path }),
        Ok(found) => found,
        Err(error) => return Err(CaFileError::Invalid { path, why: error.to_string() }),
    };
    for certificate in &found {
        if let Err(error) = ParsedCertificate::try_from(certificate) {
            return Err(CaFileError::Invalid { path, why: error.to_string() });
        }
    }
    Ok(found)
}

/// Trusts what the system trusts, what the file's certificates have issued, and the file's certificates themselves.
///
/// The last are for self-signed servers. Their certificates often say that they are of an authority, which a server's
/// must not be, so that the usual check refuses them. Whoever puts exactly this certificate into the file trusts it.
#[derive(Debug)]
struct TrustedCertificates {
    chains: Verifier,
    own: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for TrustedCertificates {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.own.iter().any(|own| own == end_entity) {
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            return Ok(ServerCertVerified::assertion());
        }
        self.chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
