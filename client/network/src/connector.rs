//! Connects to a server: the look-up of its name, TCP and TLS, within one limit of time.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tower_service::Service;

use crate::certificates::Roots;
use crate::failure::{ConnectFailure, causes, of_handshake};
use crate::proxy::Proxy;
use crate::silence::SilenceLimit;
use crate::stream::Stream;

/// Bytes that the system has taken and not sent yet are lost when the connection breaks, and count as sent in every
/// progress bar. By itself it takes up to four megabytes. Linux doubles this number, which is enough for 5 MB/s at a
/// round trip of 0.1 s.
const SEND_BUFFER: usize = 256 * 1024;

#[derive(Clone)]
pub struct Connector {
    tcp: HttpConnector,
    roots: Arc<Roots>,
    proxy: Option<Arc<Proxy>>,
    connect_timeout: Duration,
    silence_timeout: Duration,
}

impl Connector {
    pub fn new(roots: Arc<Roots>, proxy: Option<Proxy>, connect_timeout: Duration, silence_timeout: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_send_buffer_size(Some(SEND_BUFFER));
        // Of several addresses of a name, each gets its part of this time.
        tcp.set_connect_timeout(Some(connect_timeout));
        Self { tcp, roots, proxy: proxy.map(Arc::new), connect_timeout, silence_timeout }
    }

    async fn connect(mut self, uri: Uri) -> Result<TokioIo<Stream>, ConnectFailure> {
        let (uses_tls, host) = (uri.scheme() == Some(&Scheme::HTTPS), uri.host().unwrap_or_default().to_owned());
        // Without TLS a proxy would see the token: such a connection is always direct.
        let proxy = self.proxy.clone().filter(|proxy| uses_tls && proxy.is_for(&uri));
        let tcp = match proxy {
            Some(proxy) => self.through(&proxy, &uri).await?,
            None => self.direct(uri).await?,
        };
        if !uses_tls {
            return Ok(TokioIo::new(Stream::Plain(tcp)));
        }
        let config = self.roots.tls()?;
        // An IPv6 address stands in brackets in a URL.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host)
            .map_err(|_| ConnectFailure::Unreachable("the host of the address is no name".to_owned()))?;
        let tls = TlsConnector::from(config).connect(name, tcp).await.map_err(|error| of_handshake(&error))?;
        Ok(TokioIo::new(Stream::Tls(Box::new(tls))))
    }

    async fn direct(&mut self, uri: Uri) -> Result<SilenceLimit<TcpStream>, ConnectFailure> {
        let tcp = self.tcp.call(uri).await.map_err(|error| ConnectFailure::Unreachable(unreachable(&error)))?;
        Ok(SilenceLimit::new(tcp.into_inner(), self.silence_timeout))
    }

    async fn through(&mut self, proxy: &Proxy, server: &Uri) -> Result<SilenceLimit<TcpStream>, ConnectFailure> {
        let uri = proxy.uri().ok_or_else(|| proxy.failed("has an address that cannot be used"))?;
        let tcp = self.tcp.call(uri).await;
        let tcp = tcp.map_err(|error| proxy.failed(&format!("cannot be reached: {}", unreachable(&error))))?;
        let mut tcp = SilenceLimit::new(tcp.into_inner(), self.silence_timeout);
        proxy.open_tunnel(&mut tcp, server).await?;
        Ok(tcp)
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = ConnectFailure;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectFailure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectFailure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let limit = connector.connect_timeout;
            let connected = tokio::time::timeout(limit, connector.connect(uri)).await;
            connected.unwrap_or(Err(ConnectFailure::Unreachable("it does not answer".to_owned())))
        })
    }
}

/// Says in a few words why there is no TCP connection.
fn unreachable(error: &(dyn Error + 'static)) -> String {
    let causes: Vec<_> = causes(error).collect();
    let kind = causes.iter().find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    match kind {
        _ if error.to_string().starts_with("dns error") => "no address is known for this name".to_owned(),
        Some(io::ErrorKind::ConnectionRefused) => "the connection is refused".to_owned(),
        Some(io::ErrorKind::TimedOut) => "it does not answer".to_owned(),
        Some(io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown) => "there is no network".to_owned(),
        Some(io::ErrorKind::HostUnreachable) => "the network does not reach it".to_owned(),
        _ => causes.last().map(ToString::to_string).unwrap_or_default(),
    }
}
