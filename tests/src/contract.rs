//! Compares the API document with every answer that a suite gets: an answer that it does not describe is a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::LazyLock;

use reqwest::Method;
use serde_json::Value;

/// The file in which answers are recorded for `answers`, which lists those that were never seen.
pub const SEEN: &str = "AFTERWORD_SEEN";

const DOCUMENT: &str = include_str!("../../docs/openapi.json");

/// The statuses of an operation, each with its codes; a success has none.
type Statuses = BTreeMap<u16, BTreeSet<String>>;

/// Operations by method and path template.
pub static OPERATIONS: LazyLock<BTreeMap<(String, String), Statuses>> = LazyLock::new(|| {
    let document: Value = serde_json::from_str(DOCUMENT).unwrap();
    let mut operations = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            let statuses = responses.iter().map(|(status, response)| (status.parse().unwrap(), codes(response)));
            operations.insert((method.to_uppercase(), path.clone()), statuses.collect());
        }
    }
    operations
});

fn codes(response: &Value) -> BTreeSet<String> {
    let parts = response["content"]["application/problem+json"]["schema"]["allOf"].as_array();
    let codes = parts.into_iter().flatten().filter_map(|part| part["properties"]["code"]["enum"].as_array());
    codes.flatten().map(|code| code.as_str().unwrap().to_owned()).collect()
}

/// Panics when the document does not describe such an answer.
pub fn assert_documented(method: &Method, path: &str, status: u16, code: &str, text: &str) {
    let Some((template, statuses)) = find(method, path) else {
        let known =
            [(404, "not_found"), (405, "method_not_allowed"), (414, "uri_too_long"), (431, "headers_too_large")];
        assert!(known.contains(&(status, code)), "{method} {path} is no operation, and answers {status}: {text}");
        return;
    };
    let Some(codes) = statuses.get(&status) else {
        panic!("the document does not say that {method} {template} answers {status}: {text}");
    };
    let is_told = if codes.is_empty() { code.is_empty() || status < 400 } else { codes.contains(code) };
    assert!(is_told, "the document does not say that {method} {template} answers {status} `{code}`");
    note(&format!("{method} {template} {status} {}\n", if status < 400 { "" } else { code }));
}

fn find(method: &Method, path: &str) -> Option<(&'static str, &'static Statuses)> {
    let fits = |template: &str| {
        let (wanted, given): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
        wanted.len() == given.len() && wanted.iter().zip(&given).all(|(w, g)| w == g || w.starts_with('{'))
    };
    let found = OPERATIONS.iter().filter(|((known, template), _)| known == method.as_str() && fits(template));
    // A fixed path wins over a template with a parameter.
    found.min_by_key(|((_, template), _)| template.matches('{').count()).map(|((_, template), s)| (&**template, s))
}

fn note(line: &str) {
    let Some(path) = std::env::var_os(SEEN) else { return };
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    // Each line is one write, because suites run concurrently.
    file.write_all(line.as_bytes()).unwrap();
}
