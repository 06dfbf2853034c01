//! One `serve` for all platforms.

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

/// Serves until `shutdown`, or until the platform ends the process. `ready` is called when requests can come: with the
/// address, or with `None` on Lambda, where there is no listener.
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
            let ended = shutdown.run_until_cancelled(super::lambda::run(router)).await;
            return ended.unwrap_or(Ok(())).map_err(ServeError::Lambda);
        }
        Platform::CloudRun { port, .. } | Platform::Port(port) => port,
    };
    let failed = |source| ServeError::Port { port, source };
    // The listener accepts connections from everywhere: a container is reached from outside. Use a firewall for less.
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await.map_err(failed)?;
    ready(Some(listener.local_addr().map_err(failed)?));
    edge::serve(listener, router, limits, shutdown).await;
    Ok(())
}
