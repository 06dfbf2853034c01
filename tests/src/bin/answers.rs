//! Lists the answers of the API document that no suite has seen. Run by `scripts/test` after the suites.

#![allow(clippy::unwrap_used, reason = "a tool of the suites, where a panic is the message")]

use std::collections::BTreeSet;

use tests::contract::{OPERATIONS, SEEN};

/// An answer that any request can get needs to be seen only once, on any operation. The answers below are not produced
/// by a real server over HTTP, and are covered by the named tests.
const EXCUSED: [(&str, &str); 1] =
    // An unexpected internal error: unit tests of the edge.
    [("internal_error", "shared/edge/src/request/tests.rs")];

fn main() {
    let path = std::env::var(SEEN).unwrap_or_else(|_| panic!("{SEEN} names no file"));
    let seen = std::fs::read_to_string(path).unwrap_or_default();
    let seen: BTreeSet<&str> = seen.lines().map(str::trim_end).collect();
    let codes: BTreeSet<&str> = seen.iter().filter_map(|line| line.split(' ').nth(3)).collect();
    let (mut documented, mut missing) = (0, Vec::new());
    for ((method, template), statuses) in OPERATIONS.iter() {
        for (status, known) in statuses {
            let lines = if *status < 400 { BTreeSet::from([String::new()]) } else { known.clone() };
            for code in lines {
                documented += 1;
                let line = format!("{method} {template} {status} {code}");
                let anywhere = is_common(&code) && codes.contains(code.as_str());
                let excused = EXCUSED.iter().any(|(known, _)| *known == code);
                if !seen.contains(line.trim_end()) && !anywhere && !excused {
                    missing.push(line);
                }
            }
        }
    }
    if missing.is_empty() {
        println!("Each of the {documented} answers that docs/openapi.json tells of was seen.");
        return;
    }
    println!("No suite has seen these answers, which docs/openapi.json tells of:");
    missing.iter().for_each(|line| println!("  {line}"));
    std::process::exit(1);
}

/// Codes that the edge returns before any route is called.
fn is_common(code: &str) -> bool {
    const COMMON: [&str; 10] = [
        "request_timeout",
        "uri_too_long",
        "headers_too_large",
        "storage_unavailable",
        "shutting_down",
        "unauthenticated",
        "clock_not_set",
        "invalid_json",
        "request_too_large",
        "unsupported_media_type",
    ];
    COMMON.contains(&code)
}
