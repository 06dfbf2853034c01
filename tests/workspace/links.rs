//! Every relative link in a document leads to a file, and to a heading of it if the link names one.

use std::path::{Path, PathBuf};

use crate::documents::documents;

/// The README, every page below `docs`, and the pages beside the README and in `examples`.
fn pages() -> Vec<PathBuf> {
    let mut pages = documents();
    for folder in [crate::root(), crate::root().join("examples")] {
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        pages.extend(files.filter(|path| path.extension().is_some_and(|kind| kind == "md")));
    }
    pages.sort();
    pages.dedup();
    pages
}

/// The text without code blocks, in which brackets mean something else.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// The targets of links in a text, such as `API.md#jobs`, but not addresses of other servers.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:")).collect()
}

/// The name by which a link refers to a heading: in lower case, without punctuation, with hyphens for spaces.
fn anchor(heading: &str) -> String {
    let is_kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
    heading.trim_start_matches('#').trim().to_lowercase().chars().filter(is_kept).collect::<String>().replace(' ', "-")
}

/// Why a link of this page leads nowhere.
fn broken(page: &Path, link: &str) -> Option<String> {
    let (file, heading) = link.split_once('#').map_or((link, None), |(file, heading)| (file, Some(heading)));
    let target = if file.is_empty() { page.to_owned() } else { page.parent().unwrap().join(file) };
    let shown = page.strip_prefix(crate::root()).unwrap().display();
    if !target.exists() {
        return Some(format!("{shown} links to {link}, which is not there"));
    }
    let heading = heading?;
    let text = prose(&std::fs::read_to_string(target).unwrap());
    let found = text.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == heading);
    (!found).then(|| format!("{shown} links to {link}, which has no such heading"))
}

#[test]
fn every_relative_link_in_documents_leads_to_a_file_and_a_heading() {
    let broken_on = |page: &PathBuf| {
        let text = prose(&std::fs::read_to_string(page).unwrap());
        links(&text).into_iter().filter_map(|link| broken(page, link)).collect::<Vec<_>>()
    };
    let all: Vec<_> = pages().iter().flat_map(broken_on).collect();
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn a_link_is_found_and_a_broken_one_is_noticed() {
    let text = "See [a](b.md#c-d), [e](https://f.example) and [g](h.rs).\n```\n[i](j.md)\n```\n";
    assert_eq!(links(&prose(text)), ["b.md#c-d", "h.rs"]);
    assert_eq!(anchor("## How it is `done`, and why"), "how-it-is-done-and-why");
    let readme = crate::root().join("README.md");
    assert_eq!(broken(&readme, "docs/API.md"), None);
    assert!(broken(&readme, "docs/none.md").is_some() && broken(&readme, "docs/API.md#none").is_some());
}
