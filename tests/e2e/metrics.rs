//! `/metrics`: the exposed metrics are those that `docs/METRICS.md` explains, in the format that Prometheus reads.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tests::wait::{PATIENCE, eventually_or};
use tests::{Recording, Server, Setup, recordings};

const DOCUMENT: &str = include_str!("../../docs/METRICS.md");

/// Only a server with a certificate has it.
const TLS_EXPIRY: &str = "afterword_tls_certificate_expires_timestamp_seconds";
/// Only Linux tells them.
const FROM_PROC: [&str; 5] = [
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_max_fds",
    "process_threads",
];

/// One metric as it is exposed.
#[derive(Debug, Default)]
struct Exposed {
    help: String,
    kind: String,
    /// The values by label set, as it is written; of histograms only the count.
    samples: BTreeMap<String, f64>,
    labels: BTreeSet<String>,
}

/// Parses the text format (version 0.0.4) strictly: anything but a sample, HELP or TYPE of a named metric is an error.
fn read(text: &str) -> BTreeMap<String, Exposed> {
    assert!(text.ends_with('\n'), "the last line has no end");
    let mut all: BTreeMap<String, Exposed> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap_or_else(|| panic!("no help: {line}"));
            all.entry(name.to_owned()).or_default().help = help.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            let metric = all.entry(name.to_owned()).or_default();
            assert!(metric.samples.is_empty() && metric.kind.is_empty(), "one TYPE, before the samples: {line}");
            metric.kind = kind.to_owned();
        } else {
            sample(line, &mut all);
        }
    }
    all
}

fn sample(line: &str, all: &mut BTreeMap<String, Exposed>) {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
    let value: f64 = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
    let (full, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("labels have no end: {line}"));
    let part = |suffix: &str| full.strip_suffix(suffix).filter(|name| all.contains_key(*name));
    let name = part("_bucket").or_else(|| part("_sum")).or_else(|| part("_count")).unwrap_or(full).to_owned();
    let counts = full == name || full.ends_with("_count");
    let metric = all.get_mut(&name).unwrap_or_else(|| panic!("no TYPE before {line}"));
    let names = labels.split(',').filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
    metric.labels.extend(names.filter(|name| name != "le"));
    if counts {
        assert!(metric.samples.insert(labels.to_owned(), value).is_none(), "twice: {line}");
    }
}

async fn scrape(server: &Server) -> BTreeMap<String, Exposed> {
    let answer = server.client_without_token().get("/metrics").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/plain; version=0.0.4; charset=utf-8"));
    read(&answer.text)
}

/// Name, kind and labels of each row of the document.
fn documented() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let rows = DOCUMENT.lines().filter_map(|line| line.strip_prefix("| `")).map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let labels = cells[2].split(',').map(|label| label.trim().trim_matches('`')).filter(|label| !label.is_empty());
        (cells[0].trim_end_matches('`').to_owned(), (cells[1].to_owned(), labels.map(str::to_owned).collect()))
    });
    rows.collect()
}

fn value(all: &BTreeMap<String, Exposed>, name: &str, labels: &str) -> f64 {
    let metric = all.get(name).unwrap_or_else(|| panic!("no {name}"));
    *metric.samples.get(labels).unwrap_or_else(|| panic!("{name} has no {{{labels}}}: {metric:?}"))
}

#[tokio::test]
async fn exposed_metrics_equal_the_documented_ones() {
    let server = Setup::new().start().await;
    let client = server.client();
    client.put_device("my-phone", "a-token-of-my-phone").await;
    let bytes: usize = [0, 1000].map(|later| Recording::short(recordings::T0 + later).bytes.len()).iter().sum();
    for later in [0, 1000] {
        let job = client.done(&[Recording::short(recordings::T0 + later)]).await;
        server.log.wait_step("clean_up", job["job_id"].as_str().unwrap()).await;
    }
    let all = eventually_or("both deliveries are counted", PATIENCE, async || {
        let all = scrape(&server).await;
        if value(&all, "afterword_queue_deliveries_total", r#"outcome="done""#) >= 2.0 { Ok(all) } else { Err("") }
    })
    .await;

    let mut documented = documented();
    assert!(documented.remove(TLS_EXPIRY).is_some(), "tests/e2e/tls.rs reads this one");
    if cfg!(not(target_os = "linux")) {
        documented.retain(|name, _| !FROM_PROC.contains(&name.as_str()));
    }
    let (exposed, told): (BTreeSet<_>, BTreeSet<_>) = (all.keys().collect(), documented.keys().collect());
    assert_eq!(exposed, told, "left: exposed, right: in docs/METRICS.md");
    for (name, metric) in &all {
        assert!(!metric.help.is_empty() && !metric.kind.is_empty(), "{name} has no HELP or no TYPE: {metric:?}");
        assert_eq!((&metric.kind, &metric.labels), (&documented[name].0, &documented[name].1), "{name}");
        let suffix = name.ends_with("_total");
        assert_eq!(suffix, metric.kind == "counter", "{name} is a {}", metric.kind);
    }
    let text = format!("{all:?}");
    for secret in
        ["local", "a-token-of-my-phone", "my-phone", &server.token, &client.jobs().await[0]["job_id"].to_string()]
    {
        assert!(!text.contains(secret.trim_matches('"')), "{secret} is exposed");
    }

    let (segments, _, ms) = client.usage().await;
    assert_eq!(value(&all, "afterword_jobs_ended_total", r#"status="completed",code="none""#), 2.0);
    assert_eq!(value(&all, "afterword_job_attempts_total", ""), 2.0);
    assert_eq!(value(&all, "afterword_upload_bytes_total", ""), bytes as f64);
    assert_eq!(value(&all, "afterword_blob_read_bytes_total", ""), bytes as f64);
    assert_eq!(value(&all, "afterword_pushes_total", r#"outcome="sent""#), 2.0);
    assert_eq!(value(&all, "afterword_transcribed_audio_seconds", ""), segments as f64);
    let engine = value(&all, "afterword_engine_call_duration_seconds", r#"engine="null",outcome="text""#);
    assert_eq!(engine, segments as f64);
    assert!(ms > 0 && value(&all, "afterword_sqlite_commit_duration_seconds", r#"database="store""#) > 0.0);
}

#[tokio::test]
async fn jobs_are_counted_after_a_restart_and_an_overdue_job_is_shown() {
    let setup = Setup::new().with("engine.null_delay_ms", 600_000).with("limits.enqueued_per_user", 1);
    let server = setup.start().await;
    let client = server.client();
    let working = client.accepted(&[Recording::short(recordings::T0)]).await;
    client.accepted(&[Recording::short(recordings::T0 + 1000)]).await;
    client.until(&working, "is at work", |job| job["status"] == "processing").await;
    let all = scrape(&server).await;
    for (status, jobs) in [("queued", 1.0), ("processing", 1.0), ("completed", 0.0), ("uploading", 0.0)] {
        assert_eq!(value(&all, "afterword_jobs", &format!("status=\"{status}\"")), jobs, "{status}");
    }
    assert_eq!(value(&all, "afterword_oldest_due_job_age_seconds", ""), 0.0, "no job is overdue");
    server.kill9().await;
    let again = setup.with("engine.null_delay_ms", 0).start().await;
    let client = again.client();
    for job in client.jobs().await {
        client.terminal(job["job_id"].as_str().unwrap()).await;
    }
    // Scrapes within ten seconds share one set of figures.
    let told = eventually_or("both jobs are counted as completed", PATIENCE, async || {
        let all = scrape(&again).await;
        let told = value(&all, "afterword_jobs", r#"status="completed""#);
        if told == 2.0 { Ok(all) } else { Err(told) }
    })
    .await;
    assert_eq!(value(&told, "afterword_jobs", r#"status="processing""#), 0.0);
    let health: Value = again.client_without_token().get("/healthz").await.ok();
    let build = format!("version=\"{}\"", health["version"].as_str().unwrap());
    assert_eq!(value(&told, "afterword_build_info", &build), 1.0);
}
