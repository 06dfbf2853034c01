//! The document of the public API: the checked-in one equals the one that the code generates.

use std::collections::BTreeSet;

use serde_json::Value;

/// If this is set, the file is written instead of compared: `make openapi`.
const WRITE: &str = "AFTERWORD_WRITE_OPENAPI";

fn generated() -> Value {
    serde_json::to_value(api::document()).unwrap()
}

#[test]
fn checked_in_document_equals_the_generated_one() {
    let path = crate::root().join("docs/openapi.json");
    let text = serde_json::to_string_pretty(&generated()).unwrap() + "\n";
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(checked_in == text, "docs/openapi.json is not what the code says any more: run `make openapi`");
}

/// Every operation as (method, path, operation).
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["get", "put", "post", "delete"] {
            if let Some(operation) = item.get(method) {
                all.push((method.to_owned(), path.clone(), operation.clone()));
            }
        }
    }
    all
}

#[test]
fn document_is_openapi_3_1_and_every_operation_has_id_summary_and_statuses() {
    let document = generated();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let mut names = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let name = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path}")).to_owned();
        assert!(names.insert(name.clone()), "{name} stands twice");
        assert!(operation["summary"].is_string(), "{method} {path} has no summary");
        for status in operation["responses"].as_object().unwrap().keys() {
            assert!(status.parse::<u16>().is_ok(), "{method} {path} answers `{status}`");
        }
    }
}

#[test]
fn every_code_of_a_request_is_documented_by_some_operation() {
    let document = generated().to_string();
    // Codes that occur only on internal routes.
    let internal = ["forbidden", "owner_mismatch", "lease_held", "store_unavailable"];
    // Codes that no operation has, because there is none with that method.
    let anywhere = ["method_not_allowed"];
    for code in domain::Code::ALL.iter().filter(|code| code.status() != 0) {
        let is_documented = document.contains(&format!("`{code}`"));
        let excused = internal.contains(&code.as_str()) || anywhere.contains(&code.as_str());
        assert!(is_documented != excused, "{code}");
    }
}
