//! The pages of `docs/errors`: one for each code, and each agrees with the code.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Blame, Code};

/// Names that shipped clients know: the page of the code mentions them, and their page refers to the code.
const ALIASES: &[(&str, Code)] =
    &[("sync_invalid_audio", Code::InvalidAudio), ("backfill_lookback_exceeded", Code::RecordingTooOld)];

const LIST: &str = "README";
/// Short enough for a reader in a hurry.
const MAX_LINES: usize = 40;

/// The text of each page, by name.
fn pages() -> BTreeMap<String, String> {
    let folder = crate::root().join("docs/errors");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &std::path::Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let mut pages: BTreeMap<_, _> = entries.map(|path| (name(&path), std::fs::read_to_string(path).unwrap())).collect();
    assert!(pages.remove(LIST).is_some(), "docs/errors/{LIST}.md is missing");
    pages
}

fn code(name: &str) -> Option<Code> {
    name.parse().ok()
}

fn alias(name: &str) -> Option<Code> {
    ALIASES.iter().find(|(alias, _)| *alias == name).map(|(_, code)| *code)
}

/// The value of a line such as `- Status: 404`.
fn line<'t>(text: &'t str, what: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix("- ")?.strip_prefix(what)?.strip_prefix(": "))
}

fn status_line(status: u16) -> String {
    if status == 0 { "carried by files and jobs, not by answers".to_owned() } else { status.to_string() }
}

fn blame(code: Code) -> &'static str {
    match code.blame() {
        Blame::Content => "content",
        Blame::Limit => "limit",
        Blame::Service => "service",
    }
}

/// The statements of a page that differ from its code.
fn wrong(code: Code, text: &str) -> Vec<String> {
    let status = code.status();
    let retryable = if code.retryable() { "yes" } else { "no" };
    let mut expected = vec![("Status", status_line(status)), ("Title", code.title().to_owned())];
    // The fault matters where files and jobs carry the code, and must be right wherever it is stated.
    if code.status() == 0 || line(text, "Blame").is_some() {
        expected.extend([("Blame", blame(code).to_owned()), ("Retryable", retryable.to_owned())]);
    }
    let lines = expected.into_iter().filter(|(what, right)| line(text, what) != Some(right));
    let mut wrong: Vec<_> = lines.map(|(what, right)| format!("{code}: `- {what}: {right}` is missing")).collect();
    for part in ["## What happened", "## What to do", "## Example"] {
        if !text.lines().any(|line| line == part) {
            wrong.push(format!("{code}: `{part}` is missing"));
        }
    }
    wrong
}

#[test]
fn every_code_has_a_page_that_agrees_with_it() {
    let pages = pages();
    let wrong: Vec<_> = Code::ALL
        .iter()
        .flat_map(|code| match pages.get(code.as_str()) {
            Some(text) => wrong(*code, text),
            None => vec![format!("docs/errors/{code}.md is missing (and its line in shared/edge/src/error_pages.rs)")],
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_page_belongs_to_a_code_and_is_short() {
    for (name, text) in pages() {
        assert!(text.starts_with(&format!("# {name}\n\n- ")), "{name}: its first line is its name");
        assert!(text.lines().count() <= MAX_LINES, "{name} is longer than {MAX_LINES} lines");
        match alias(&name) {
            Some(code) => assert_eq!(line(&text, "Another name of"), Some(&*format!("[{code}]({code}.md)"))),
            None => assert!(code(&name).is_some(), "{name} is no code"),
        }
    }
}

#[test]
fn aliases_are_named_on_the_page_of_their_code() {
    let pages = pages();
    for (alias, code) in ALIASES {
        assert!(pages[code.as_str()].contains(&format!("`{alias}`")), "the page of {code} does not mention {alias}");
    }
}

#[test]
fn list_contains_every_page_under_its_status() {
    let text = std::fs::read_to_string(crate::root().join("docs/errors").join(format!("{LIST}.md"))).unwrap();
    let mut under: BTreeMap<&str, &str> = BTreeMap::new();
    let mut heading = "";
    for line in text.lines() {
        heading = line.strip_prefix("## ").unwrap_or(heading);
        let link = line.strip_prefix("- [").and_then(|rest| rest.split_once("]("));
        if let Some((name, rest)) = link {
            assert!(rest.starts_with(&format!("{name}.md): ")), "{line}");
            assert_eq!(under.insert(name, heading), None, "{name} is listed twice");
        }
    }
    let (listed, there): (BTreeSet<_>, BTreeSet<_>) =
        (under.keys().map(|name| (*name).to_owned()).collect(), pages().into_keys().collect());
    assert_eq!(listed, there);
    for code in Code::ALL {
        let status = match code.status() {
            0 => "Carried by files and jobs".to_owned(),
            status => status.to_string(),
        };
        assert_eq!(under[code.as_str()], status, "{code}");
        assert!(text.contains(&format!("- [{code}]({code}.md): {}\n", code.title())), "{code}");
    }
}

/// The values of `"code": "…"` and the names in links to pages.
fn named(text: &str) -> BTreeSet<&str> {
    let values =
        text.split("\"code\":").skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
    let links = text.split("/errors/").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    });
    values.chain(links).filter(|name| !name.is_empty()).collect()
}

#[test]
fn every_code_named_in_documents_exists() {
    let mut seen = 0;
    for document in crate::documents::documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for name in named(&text) {
            seen += 1;
            let known = code(name).is_some() || alias(name).is_some();
            assert!(known, "{} names the unknown code {name}", document.display());
        }
    }
    assert!(seen >= Code::ALL.len(), "only {seen} codes are found: the parser is wrong");
}

#[test]
fn page_that_differs_from_its_code_is_noticed() {
    let text = "# job_not_found\n\n- Status: 410\n- Title: No such job\n- Blame: content\n## Example\n";
    let wrong = wrong(Code::JobNotFound, text);
    assert_eq!(wrong.len(), 5, "{wrong:?}");
    assert_eq!(
        named("\"code\": \"one\" see /errors/two/ and \"code\":\"three\""),
        BTreeSet::from(["one", "three", "two"])
    );
}
