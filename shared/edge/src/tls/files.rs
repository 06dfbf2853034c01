//! Reads the two PEM files within a size limit and checks them, so that a mistake is reported in one clear line.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error, InconsistentKeys};

use super::certificate::is_certificate;
use crate::limits;

/// Why these files cannot be used. The message never shows a byte of them.
#[derive(Debug, thiserror::Error)]
pub enum TlsFileError {
    #[error("cannot read {path}: {why}")]
    Unreadable { path: PathBuf, why: io::Error },
    #[error("{0} is larger than any certificate or key: {max} bytes are read", max = limits::MAX_PEM_BYTES)]
    TooLarge(PathBuf),
    #[error("there is no certificate in {0}: a PEM file with `-----BEGIN CERTIFICATE-----` is wanted")]
    NoCertificate(PathBuf),
    #[error("the certificate in {path} cannot be read: {why}")]
    BrokenCertificate { path: PathBuf, why: String },
    #[error("there is no private key in {0}: a PEM file with `-----BEGIN PRIVATE KEY-----` is wanted")]
    NoKey(PathBuf),
    #[error("the private key in {0} is encrypted: store it decrypted, readable by the server only")]
    EncryptedKey(PathBuf),
    #[error("the private key in {path} cannot be used: {why}")]
    BrokenKey { path: PathBuf, why: String },
    #[error("the private key in {key} does not fit the certificate in {certificate}")]
    Mismatch { certificate: PathBuf, key: PathBuf },
    #[error("TLS is not possible: {0}")]
    Provider(String),
}

impl TlsFileError {
    pub(super) fn provider(error: Error) -> Self {
        Self::Provider(error.to_string())
    }
}

/// The certificate chain, the server's own certificate first, with the matching private key.
pub(super) fn read(certificate: &Path, key: &Path) -> Result<Arc<CertifiedKey>, TlsFileError> {
    let chain = chain(certificate)?;
    let broken = |error: Error| TlsFileError::BrokenKey { path: key.to_owned(), why: error.to_string() };
    let signing = aws_lc_rs::sign::any_supported_type(&private_key(key)?).map_err(broken)?;
    let pair = CertifiedKey::new(chain, signing);
    match pair.keys_match() {
        // `Unknown` means that the public half cannot be derived from the key. The key types that are loaded here
        // always allow it; in any case the pair is not known to be wrong.
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(Arc::new(pair)),
        Err(Error::InconsistentKeys(_)) => {
            Err(TlsFileError::Mismatch { certificate: certificate.to_owned(), key: key.to_owned() })
        }
        Err(error) => Err(TlsFileError::BrokenCertificate { path: certificate.to_owned(), why: error.to_string() }),
    }
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let text = text(path)?;
    let broken = |why| TlsFileError::BrokenCertificate { path: path.to_owned(), why };
    let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.map_err(|error| broken(error.to_string()))?;
    // The TLS library reads only the first one. Clients need all of them.
    if let Some(at) = chain.iter().position(|certificate| !is_certificate(certificate)) {
        return Err(broken(format!("number {} of {} is damaged or cut off", at + 1, chain.len())));
    }
    if chain.is_empty() { Err(TlsFileError::NoCertificate(path.to_owned())) } else { Ok(chain) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsFileError> {
    let text = text(path)?;
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Ok(key),
        // The first is the header of PKCS #8, the second a line inside older files.
        Err(_) if contains(&text, b"BEGIN ENCRYPTED PRIVATE KEY") || contains(&text, b",ENCRYPTED") => {
            Err(TlsFileError::EncryptedKey(path.to_owned()))
        }
        Err(pem::Error::NoItemsFound) => Err(TlsFileError::NoKey(path.to_owned())),
        Err(error) => Err(TlsFileError::BrokenKey { path: path.to_owned(), why: error.to_string() }),
    }
}

fn contains(text: &[u8], words: &[u8]) -> bool {
    text.windows(words.len()).any(|window| window == words)
}

fn text(path: &Path) -> Result<Vec<u8>, TlsFileError> {
    let unreadable = |why| TlsFileError::Unreadable { path: path.to_owned(), why };
    let mut text = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(limits::MAX_PEM_BYTES + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 > limits::MAX_PEM_BYTES { Err(TlsFileError::TooLarge(path.to_owned())) } else { Ok(text) }
}

/// How a renewal is noticed: when each file was written, and how long it is. Any difference counts, not only a later
/// time: a renewed file may well be older.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamps([Option<(SystemTime, u64)>; 2]);

impl Stamps {
    pub(super) fn of(certificate: &Path, key: &Path) -> Self {
        Self([certificate, key].map(|path| {
            let about = std::fs::metadata(path).ok()?;
            Some((about.modified().ok()?, about.len()))
        }))
    }
}
