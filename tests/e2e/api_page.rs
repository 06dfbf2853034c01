//! `docs/API.md` describes every operation, and every shell line in it works as described.

use std::collections::BTreeSet;
use std::path::Path;

use tests::contract::OPERATIONS;
use tests::program::shell;
use tests::{Recording, Server, Setup};

const PAGE: &str = include_str!("../../docs/API.md");

/// The heading of an operation: "### `POST /v2/sync/upload`".
fn headings() -> BTreeSet<(String, String)> {
    let titles = PAGE.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'));
    titles
        .filter_map(|title| title.split_once(' '))
        .map(|(method, path)| (method.to_owned(), path.to_owned()))
        .collect()
}

#[test]
fn api_page_lists_exactly_the_operations() {
    let operations: BTreeSet<_> = OPERATIONS.keys().cloned().collect();
    assert_eq!(headings(), operations);
}

/// A block of shell, and the statuses that the line before it promises, such as "Answers 202:".
struct Example {
    promised: Vec<String>,
    script: String,
}

fn examples() -> Vec<Example> {
    let mut examples = Vec::new();
    let mut promised = Vec::new();
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        if let Some(statuses) = line.strip_prefix("Answers ").and_then(|rest| rest.strip_suffix(':')) {
            promised = statuses.split(", then ").map(str::to_owned).collect();
        } else if line == "```sh" {
            let script: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            examples.push(Example { promised: std::mem::take(&mut promised), script: script.join("\n") });
        }
    }
    examples
}

#[test]
fn api_page_has_an_example_with_a_status_for_every_operation() {
    for section in PAGE.split("\n### ").skip(1) {
        let title = section.lines().next().unwrap();
        assert!(
            section.contains("\nAnswers ") && section.contains("\n```sh\n") && section.contains("curl "),
            "{title} has no example"
        );
    }
}

/// The setting that the examples assume: a server, a token, recordings.
async fn stage(server: &Server, folder: &Path) -> String {
    let now = tests::wait::now_secs();
    let mut given = format!("set -eu\ncd '{}'\nURL={}\nTOKEN={}\n", folder.display(), server.url, server.token);
    for (variable, recording) in [
        ("RECORDING", Recording::speech(now - 7200)),
        ("OTHER", Recording::speech(now - 3600)),
        ("SILENCE", Recording::silence(now - 1800)),
    ] {
        std::fs::write(folder.join(&recording.name), &recording.bytes).unwrap();
        given += &format!("{variable}={}\n", recording.name);
    }
    // The status of each answer goes to a file, whatever happens to its body.
    given
        + "curl() { command curl -D headers \"$@\"; sed -n 's/^HTTP[^ ]* \\([0-9]*\\).*/\\1/p' headers | tail -n 1 >>statuses; }\n"
}

#[tokio::test]
async fn every_shell_example_of_the_api_page_works() {
    let server = Setup::new().with("limits.event_stream_seconds", 1).start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut script = stage(&server, folder.path()).await;
    // All lines form one script: later ones use results of earlier ones.
    let mut promised = Vec::new();
    for example in examples() {
        script += &format!("{}\n", example.script);
        promised.extend(example.promised);
    }
    let output = shell(&script).await;
    let statuses = std::fs::read_to_string(folder.path().join("statuses")).unwrap();
    assert_eq!(statuses.lines().collect::<Vec<_>>(), promised, "{output}");
}
