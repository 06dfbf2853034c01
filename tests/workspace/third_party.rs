//! `THIRD_PARTY.md` names every package with C or assembler in it that is linked into the program, in its locked
//! version.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// The targets that the program is built for.
const TARGETS: [&str; 4] =
    ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "x86_64-apple-darwin", "aarch64-apple-darwin"];
/// Packages that compile another language during the build.
const COMPILERS: [&str; 3] = ["cc", "cmake", "nasm-rs"];

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(arguments).current_dir(crate::root()).output().unwrap();
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Name and version of the packages that are linked into the program, on any of its targets.
fn linked() -> BTreeSet<(String, String)> {
    let mut arguments = vec!["tree", "--offline", "--locked", "--package", "embedded", "--edges", "normal"];
    arguments.extend(TARGETS.iter().flat_map(|target| ["--target", *target]));
    arguments.extend(["--prefix", "none", "--format", "{p}"]);
    let package = |line: &str| {
        let mut words = line.split(' ');
        Some((words.next()?.to_owned(), words.next()?.trim_start_matches('v').to_owned()))
    };
    cargo(&arguments).lines().filter_map(package).collect()
}

fn is_native(package: &Value) -> bool {
    let compiles = |dependency: &Value| {
        dependency["kind"] == "build" && COMPILERS.iter().any(|compiler| dependency["name"] == *compiler)
    };
    !package["links"].is_null() || package["dependencies"].as_array().unwrap().iter().any(compiles)
}

fn native() -> BTreeMap<String, String> {
    let linked = linked();
    let metadata = cargo(&["metadata", "--offline", "--locked", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let named = |package: &Value| {
        let text = |field: &str| package[field].as_str().unwrap().to_owned();
        (text("name"), text("version"))
    };
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages.filter(|package| is_native(package)).map(named).filter(|it| linked.contains(it)).collect()
}

/// The first two columns of the table under a heading.
fn rows(heading: &str) -> BTreeMap<String, String> {
    let document = std::fs::read_to_string(crate::root().join("THIRD_PARTY.md")).unwrap();
    let section = document.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect::<Vec<_>>();
    let rows = section.lines().filter(|line| line.starts_with("| `")).map(cells);
    rows.map(|cells| (cells[1].clone(), cells[2].clone())).collect()
}

#[test]
fn every_native_library_is_listed_with_its_locked_version_and_no_other_one() {
    let native = native();
    assert!(native.contains_key("libsqlite3-sys"), "the dependency graph is parsed wrongly: {native:?}");
    assert_eq!(rows("Native libraries"), native, "THIRD_PARTY.md (left) and what is linked (right) differ");
}
