//! Opens the two listeners as they are configured: their addresses, and TLS of the public one.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
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
    let server = &config.server;
    if server.tls_cert.is_empty() {
        return Ok(None);
    }
    let opened = Tls::open(Path::new(&server.tls_cert), Path::new(&server.tls_key));
    opened.map(Some).context("configuration: server.tls_cert, server.tls_key")
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
    let path = Path::new(&config.server.tls_cert);
    Some(CertificateInfo {
        certificate: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        self_signed: certificate.self_signed,
        names_address: certificate.is_for(&address.ip().to_string()),
    })
}

/// Opens the public listener, and the internal one that only the queue uses.
pub async fn listen(config: &Config) -> Result<(TcpListener, TcpListener)> {
    let address = |key: &str, text: &str| -> Result<SocketAddr> {
        text.parse()
            .with_context(|| format!("configuration: {key} must be HOST:PORT with a numeric host, not `{text}`"))
    };
    let server = &config.server;
    let internal = address("server.internal_listen", &server.internal_listen)?;
    ensure!(
        internal.ip().is_loopback(),
        "configuration: server.internal_listen must be a loopback address: it is for the queue in this process only"
    );
    let public = address("server.listen", &server.listen)?;
    ensure!(
        config.refusal()?.is_none() || public.ip().is_loopback(),
        "configuration: simulate.refuse is for developers on one machine: server.listen must be a loopback address \
         with it, not {public}"
    );
    let open = |at: SocketAddr| async move {
        TcpListener::bind(at).await.with_context(|| format!("cannot listen on {at}: is another server running there?"))
    };
    Ok((open(public).await?, open(internal).await?))
}

/// An address that a client can use: an unspecified address is replaced by loopback.
pub fn client_address(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], address.port())) } else { address }
}
