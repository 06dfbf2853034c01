//! Alerts and dashboard: each metric that they ask for exists, and each alert has its line for the person whom it wakes.

use std::collections::BTreeSet;

use serde_json::Value;

const FOLDER: &str = "infra/monitoring";
const DOCUMENT: &str = "docs/OPERATIONS.md";
/// The beginnings of the names of our metrics.
const OURS: [&str; 3] = ["afterword_", "http_", "process_"];
/// What a histogram adds to its name.
const PARTS: [&str; 3] = ["_bucket", "_sum", "_count"];

fn read(path: &str) -> String {
    std::fs::read_to_string(crate::root().join(path)).unwrap()
}

fn documented() -> BTreeSet<String> {
    let text = read("docs/METRICS.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(name, _)| name.to_owned()).collect()
}

/// The names of metrics in a text.
fn named(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| OURS.iter().any(|ours| word.starts_with(ours)) && word.len() > "process_".len()).collect()
}

fn unknown<'t>(text: &'t str, documented: &BTreeSet<String>) -> Vec<&'t str> {
    let is_known = |name: &str| {
        let parts = PARTS.iter().filter_map(|part| name.strip_suffix(part));
        documented.contains(name) || parts.into_iter().any(|name| documented.contains(name))
    };
    named(text).into_iter().filter(|name| !is_known(name)).collect()
}

#[test]
fn every_metric_of_the_alerts_and_of_the_dashboard_is_documented() {
    let documented = documented();
    for file in ["alerts.yaml", "alerts_test.yaml", "dashboard.json"] {
        let text = read(&format!("{FOLDER}/{file}"));
        assert!(named(&text).len() > 20, "{file} names few metrics: the parser is wrong");
        assert_eq!(unknown(&text, &documented), [""; 0], "{file} names metrics that docs/METRICS.md does not have");
    }
}

#[test]
fn every_documented_metric_is_on_the_dashboard() {
    let dashboard = read(&format!("{FOLDER}/dashboard.json"));
    let missing: Vec<_> = documented().into_iter().filter(|name| !dashboard.contains(name.as_str())).collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn every_alert_has_its_row_in_the_runbook_and_no_other() {
    let rules = read(&format!("{FOLDER}/alerts.yaml"));
    let alerts: BTreeSet<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let document = read(DOCUMENT);
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `Afterword")?.split_once('`'));
    let rows: BTreeSet<_> = rows.map(|(name, _)| format!("Afterword{name}")).collect();
    assert_eq!(rows.iter().map(String::as_str).collect::<BTreeSet<_>>(), alerts, "left: {DOCUMENT}, right: the rules");
}

#[test]
fn panels_of_the_dashboard_have_numbers_of_their_own_and_queries() {
    let dashboard: Value = serde_json::from_str(&read(&format!("{FOLDER}/dashboard.json"))).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let queries = panel["targets"].as_array().unwrap();
        assert!(!queries.is_empty() && panel["description"].is_string(), "{panel}");
        assert!(queries.iter().all(|query| query["expr"].as_str().unwrap().contains("$instance")), "{panel}");
    }
}

#[test]
fn metric_that_does_not_exist_is_noticed() {
    let documented = BTreeSet::from(["afterword_calls_seconds".to_owned(), "http_requests_total".to_owned()]);
    let text = r#"rate(afterword_calls_seconds_count{job="x"}[1h]) > http_requests_totals and afterword_calls"#;
    assert_eq!(unknown(text, &documented), ["afterword_calls", "http_requests_totals"]);
}
