//! Documents refer to files and functions as `path/file.rs` and `path/file.rs::function`: each of them must exist.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const WALK: &str = "docs/ARCHITECTURE.md";
/// The least number of stops in the walk of one recording: fewer means that they are not found in the text any more.
const STOPS: usize = 15;

/// The `(path, item)` of each reference in a text.
fn references(text: &str) -> BTreeSet<(&str, Option<&str>)> {
    let in_reference = |c: char| c.is_ascii_alphanumeric() || "_-./:".contains(c);
    let words = text.split(|c| !in_reference(c)).map(|word| word.trim_end_matches(['.', ':']));
    words
        .filter_map(|word| match word.split_once("::") {
            Some((path, item)) if path.ends_with(".rs") => Some((path, Some(item))),
            None if word.ends_with(".rs") => Some((word, None)),
            _ => None,
        })
        .filter(|(path, _)| path.contains('/') && !path.contains("//"))
        .collect()
}

/// Whether a source defines this function, type, trait, constant or macro.
fn defines(source: &str, item: &str) -> bool {
    let keywords = ["fn", "struct", "enum", "trait", "const", "static", "type", "macro_rules!"];
    let after = |keyword: &str| {
        source.match_indices(&format!("{keyword} {item}")).any(|(at, found)| {
            let next = source[at + found.len()..].chars().next();
            next.is_none_or(|c| !c.is_alphanumeric() && c != '_')
        })
    };
    keywords.into_iter().any(after)
}

/// The README, and every page below `docs`.
pub fn documents() -> Vec<PathBuf> {
    let (mut pages, mut open) = (vec![crate::root().join("README.md")], vec![crate::root().join("docs")]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                None => open.push(path),
                Some(kind) if kind == "md" => pages.push(path),
                Some(_) => {}
            }
        }
    }
    pages
}

fn missing(document: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(document).unwrap();
    let document = document.strip_prefix(crate::root()).unwrap().display();
    let wrong = |(path, item): (&str, Option<&str>)| {
        let Ok(source) = std::fs::read_to_string(crate::root().join(path)) else {
            return Some(format!("{document} names {path}, which is not there"));
        };
        let item = item.filter(|item| !defines(&source, item))?;
        Some(format!("{document} names {path}::{item}, which is not there"))
    };
    references(&text).into_iter().filter_map(wrong).collect()
}

#[test]
fn every_file_and_function_named_in_documents_exists() {
    let wrong: Vec<_> = documents().iter().flat_map(|document| missing(document)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn walk_of_a_recording_refers_to_functions() {
    let text = std::fs::read_to_string(crate::root().join(WALK)).unwrap();
    let functions = references(&text).into_iter().filter(|(_, item)| item.is_some()).count();
    assert!(functions >= STOPS, "only {functions} functions are named");
}

#[test]
fn a_reference_is_found_in_prose_and_a_missing_function_is_noticed() {
    let text = "It goes to `a/b.rs::run`, then (see `c-d/e.rs`). Not `Cargo.toml`, `main.rs` or https://x.rs.";
    assert_eq!(references(text), BTreeSet::from([("a/b.rs", Some("run")), ("c-d/e.rs", None)]));
    let source = "pub async fn run<T>(x: T) {}\nstruct Runner;";
    assert!(defines(source, "run") && defines(source, "Runner"));
    assert!(!defines(source, "runs") && !defines(source, "ru"));
}
