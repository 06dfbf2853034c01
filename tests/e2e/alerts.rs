//! The alerts of `infra/monitoring`: a real Prometheus scrapes the real server, in which a fault is planted, and the alert
//! fires. While nothing is wrong, none fires.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::Value;
use testkit::skip;
use tests::prometheus::{Prometheus, promtool};
use tests::recordings::T0;
use tests::wait::{PATIENCE, now_secs};
use tests::{Recording, Server, Setup, eventually};

const RULES: &str = "alerts.yaml";
const RULE_TESTS: &str = "alerts_test.yaml";

macro_rules! prometheus {
    ($($target:expr),+) => {
        match Prometheus::start(&[$($target),+]).await {
            Ok(prometheus) => prometheus,
            Err(why) => skip!(why),
        }
    };
}

fn monitoring() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/monitoring")
}

fn certificate(setup: Setup, name: &str) -> Setup {
    let file = |end: &str| format!("{}/certificates/{name}{end}.pem", env!("CARGO_MANIFEST_DIR"));
    setup.arg("--tls-cert").arg(file("")).arg("--tls-key").arg(file("-key"))
}

/// An address at which nobody listens.
fn nowhere() -> String {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", nobody.local_addr().unwrap())
}

#[tokio::test]
async fn no_alert_fires_while_nothing_is_wrong() {
    let server = Setup::new().start().await;
    let client = server.client();
    client.put_device("my-phone", "a-token-of-my-phone").await;
    let prometheus = prometheus!(&server.url);
    for n in 0..10 {
        client.done(&[Recording::short(T0 + n * 1000)]).await;
    }
    prometheus.until_scraped(1).await;
    let firing = prometheus.firing().await;
    assert!(firing.is_empty(), "{firing:#?}");
    for query in dashboard() {
        let is_rare = RARE.iter().any(|metric| query.contains(metric));
        let found = prometheus.series(&query).await;
        assert!(found > 0 || is_rare, "nothing is found for {query}");
    }
}

/// What a server does not tell where nothing is wrong, or where it has no certificate.
const RARE: [&str; 4] = [
    "afterword_unreadable_documents_total",
    "afterword_sweep_repairs_total",
    "afterword_tls_certificate_expires",
    "outcome!=\"done\"",
];

/// The queries of all panels of the dashboard.
fn dashboard() -> Vec<String> {
    let text = std::fs::read_to_string(monitoring().join("dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn dead_engine_fires_its_alerts() {
    let setup = Setup::new().with("engine.name", "http").with("engine.http.url", nowhere());
    let setup = setup.with("jobs.backoff_min_seconds", 1).with("jobs.backoff_max_seconds", 1);
    let server = setup.start().await;
    let prometheus = prometheus!(&server.url);
    let client = server.client();
    for n in 0..3 {
        client.accepted(&[Recording::speech(T0 + n * 10_000)]).await;
    }
    for alert in ["AfterwordEngineDead", "AfterwordJobsWait", "AfterwordEngineFails"] {
        prometheus.until_firing(alert).await;
    }
}

#[tokio::test]
async fn disk_at_its_reserve_fires_its_alerts() {
    let server = Setup::new().with("blobs.reserve_bytes", 1_u64 << 60).start().await;
    let prometheus = prometheus!(&server.url);
    let client = server.client();
    prometheus.until_firing("AfterwordDiskAtReserve").await;
    prometheus.until_firing("AfterwordDiskNearlyFull").await;
    let refused = async {
        for n in 0.. {
            client.upload(&[Recording::short(T0 + n * 1000)]).await.problem(503, "storage_unavailable");
        }
    };
    tokio::select! {
        () = refused => {}
        _ = prometheus.until_firing("AfterwordServerErrors") => {}
    }
}

#[tokio::test]
async fn job_that_waits_for_a_language_fires_its_alert() {
    let server = Setup::new().with("engine.null_languages", "en").start().await;
    let prometheus = prometheus!(&server.url);
    server.client().upload_to("?language=es-MX", &[Recording::short(T0)]).await;
    let alert = prometheus.until_firing("AfterwordJobsWait").await;
    assert_eq!(alert["labels"]["for"], "engine", "{alert}");
}

#[tokio::test]
async fn backlog_fires_its_alerts() {
    let setup = Setup::new().with("engine.null_delay_ms", 600_000).with("limits.enqueued_per_user", 2);
    let server = setup.with("engine.parallelism", 1).start().await;
    let prometheus = prometheus!(&server.url);
    let client = server.client();
    let arriving = async {
        for n in 0.. {
            client.accepted(&[Recording::short(T0 + n * 1000)]).await;
        }
    };
    tokio::select! {
        () = arriving => {}
        _ = prometheus.until_firing("AfterwordBacklog") => {}
    }
    prometheus.until_firing("AfterwordEngineTooSlow").await;
}

#[tokio::test]
async fn expired_certificate_fires_its_alerts() {
    let server = certificate(Setup::new(), "expired").start().await;
    let prometheus = prometheus!(&server.url);
    for alert in ["AfterwordCertificateExpired", "AfterwordCertificateExpires"] {
        prometheus.until_firing(alert).await;
    }
}

#[tokio::test]
async fn clock_that_is_not_set_fires_its_alert() {
    let setup = Setup::new();
    let server = setup.start().await;
    server.client().done(&[Recording::short(T0)]).await;
    server.kill9().await;
    let db = Connection::open(setup.folder().store_file()).unwrap();
    let changed = (now_secs() + 3600) * 1000;
    assert!(db.execute("UPDATE offline_sync_jobs SET updated_at = ?1", [changed]).unwrap() > 0);
    drop(db);
    let server = setup.start().await;
    let prometheus = prometheus!(&server.url);
    prometheus.until_firing("AfterwordClockNotSet").await;
}

#[tokio::test]
async fn server_that_is_gone_and_failed_jobs_fire_their_alerts() {
    let setup = Setup::new().with("engine.null_languages", "en").with("jobs.max_wait_seconds", 1);
    let server = setup.with("jobs.backoff_min_seconds", 0).with("jobs.backoff_max_seconds", 1).start().await;
    let prometheus = prometheus!(&server.url);
    let client = server.client();
    // A counter has to be seen before it grows.
    let fails = async |n: i64| {
        let answer = client.upload_to("?language=es", &[Recording::short(T0 + n * 1000)]).await;
        client.terminal(answer.body["job_id"].as_str().unwrap()).await["status"] == "failed"
    };
    assert!(fails(0).await);
    prometheus.until_scraped(1).await;
    assert!(fails(1).await);
    let alert = prometheus.until_firing("AfterwordJobsFail").await;
    assert_eq!(alert["labels"]["code"], "waited_too_long", "{alert}");
    server.kill9().await;
    prometheus.until_firing("AfterwordDown").await;
}

#[tokio::test]
async fn damaged_document_and_requests_without_a_token_fire_their_alerts() {
    let setup = Setup::new();
    let server = setup.start().await;
    server.client().done(&[Recording::short(T0)]).await;
    server.kill9().await;
    let db = Connection::open(setup.folder().store_file()).unwrap();
    assert!(db.execute("UPDATE offline_sync_jobs SET document = '{'", []).unwrap() > 0);
    drop(db);
    let server = setup.start().await;
    let prometheus = prometheus!(&server.url);
    server.client().get("/v2/sync/jobs").await.ok();
    prometheus.until_firing("AfterwordUnreadableDocuments").await;
    let stranger = server.client_without_token();
    let knocking = async {
        loop {
            assert_eq!(stranger.get("/v2/sync/jobs").await.status, 401);
        }
    };
    tokio::select! {
        () = knocking => {}
        _ = prometheus.until_firing("AfterwordUnauthorized") => {}
    }
}

/// The metrics of a server in which everything has happened once.
async fn metrics_of(server: &Server) -> String {
    let client = server.client();
    client.put_device("my-phone", "a-token-of-my-phone").await;
    client.done(&[Recording::speech(T0)]).await;
    eventually("the delivery is counted", PATIENCE, async || {
        let text = server.client_without_token().get("/metrics").await.text;
        text.contains("afterword_queue_deliveries_total{outcome=\"done\"} 1").then_some(text)
    })
    .await
}

#[tokio::test]
async fn promtool_finds_nothing_wrong_with_the_metrics() {
    let server = certificate(Setup::new(), "selfsigned").start().await;
    let plain = Setup::new().start().await;
    drop(server);
    let text = metrics_of(&plain).await;
    match promtool(&["check", "metrics"], &monitoring(), &text) {
        Ok(checked) => assert_eq!(checked, (true, String::new())),
        Err(why) => skip!(why),
    }
}

#[test]
fn promtool_accepts_the_rules_and_every_alert_fires_after_its_time_in_their_tests() {
    let folder = monitoring();
    match promtool(&["check", "rules", "--lint=all", "--lint-fatal", RULES], &folder, "") {
        Ok((accepted, printed)) => assert!(accepted, "{printed}"),
        Err(why) => skip!(why),
    }
    let (passed, printed) = promtool(&["test", "rules", RULE_TESTS], &folder, "").unwrap();
    assert!(passed, "{printed}");
    let tests = std::fs::read_to_string(folder.join(RULE_TESTS)).unwrap();
    for alert in tests::prometheus::RULES.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        let fires = tests.contains(&format!("alertname: {alert}\n        exp_alerts:\n"));
        assert!(fires, "{RULE_TESTS} has no test in which {alert} fires");
    }
}
