//! The rows of the upload's errors that a policy decides, over real HTTP: a doorkeeper refuses, and nothing is kept.

use std::sync::Arc;
use std::time::Duration;

use afterword_tests::recordings::T0;
use afterword_tests::{Client, Recording};
use async_trait::async_trait;
use domain::{Code, Uid};
use edge::{ServeLimits, TaskSecret};
use flow::World;
use flow::ports::{Denied, Identity};
use secrecy::SecretString;
use testkit::admission::Refusing;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::stage::Stage;

/// The upload function on a free port.
struct Door {
    stage: Stage,
    client: Client,
    _stop: DropGuard,
}

/// A token is the name of its user.
struct Names;

#[async_trait]
impl Identity for Names {
    async fn verify(&self, token: &str) -> flow::Result<Result<Uid, Denied>> {
        Ok(Uid::new(token).map_err(|why| Denied { detail: why.to_string() }))
    }
}

impl Door {
    async fn with(refusing: Refusing) -> Self {
        let stage = Stage::new();
        let world = World { admission: Arc::new(refusing), ..stage.world.clone() };
        let secret = TaskSecret::new(Some(SecretString::from("s".repeat(32))), None).unwrap();
        let (identity, secret) = (Arc::new(Names), Arc::new(secret));
        let deps = upload::Deps { world, identity, secret, receives: None, public_url: None };
        let router = edge::wrap(upload::routes(deps), stage.world.random.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(edge::serve(listener, router, ServeLimits::default(), stop.clone()));
        Self { stage, client: Client::new(&url, "ann"), _stop: stop.drop_guard() }
    }

    fn nothing_kept(&self) {
        assert_eq!(self.stage.store.all_jobs(), []);
        assert_eq!(self.stage.blobs.names(), []);
    }
}

#[tokio::test]
async fn each_refusal_by_policy_has_its_status_reason_and_wait() {
    for (code, status, reason, shipped) in [
        (Code::FairUseRestricted, 429, "fair_use", "fair_use"),
        (Code::RateLimited, 429, "rate_limit", ""),
        (Code::BackendBusy, 503, "backend_busy", "backfill_capacity"),
    ] {
        let door = Door::with(Refusing::always(code, Duration::from_millis(1500))).await;
        let answer = door.client.upload(&[Recording::short(T0)]).await;
        assert_eq!(answer.problem(status, code.as_str())["retry_after"], 2, "whole seconds, never too early");
        assert_eq!(answer.header("x-rate-limit-reason"), reason);
        assert_eq!(answer.header("x-omi-rate-limit-reason"), shipped);
        door.nothing_kept();
    }
}

#[tokio::test]
async fn a_refused_user_comes_back_and_is_let_in() {
    let door = Door::with(Refusing::once(Code::BackendBusy, Duration::from_secs(1))).await;
    let files = [Recording::short(T0)];
    door.client.upload(&files).await.problem(503, "backend_busy");
    door.nothing_kept();
    assert_eq!(door.client.upload(&files).await.status, 202);
    assert_eq!(door.stage.store.all_jobs().len(), 1);
}

/// Who is refused by policy is told before the bytes are read, and who has no token before the policy is asked.
#[tokio::test]
async fn a_policy_is_asked_after_the_token_and_before_the_body() {
    let door = Door::with(Refusing::always(Code::RateLimited, Duration::from_secs(1))).await;
    let stranger = door.client.with_token("");
    stranger.upload(&[Recording::short(T0)]).await.problem(401, "unauthenticated");
    let endless = reqwest::Body::wrap_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let request = door.client.request(reqwest::Method::POST, "/v2/sync/upload");
    let request = request.header("content-type", "multipart/form-data; boundary=b").body(endless);
    door.client.send(request).await.problem(429, "rate_limited");
    door.nothing_kept();
}
