//! The Makefile selects tests by the beginnings of their names. A name that no longer exists would select no test, and make
//! would still succeed.

use std::path::Path;

fn has_function(folder: &Path, beginning: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return has_function(&path, beginning);
        }
        let is_source = path.extension().is_some_and(|extension| extension == "rs");
        is_source && std::fs::read_to_string(&path).unwrap().contains(&format!("fn {beginning}"))
    })
}

#[test]
fn every_test_that_the_makefile_picks_exists() {
    let makefile = std::fs::read_to_string(crate::root().join("Makefile")).unwrap();
    let mut picked = Vec::new();
    for line in makefile.lines().filter(|line| line.contains("$(CARGO) test")) {
        let names = line.split_once("--nocapture ").or_else(|| line.split_once("--test workspace ")).unwrap().1;
        picked.extend(names.split_whitespace().map(|name| name.rsplit("::").next().unwrap().to_owned()));
    }
    assert!(picked.len() >= 4, "the Makefile is not read right: {picked:?}");
    for name in picked {
        let found = ["shared", "tests"].iter().any(|folder| has_function(&crate::root().join(folder), &name));
        assert!(found, "the Makefile picks tests whose name begins with `{name}`, and there is none");
    }
}
