//! Every ERROR of the log has a remedy, and its entry in the runbook: an alert on ERROR wakes a person.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const RUNBOOK: &str = "docs/OPERATIONS.md";
/// An entry of the runbook is a heading with the message.
const ENTRY: &str = "### `";
const CALL: &str = "error!(";

/// A call of `tracing::error!`.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    at: String,
    message: String,
    has_remedy: bool,
}

/// The sources of programs and libraries, without their tests.
fn sources() -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![crate::root().join("shared"), crate::root().join("functions")]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            match path.is_dir() {
                true if !["tests", "testkit", "examples"].contains(&name) => open.push(path),
                false if name.ends_with(".rs") && name != "tests.rs" => found.push(path),
                _ => {}
            }
        }
    }
    found
}

fn calls_in(path: &Path) -> Vec<Call> {
    let text = std::fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let name = path.strip_prefix(crate::root()).unwrap().display();
    calls(code).into_iter().map(|(line, call)| Call { at: format!("{name}:{line}"), ..call }).collect()
}

/// The calls in a source, with their lines.
fn calls(code: &str) -> Vec<(usize, Call)> {
    let is_own = |at: usize| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let starts = code.match_indices(CALL).filter(|(at, _)| is_own(*at));
    starts
        .map(|(at, _)| {
            let (arguments, literals) = arguments(&code[at + CALL.len()..]);
            let has_remedy = arguments.split(',').any(|part| {
                let name = part.split('=').next().unwrap_or_default().trim().trim_start_matches(['%', '?']);
                name == "remedy"
            });
            let message = literals.into_iter().next_back().unwrap_or_default();
            (code[..at].lines().count(), Call { at: String::new(), message, has_remedy })
        })
        .collect()
}

/// The arguments of a macro without its literals, up to its closing parenthesis, and the literals.
fn arguments(rest: &str) -> (String, Vec<String>) {
    let (mut depth, mut outside, mut literals) = (1, String::new(), Vec::new());
    let mut chars = rest.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '(' => depth += 1,
            ')' if depth == 1 => break,
            ')' => depth -= 1,
            '"' => {
                let mut literal = String::new();
                while let Some(c) = chars.next().filter(|c| *c != '"') {
                    match (c, chars.peek()) {
                        // The literal goes on after the line break and the white space behind it.
                        ('\\', Some('\n')) => while chars.next_if(|c| c.is_whitespace()).is_some() {},
                        ('\\', Some(_)) => literal.extend(chars.next()),
                        _ => literal.push(c),
                    }
                }
                literals.push(literal);
                continue;
            }
            _ => {}
        }
        // Names inside of other parentheses are not fields.
        if depth == 1 {
            outside.push(c);
        }
    }
    (outside, literals)
}

fn all_calls() -> Vec<Call> {
    sources().iter().flat_map(|path| calls_in(path)).collect()
}

fn entries() -> Vec<String> {
    let text = std::fs::read_to_string(crate::root().join(RUNBOOK)).unwrap();
    let messages = text.lines().filter_map(|line| line.strip_prefix(ENTRY));
    messages.map(|line| line.trim_end_matches('`').to_owned()).collect()
}

#[test]
fn every_error_line_has_a_remedy() {
    let calls = all_calls();
    assert!(calls.len() > 20, "only {} calls are found: the parser is wrong", calls.len());
    let without: Vec<_> = calls.iter().filter(|call| !call.has_remedy).map(|call| &call.at).collect();
    assert!(without.is_empty(), "these ERROR lines have no field `remedy`: {without:#?}");
}

#[test]
fn every_error_message_is_in_the_runbook_and_no_other() {
    let (calls, entries) = (all_calls(), entries());
    let messages: BTreeSet<_> = calls.iter().map(|call| call.message.as_str()).collect();
    let entered: BTreeSet<_> = entries.iter().map(String::as_str).collect();
    assert_eq!(entered.len(), entries.len(), "a message has two entries");
    let missing: Vec<_> = calls.iter().filter(|call| !entered.contains(call.message.as_str())).collect();
    assert!(missing.is_empty(), "{RUNBOOK} has no entry `{ENTRY}<message>` for: {missing:#?}");
    let stale: Vec<_> = entered.difference(&messages).collect();
    assert!(stale.is_empty(), "{RUNBOOK} has entries for messages that nothing logs: {stale:#?}");
}

#[test]
fn message_of_an_error_is_text_that_can_be_searched_for() {
    for call in all_calls() {
        let message = &call.message;
        assert!(
            !message.is_empty() && !message.contains(['{', '`']) && message.len() < 120,
            "{}: `{message}`",
            call.at
        );
    }
}

#[test]
fn calls_are_read_as_they_are_written() {
    let code = "fn f() {\n    compile_error!(\"no\");\n    tracing::error!(%job_id, why = of(\"x\", remedy), remedy = \"do \
                \\\"this\\\"\", \"it \\\n        failed\");\n    error!(a, \"no (way)\"); }";
    let call = |message: &str, has_remedy| Call { at: String::new(), message: message.to_owned(), has_remedy };
    assert_eq!(calls(code), [(3, call("it failed", true)), (5, call("no (way)", false))]);
}
