//! Opens the two listeners as they are configured: their addresses, and TLS of the public one.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use config::Config;
use domain::Timestamp;
use edge::Tls;
use tokio::net::TcpListener;

/// What a client has to know about the certificate.
#[derive(Clone, Debug)]
pub struct CertificateInfo {
    /// The file from which it was read.
    pub certificate: PathBuf,
    /// Whether it is self-signed: a client trusts it only if it is given the file.
    pub self_signed: bool,
    /// Whether the printed address is one of its names.
    pub names_address: bool,
}

/// Opens and checks both TLS files; `None` without TLS.
pub fn tls(config: &Config) -> Result<Option<Tls>> {
    let (Some(certificate), Some(key)) = (&config.server.tls_cert, &config.server.tls_key) else { return Ok(None) };
    Tls::open(certificate, key).map(Some).context("configuration: server.tls_cert, server.tls_key")
}

/// Describes the certificate for clients of this address, and warns if it has expired.
pub fn certificate_info(
    config: &Config,
    tls: Option<&Tls>,
    address: SocketAddr,
    now: Timestamp,
) -> Option<CertificateInfo> {
    let certificate = tls?.certificate();
    edge::tls::warn_if_expired(&certificate, now);
    let path = config.server.tls_cert.as_ref()?;
    Some(CertificateInfo {
        certificate: std::path::absolute(path).unwrap_or_else(|_| path.clone()),
        self_signed: certificate.self_signed,
        names_address: certificate.is_for(&address.ip().to_string()),
    })
}

/// Opens the public listener, and the internal one that only the queue uses.
pub async fn listen(config: &Config) -> Result<(TcpListener, TcpListener)> {
    let open = |at: SocketAddr| async move {
        TcpListener::bind(at).await.with_context(|| format!("cannot listen on {at}: is another server running there?"))
    };
    Ok((open(config.server.listen).await?, open(config.server.internal_listen).await?))
}

/// An address that a client can use: an unspecified address is replaced by loopback.
pub fn client_address(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], address.port())) } else { address }
}
