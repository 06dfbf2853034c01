//! A real Prometheus with the project's alerts, whose waits are shortened, so that a test sees an alert fire.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::wait::{PATIENCE, eventually, eventually_or};

/// The rules of the project.
pub const RULES: &str = include_str!("../../infra/monitoring/alerts.yaml");
/// The gauges of the store are read every ten seconds, and a scrape and a rule take another one each.
const UNTIL_FIRING: Duration = Duration::from_secs(60);
/// What every range of a query becomes: enough scrapes for a rate.
const RANGE: &str = "[8s]";

/// Programs of Prometheus: on the `PATH`, or where `scripts/setup-prometheus` puts them.
pub fn program(name: &str) -> Result<PathBuf, String> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    let tools = cache.map(|cache| cache.join("afterword/tools/bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(tools);
    let found = folders.map(|folder| folder.join(name)).find(|program| program.is_file());
    found.ok_or_else(|| format!("`{name}` is not installed (`scripts/setup-prometheus`)"))
}

/// The process; it is killed when this is dropped.
pub struct Prometheus {
    child: Child,
    url: String,
    folder: TempDir,
}

impl Prometheus {
    /// Scrapes these addresses every second. `Err` says why there is no Prometheus here.
    pub async fn start(targets: &[&str]) -> Result<Self, String> {
        let program = program("prometheus")?;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("alerts.yaml"), hastened(RULES)).unwrap();
        std::fs::write(folder.path().join("prometheus.yaml"), configuration(targets)).unwrap();
        let (listener, address) = emulators::listen().await;
        drop(listener);
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", folder.path().join("prometheus.yaml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=warn");
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let prometheus = Self { child, url: format!("http://{address}"), folder };
        let is_ready = async || prometheus.get("/-/ready").await.is_some().then_some(());
        eventually("Prometheus is ready", PATIENCE, is_ready).await;
        Ok(prometheus)
    }

    async fn get(&self, path: &str) -> Option<String> {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(format!("{}{path}", self.url)).send().await.ok()?;
        if answer.status().is_success() { answer.text().await.ok() } else { None }
    }

    /// Name and labels of each alert that fires now.
    pub async fn firing(&self) -> Vec<(String, Value)> {
        let text = self.get("/api/v1/alerts").await.unwrap_or_default();
        let alerts: Value = serde_json::from_str(&text).unwrap_or_default();
        let alerts = alerts["data"]["alerts"].as_array().cloned().unwrap_or_default();
        let firing = alerts.into_iter().filter(|alert| alert["state"] == "firing");
        firing.map(|alert| (alert["labels"]["alertname"].as_str().unwrap().to_owned(), alert)).collect()
    }

    /// Waits until this alert fires.
    pub async fn until_firing(&self, name: &str) -> Value {
        eventually_or(&format!("{name} fires"), UNTIL_FIRING, async || {
            let firing = self.firing().await;
            let found = firing.iter().find(|(alert, _)| alert == name).map(|(_, alert)| alert.clone());
            found.ok_or_else(|| format!("{firing:#?}\n{}", self.log()))
        })
        .await
    }

    /// Waits until each target was scraped so often that every range of a rule is full.
    pub async fn until_scraped(&self, targets: usize) {
        let query = "/api/v1/query?query=count(count_over_time(up[60s])%20%3E%2010)";
        let count = targets.to_string();
        eventually_or("the targets are scraped", UNTIL_FIRING, async || {
            let text = self.get(query).await.unwrap_or_default();
            let answer: Value = serde_json::from_str(&text).unwrap_or_default();
            if answer["data"]["result"][0]["value"][1] == count.as_str() { Ok(()) } else { Err(text + &self.log()) }
        })
        .await;
    }

    /// The number of series that a query of the dashboard finds.
    pub async fn series(&self, query: &str) -> usize {
        let query = query.replace("$instance", ".*").replace("$__rate_interval", "10s");
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let text = self.get(&format!("/api/v1/query?query={encoded}")).await;
        let text = text.unwrap_or_else(|| panic!("Prometheus refuses the query {query}"));
        let answer: Value = serde_json::from_str(&text).unwrap();
        answer["data"]["result"].as_array().unwrap().len()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The rules with the same queries, which look back for seconds and fire at once.
fn hastened(rules: &str) -> String {
    let mut hastened = String::new();
    for line in rules.lines().filter(|line| !line.trim_start().starts_with("for:")) {
        let mut rest = line;
        while let Some((before, (_, after))) = rest.split_once('[').and_then(|(b, a)| Some((b, a.split_once(']')?))) {
            let _ = write!(hastened, "{before}{RANGE}");
            rest = after;
        }
        let _ = writeln!(hastened, "{rest}");
    }
    hastened
}

fn configuration(targets: &[&str]) -> String {
    let mut text = "global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }\n\
                    rule_files: [alerts.yaml]\nscrape_configs:\n"
        .to_owned();
    for (n, url) in targets.iter().enumerate() {
        let (scheme, host) = url.split_once("://").unwrap();
        let _ = writeln!(
            text,
            "  - {{ job_name: afterword-{n}, scheme: {scheme}, tls_config: {{ insecure_skip_verify: true }}, \
             static_configs: [{{ targets: ['{host}'] }}] }}"
        );
    }
    text
}

/// Runs promtool; returns whether it is satisfied, and everything that it prints.
pub fn promtool(arguments: &[&str], folder: &Path, input: &str) -> Result<(bool, String), String> {
    use std::io::Write as _;
    let mut command = Command::new(program("promtool")?);
    command.args(arguments).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = input.to_owned();
    let feed = std::thread::spawn(move || drop(stdin.write_all(text.as_bytes())));
    let output = child.wait_with_output().unwrap();
    feed.join().unwrap();
    let printed = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&printed).into_owned()))
}
