//! Counts requests by route template and status, for the log line and for Prometheus at `/metrics`.

use std::borrow::Cow;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::routing::get;
use domain::Timestamp;
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing::Span;

use crate::limits::{METRICS_FOLD_EVERY, METRICS_REFRESH};
use crate::process_metrics;
use crate::request_context::RequestContext;

/// Histogram buckets in seconds: from a look-up in memory to a large upload.
const DURATION_BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0];
/// The status that is logged when the client hung up before the answer. It is never sent; nginx has made the number
/// common.
const CLIENT_GONE: u16 = 499;

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Installs the recorder of the process, once: several servers in one process share it.
pub fn install() -> &'static PrometheusHandle {
    RECORDER.get_or_init(|| {
        let buckets = Matcher::Suffix("_seconds".to_owned());
        let builder = PrometheusBuilder::new().set_buckets_for_metric(buckets, &DURATION_BUCKETS);
        // The only possible error is an empty list of buckets, and this list is not empty.
        let recorder = builder.unwrap_or_default().build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another metrics recorder is installed already: /metrics stays empty");
        }
        describe();
        handle
    })
}

fn describe() {
    metrics::describe_counter!("http_requests_total", "Requests, by route template, method and status");
    metrics::describe_histogram!("http_request_duration_seconds", "From the head of a request to that of its answer");
    metrics::describe_gauge!("http_connections", "Open connections");
    crate::telemetry::writer::describe();
}

/// Sets the metrics that are constant while the process runs.
pub fn describe_process(version: &'static str, started: Timestamp) {
    metrics::describe_gauge!("afterword_build_info", "Always 1; the label says which version runs");
    metrics::describe_gauge!("process_start_time_seconds", "When the process started, in seconds since 1970");
    metrics::gauge!("afterword_build_info", "version" => version).set(1.0);
    metrics::gauge!("process_start_time_seconds").set(started.millis() as f64 / 1000.0);
}

crate::problems!(OpenProblems: ;);

/// Counters for Prometheus
#[utoipa::path(
    get, path = "/metrics", operation_id = "get_metrics", tag = "operations", security(()),
    responses((status = 200, description = "The text format, version 0.0.4.", body = String), OpenProblems)
)]
#[expect(dead_code, reason = "stands for a closure in the document")]
fn metrics_text() {}

#[derive(utoipa::OpenApi)]
#[openapi(paths(metrics_text))]
struct Document;

/// The route in the OpenAPI document.
pub fn document() -> utoipa::openapi::OpenApi {
    <Document as utoipa::OpenApi>::openapi()
}

/// The route `/metrics`. Before each answer `refresh` updates the metrics that have to be queried; if it fails or takes
/// too long, they keep their old values.
pub fn routes<L, F>(refresh: L) -> Router
where
    L: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = flow::Result<()>> + Send,
{
    let handle = install();
    let show = move || async move {
        match tokio::time::timeout(METRICS_REFRESH, refresh()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "some metrics could not be updated"),
            Err(_) => tracing::warn!("some metrics could not be updated: the store does not answer in time"),
        }
        ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], handle.render() + &process_metrics::render())
    };
    Router::new().route("/metrics", get(show))
}

/// One request from its head to its answer. If it is dropped without an answer it still leaves a log line.
pub(crate) struct Access {
    method: &'static str,
    /// The route template, never the path: paths contain ids, and upload URLs are credentials.
    route: Cow<'static, str>,
    context: RequestContext,
    span: Span,
    started: Instant,
    ended: bool,
}

impl Access {
    #[expect(clippy::disallowed_methods, reason = "a duration for log and metrics; nothing is decided by it")]
    pub(crate) fn begin(request: &Request, context: &RequestContext) -> Self {
        let matched = request.extensions().get::<MatchedPath>();
        Self {
            method: known_method(request.method()),
            route: matched.map_or(Cow::Borrowed("unmatched"), |path| Cow::Owned(path.as_str().to_owned())),
            context: context.clone(),
            span: Span::none(),
            started: Instant::now(),
            ended: false,
        }
    }

    pub(crate) fn route(&self) -> &str {
        &self.route
    }

    /// The line of the log is one of this span's.
    pub(crate) fn within(mut self, span: &Span) -> Self {
        self.span = span.clone();
        self
    }

    pub(crate) fn end(mut self, status: StatusCode) {
        self.ended = true;
        self.record(status.as_u16());
    }

    fn record(&self, status: u16) {
        let took = self.started.elapsed();
        self.span.in_scope(|| self.log(status, took));
        let labels = [("method", Cow::Borrowed(self.method)), ("route", self.route.clone())];
        metrics::histogram!("http_request_duration_seconds", &labels).record(took);
        metrics::counter!(
            "http_requests_total",
            "method" => self.method, "route" => self.route.clone(), "status" => status.to_string()
        )
        .increment(1);
        fold();
    }

    /// Polls that succeed are told at `debug`: there are many, and none changes anything.
    fn log(&self, status: u16, took: Duration) {
        let Self { method, route, context, .. } = self;
        let (route, request_id) = (&**route, context.request_id.as_str());
        let trace_id = context.traceparent.trace_id();
        let user = context.subject.user.get();
        let job_id = context.subject.job.get().map(tracing::field::display);
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        if status < 400 && self.is_frequent() {
            tracing::debug!(method, route, status, duration_ms, request_id, trace_id, user, job_id, "request");
        } else {
            tracing::info!(method, route, status, duration_ms, request_id, trace_id, user, job_id, "request");
        }
    }

    /// Whether a request only reads, or is one of the many small steps of a job: a part of an upload, or a delivery.
    fn is_frequent(&self) -> bool {
        const STEPS: [&str; 3] = ["/v2/sync/uploads/parts/", "/v2/sync/process", "/v2/sync/sweep"];
        matches!(self.method, "GET" | "HEAD" | "OPTIONS") || STEPS.iter().any(|step| self.route.starts_with(step))
    }
}

impl Drop for Access {
    fn drop(&mut self) {
        if !self.ended {
            self.record(CLIENT_GONE);
        }
    }
}

fn fold() {
    static SEEN: AtomicU32 = AtomicU32::new(0);
    let seen = SEEN.fetch_add(1, Ordering::Relaxed);
    if seen.is_multiple_of(METRICS_FOLD_EVERY)
        && let Some(handle) = RECORDER.get()
    {
        handle.run_upkeep();
    }
}

/// Maps methods to a fixed set: clients may invent methods, and labels must not grow with them.
fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "OTHER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Site;

    fn plain() -> Router {
        routes(|| async { Ok(()) })
    }

    #[tokio::test]
    async fn requests_are_counted_by_route_template_and_unknown_paths_as_one() {
        let pages = Router::new().route("/v2/things/{thing}", get(|| async { "ok" }));
        let (one, two) = (Site::start(pages.merge(plain())).await, Site::start(plain()).await);
        for path in ["/v2/things/alice-secret", "/v2/things/bob", "/not/there"] {
            one.get(path).await;
        }
        let text = two.get("/metrics").await.text().await.unwrap();
        assert!(
            text.contains(r#"http_requests_total{method="GET",route="/v2/things/{thing}",status="200"} 2"#),
            "{text}"
        );
        assert!(text.contains(r#"route="unmatched",status="404""#), "{text}");
        assert!(text.contains("http_request_duration_seconds_bucket"), "{text}");
        assert!(!text.contains("alice-secret"), "{text}");
    }

    #[tokio::test]
    async fn failed_or_hanging_refresh_does_not_block_the_metrics() {
        let broken = routes(|| async { Err(flow::Error::new(flow::Kind::Unavailable, "store.census", "")) });
        for router in [broken, routes(std::future::pending)] {
            let site = Site::start(router).await;
            assert_eq!(site.get("/metrics").await.status(), 200);
        }
    }
}
