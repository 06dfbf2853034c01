//! `/healthz` says that the process is up, `/readyz` that everything it depends on is available too.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use domain::Code;
use flow::Services;
use flow::ports::{Blobs, Identity, Queue, Store};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, join_all};
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;
use utoipa::openapi::OpenApi;
use utoipa::{OpenApi as _, ToSchema};

use crate::extract::Json;
use crate::limits;
use crate::problem::Problem;

const READY: &str = "afterword_ready";
const DEGRADED: &str = "afterword_degraded";

type Probe = Arc<dyn Fn() -> BoxFuture<'static, flow::Result<()>> + Send + Sync>;

/// One dependency of the service, and the public sentence that is shown when it is not available.
#[derive(Clone)]
pub struct Check {
    name: &'static str,
    detail: &'static str,
    probe: Probe,
    /// What the service can do without, with its sentence.
    degraded: Option<(&'static str, Probe)>,
}

impl Check {
    /// `detail` is a public sentence, such as "The queue cannot be reached."; the error itself goes to the log.
    pub fn new<P, F>(name: &'static str, detail: &'static str, probe: P) -> Self
    where
        P: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = flow::Result<()>> + Send + 'static,
    {
        Self { name, detail, probe: Arc::new(move || Box::pin(probe())), degraded: None }
    }

    /// Adds a second probe, without which the service still takes requests: it is ready, and says that it is degraded.
    #[must_use]
    pub fn degraded_unless<P, F>(mut self, detail: &'static str, probe: P) -> Self
    where
        P: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = flow::Result<()>> + Send + 'static,
    {
        self.degraded = Some((detail, Arc::new(move || Box::pin(probe()))));
        self
    }

    /// The checks of the ports that every function depends on.
    pub fn for_ports(store: &Arc<dyn Store>, blobs: &Arc<dyn Blobs>, queue: &Arc<dyn Queue>) -> Vec<Self> {
        let (store, blobs, queue) = (Arc::clone(store), Arc::clone(blobs), Arc::clone(queue));
        vec![
            Self::new("store", "The job store does not answer.", move || {
                let store = Arc::clone(&store);
                async move { store.ready().await }
            }),
            Self::new("blobs", "No audio can be stored.", move || {
                let blobs = Arc::clone(&blobs);
                async move { blobs.ready().await }
            }),
            Self::new("queue", "The task queue does not answer.", move || {
                let queue = Arc::clone(&queue);
                async move { queue.ready().await }
            }),
        ]
    }

    /// The check of what tokens of users are verified with.
    pub fn identity(identity: &Arc<dyn Identity>) -> Self {
        let identity = Arc::clone(identity);
        let detail = "The keys that tokens of users are verified with cannot be fetched.";
        Self::new("identity", detail, move || {
            let identity = Arc::clone(&identity);
            async move { identity.ready().await }
        })
    }

    /// The check of the clock, without which nothing is accepted or worked on.
    pub fn clock(services: &Services) -> Self {
        let services = services.clone();
        Self::new("clock", "The clock is not set.", move || {
            let services = services.clone();
            async move {
                let why = "the clock shows an earlier time than the build or the newest stored change";
                let not_set = || flow::Error::new(flow::Kind::Unavailable, "clock.now", services.now()).because(why);
                services.clock_is_set().then_some(()).ok_or_else(not_set)
            }
        })
    }

    async fn run(&self) -> Outcome {
        let outcome = self.outcome().await;
        metrics::gauge!(READY, "check" => self.name).set(f64::from(u8::from(outcome.ready)));
        if self.degraded.is_some() {
            metrics::gauge!(DEGRADED, "check" => self.name).set(f64::from(u8::from(outcome.degraded)));
        }
        outcome
    }

    async fn outcome(&self) -> Outcome {
        if let Some(cause) = failure_of(&self.probe).await {
            tracing::warn!(check = self.name, cause, "not ready");
            return Outcome { name: self.name, ready: false, degraded: false, detail: Some(self.detail) };
        }
        if let Some((detail, probe)) = &self.degraded
            && let Some(cause) = failure_of(probe).await
        {
            tracing::warn!(check = self.name, cause, "degraded");
            return Outcome { name: self.name, ready: true, degraded: true, detail: Some(detail) };
        }
        Outcome { name: self.name, ready: true, degraded: false, detail: None }
    }
}

/// Why the probe failed; `None` if it did not.
async fn failure_of(probe: &Probe) -> Option<String> {
    match tokio::time::timeout(limits::READY_CHECK, probe()).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("no answer in time".to_owned()),
    }
}

/// The readiness checks of one instance. They are not free and anybody may ask for them, so they run in rounds: one at
/// a time, and not too often.
struct Checks {
    all: Arc<[Check]>,
    last: Mutex<Option<Round>>,
}

/// One run of all checks, shared by all requests that arrive meanwhile. If the request that began it is dropped, the
/// others drive it on.
#[derive(Clone)]
struct Round {
    began: Instant,
    /// The time at which the round ended, with the outcomes.
    outcomes: Shared<BoxFuture<'static, (Instant, Vec<Outcome>)>>,
}

impl Round {
    fn begin(checks: &Arc<[Check]>) -> Self {
        let checks = Arc::clone(checks);
        let all = async move {
            let outcomes = join_all(checks.iter().map(Check::run)).await;
            (Instant::now(), outcomes)
        };
        Self { began: Instant::now(), outcomes: all.boxed().shared() }
    }

    /// Whether the outcomes of this round may still be given as an answer. A round that nobody awaits makes no
    /// progress, so an unfinished one counts no longer than its checks may take.
    fn is_current(&self) -> bool {
        match self.outcomes.peek() {
            Some((ended, _)) => ended.elapsed() < limits::READY_FRESH,
            None => self.began.elapsed() < limits::READY_CHECK,
        }
    }
}

impl Checks {
    async fn outcomes(&self) -> Vec<Outcome> {
        let (_, outcomes) = self.round().outcomes.await;
        outcomes
    }

    fn round(&self) -> Round {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some(round) if round.is_current() => round.clone(),
            _ => last.insert(Round::begin(&self.all)).clone(),
        }
    }
}

/// The readiness of one instance, for its routes and its metrics.
#[derive(Clone)]
pub struct Readiness(Arc<Checks>);

impl From<Vec<Check>> for Readiness {
    fn from(checks: Vec<Check>) -> Self {
        metrics::describe_gauge!(READY, "Whether a readiness check passes: 1 or 0");
        metrics::describe_gauge!(DEGRADED, "Whether a check passes only in part: 1 or 0");
        Self(Arc::new(Checks { all: checks.into(), last: Mutex::default() }))
    }
}

impl Readiness {
    /// Updates the metrics of all checks. A caller that gives up does not stop them: a check that hangs has to be seen.
    pub async fn update_metrics(&self) {
        let checks = Arc::clone(&self.0);
        // A panic in a check is logged where it happens.
        let _ = tokio::spawn(async move { checks.outcomes().await }).await;
    }
}

#[derive(Clone, Serialize, ToSchema)]
#[schema(as = ReadinessCheck)]
struct Outcome {
    name: &'static str,
    ready: bool,
    /// It does not work fully, but requests are accepted. Absent if it does.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    degraded: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detail: Option<&'static str>,
}

#[derive(Serialize, ToSchema)]
struct Health {
    status: &'static str,
    version: &'static str,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Readiness)]
struct ReadinessAnswer {
    /// `ready`, or `degraded` if a check is degraded.
    status: &'static str,
    checks: Vec<Outcome>,
}

crate::problems!(OpenProblems: ;);

/// The process is up
#[utoipa::path(
    get, path = "/healthz", operation_id = "get_health", tag = "operations", security(()),
    responses((status = 200, description = "It is up.", body = Health), OpenProblems)
)]
#[expect(dead_code, reason = "stands for a closure in the document")]
fn healthz() {}

/// Everything that it needs is there
#[utoipa::path(
    get, path = "/readyz", operation_id = "get_readiness", tag = "operations", security(()),
    responses((status = 200, description = "It can take work. Otherwise 503 lists what is missing.", body = ReadinessAnswer),
        OpenProblems)
)]
#[expect(dead_code, reason = "stands for a closure in the document")]
fn readyz() {}

#[derive(utoipa::OpenApi)]
#[openapi(paths(healthz, readyz))]
struct Document;

/// These routes in the OpenAPI document.
pub fn document() -> OpenApi {
    Document::openapi()
}

pub fn routes(version: &'static str, checks: impl Into<Readiness>) -> Router {
    let alive = move || async move { Json(Health { status: "ok", version }) };
    let Readiness(checks) = checks.into();
    let ready = move || {
        let checks = Arc::clone(&checks);
        async move { readiness(checks.outcomes().await) }
    };
    Router::new().route("/healthz", get(alive)).route("/readyz", get(ready))
}

fn readiness(outcomes: Vec<Outcome>) -> Response {
    let missing: Vec<_> = outcomes.iter().filter(|outcome| !outcome.ready).map(|outcome| outcome.name).collect();
    if missing.is_empty() {
        let status = if outcomes.iter().any(|outcome| outcome.degraded) { "degraded" } else { "ready" };
        return Json(ReadinessAnswer { status, checks: outcomes }).into_response();
    }
    Problem::new(Code::StorageUnavailable, format!("Not ready: {}.", missing.join(", ")))
        .after(limits::RETRY_UNAVAILABLE)
        .member("checks", json!(outcomes))
        .into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use serde_json::Value;

    use super::*;
    use crate::testing::Site;

    fn fine(name: &'static str) -> Check {
        Check::new(name, "", || async { Ok(()) })
    }

    #[tokio::test]
    async fn healthz_says_that_the_process_is_up_and_its_version() {
        let site = Site::start(routes("1.2.3", vec![])).await;
        let body: Value = site.get("/healthz").await.json().await.unwrap();
        assert_eq!(body, json!({"status": "ok", "version": "1.2.3"}));
    }

    #[tokio::test]
    async fn readyz_is_200_when_all_checks_pass() {
        let site = Site::start(routes("1", vec![fine("store"), fine("queue")])).await;
        let answer = site.get("/readyz").await;
        assert_eq!(answer.status(), 200);
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["checks"], json!([{"name": "store", "ready": true}, {"name": "queue", "ready": true}]));
    }

    #[tokio::test]
    async fn degraded_service_is_ready_and_says_so_without_internal_text() {
        let down = || async { Err(flow::Error::new(flow::Kind::Unavailable, "engine.circuit", "stt.internal")) };
        let engine = fine("engine").degraded_unless("The speech engine does not answer.", down);
        let site = Site::start(routes("1", vec![fine("store"), engine.clone()])).await;
        let answer = site.get("/readyz").await;
        assert_eq!(answer.status(), 200);
        let body: Value = answer.json().await.unwrap();
        assert_eq!(
            (&body["status"], &body["checks"][0]),
            (&json!("degraded"), &json!({"name": "store", "ready": true}))
        );
        let detail = "The speech engine does not answer.";
        assert_eq!(body["checks"][1], json!({"name": "engine", "ready": true, "degraded": true, "detail": detail}));
        let missing = Check::new("store", "", || async { Err(flow::Error::new(flow::Kind::Unavailable, "", "")) });
        let site = Site::start(routes("1", vec![missing, engine])).await;
        assert_eq!(site.get("/readyz").await.status(), 503);
    }

    #[tokio::test]
    async fn simultaneous_readiness_requests_share_one_round_of_checks() {
        let rounds = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&rounds);
        let slow = Check::new("store", "", move || {
            let round = counted.fetch_add(1, Ordering::Relaxed);
            // The first round is still running when the others ask.
            async move {
                let _ = tokio::time::timeout(limits::READY_FRESH / 4, std::future::pending::<()>()).await;
                if round == 0 { Ok(()) } else { Err(flow::Error::new(flow::Kind::Unavailable, "store.ready", "")) }
            }
        });
        let site = Site::start(routes("1", vec![slow])).await;
        let gone = tokio::time::timeout(limits::READY_FRESH / 20, site.get("/readyz")).await;
        assert!(gone.is_err(), "the first request is dropped before its answer");
        let asked = futures_util::future::join_all((0..20).map(|_| site.get("/readyz"))).await;
        assert!(asked.iter().all(|answer| answer.status() == 200));
        assert_eq!(rounds.load(Ordering::Relaxed), 1);
        let _ = tokio::time::timeout(limits::READY_FRESH, std::future::pending::<()>()).await;
        assert_eq!(site.get("/readyz").await.status(), 503, "an old outcome is not reused for ever");
        assert_eq!(rounds.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn failed_and_hanging_checks_are_listed_without_internal_text() {
        let broken = Check::new("store", "The job store cannot be reached.", || async {
            Err(flow::Error::new(flow::Kind::Unavailable, "store.ready", "db-7.internal"))
        });
        let hanging = Check::new("engine", "The speech engine does not answer.", std::future::pending);
        let site = Site::start(routes("1", vec![broken, fine("queue"), hanging])).await;
        let answer = tokio::time::timeout(limits::READY_CHECK + Duration::from_secs(2), site.get("/readyz"));
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["detail"], "Not ready: store, engine.");
        assert_eq!(body["checks"][0]["detail"], "The job store cannot be reached.");
        assert_eq!(body["checks"][1], json!({"name": "queue", "ready": true}));
        assert!(!body.to_string().contains("db-7.internal"));
    }
}
