//! One `serve` for all of them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use edge::ServeLimits;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Platform;

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("cannot listen on port {port}: {source}")]
    Port { port: u16, source: io::Error },
    #[error("the Lambda runtime does not answer: {0}")]
    Lambda(lambda_http::Error),
}

/// Until `shutdown`, or until the platform ends the process. `ready` is called with the address when requests can come;
/// on Lambda, where there is none, with nothing.
pub async fn serve(
    platform: Platform,
    router: Router,
    limits: ServeLimits,
    shutdown: CancellationToken,
    ready: impl FnOnce(Option<SocketAddr>),
) -> Result<(), ServeError> {
    let port = match platform {
        Platform::Lambda => {
            ready(None);
            let ended = shutdown.run_until_cancelled(lambda_http::run(router)).await;
            return ended.unwrap_or(Ok(())).map_err(ServeError::Lambda);
        }
        Platform::CloudRun { port, .. } | Platform::Port(port) => port,
    };
    let failed = |source| ServeError::Port { port, source };
    // A container is reached from outside of it; who wants less puts a firewall before it.
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await.map_err(failed)?;
    ready(Some(listener.local_addr().map_err(failed)?));
    edge::serve(listener, router, limits, shutdown).await;
    Ok(())
}
