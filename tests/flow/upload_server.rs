//! The upload function over real HTTP, on a stage.

use std::sync::Arc;

use async_trait::async_trait;
use domain::Uid;
use edge::{ServeLimits, TaskSecret};
use flow::ports::{Denied, Identity};
use secrecy::SecretString;
use tests::Client;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::harness::Stage;

/// The upload function on a free port.
pub struct UploadServer {
    pub stage: Stage,
    /// The client of Ann.
    pub client: Client,
    _stop: DropGuard,
}

/// A verifier for tokens that consist of the user's name.
struct Names;

#[async_trait]
impl Identity for Names {
    async fn verify(&self, token: &str) -> flow::Result<Result<Uid, Denied>> {
        Ok(Uid::new(token).map_err(|why| Denied { detail: why.to_string() }))
    }
}

impl UploadServer {
    pub fn of(stage: Stage) -> Self {
        let secret = TaskSecret::new(Some(SecretString::from("s".repeat(32))), None).unwrap();
        let stop = CancellationToken::new();
        let deps = api::Deps {
            services: stage.services.clone(),
            identity: Arc::new(Names),
            secret: Arc::new(secret),
            shutdown: stop.clone(),
            receives: None,
            public_url: None,
        };
        let router = edge::wrap(api::routes(deps), stage.services.random.clone());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let listener = TcpListener::from_std(listener).unwrap();
        tokio::spawn(edge::serve(listener, router, ServeLimits::default(), stop.clone()));
        Self { stage, client: Client::new(&url, "ann"), _stop: stop.drop_guard() }
    }
}
