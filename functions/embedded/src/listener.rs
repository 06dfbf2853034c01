//! Opens the two listeners as they are configured: their addresses, and TLS of the public one.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use config::Config;
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

/// Describes the certificate for clients of this address.
pub fn certificate_info(config: &Config, tls: Option<&Tls>, address: SocketAddr) -> Option<CertificateInfo> {
    let certificate = tls?.certificate();
    let path = config.server.tls_cert.as_ref()?;
    Some(CertificateInfo {
        certificate: std::path::absolute(path).unwrap_or_else(|_| path.clone()),
        self_signed: certificate.self_signed,
        names_address: certificate.is_for(&address.ip().to_string()),
    })
}

/// Opens the public listener, and the internal one that only the queue uses.
pub async fn listen(config: &Config) -> Result<(TcpListener, TcpListener)> {
    let open = |at: SocketAddr| async move { TcpListener::bind(at).await.map_err(|error| cannot_listen(at, error)) };
    Ok((open(config.server.listen).await?, open(config.server.internal_listen).await?))
}

/// An address that a client can use: an unspecified address is replaced by loopback.
pub fn client_address(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], address.port())) } else { address }
}

/// Says what to do about the reason, as far as the system tells it.
fn cannot_listen(at: SocketAddr, error: io::Error) -> anyhow::Error {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => ": is another server running there?",
        io::ErrorKind::PermissionDenied => ": ports below 1024 are for privileged accounts, choose another one",
        io::ErrorKind::AddrNotAvailable => ": this machine does not have the address",
        _ => "",
    };
    anyhow::Error::new(error).context(format!("cannot listen on {at}{advice}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_why_an_address_cannot_be_used_is_told_apart() {
        let at = SocketAddr::from(([127, 0, 0, 1], 80));
        let told = |kind: io::ErrorKind| format!("{:#}", cannot_listen(at, kind.into()));
        assert!(told(io::ErrorKind::AddrInUse).contains("127.0.0.1:80: is another server running there?"));
        for (kind, wanted) in
            [(io::ErrorKind::PermissionDenied, "privileged"), (io::ErrorKind::AddrNotAvailable, "does not have")]
        {
            assert!(told(kind).contains(wanted) && !told(kind).contains("another server"), "{}", told(kind));
        }
    }
}
