//! Every source file is a part of its crate: the compiler does not see a file that no `mod` names, so its tests never run.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

/// Whether cargo compiles the file by itself: a library, a program, a test program, a benchmark or an example.
fn is_root(file: &Path) -> bool {
    let folder = file.parent().unwrap();
    let is_test_program = folder.ends_with("tests") && folder.with_file_name("Cargo.toml").exists();
    let stands_alone = ["bin", "benches", "examples"].iter().any(|name| folder.ends_with(name));
    ["lib.rs", "main.rs", "build.rs"].iter().any(|name| file.ends_with(name)) || stands_alone || is_test_program
}

/// Whether `foo/bar.rs` is declared in `foo.rs`, `foo/lib.rs` or `foo/main.rs`.
fn is_declared(file: &Path) -> bool {
    let folder = file.parent().unwrap();
    let declaration = format!("mod {};", file.file_stem().unwrap().to_str().unwrap());
    let parents = [folder.with_extension("rs"), folder.join("lib.rs"), folder.join("main.rs")];
    let declares = |source: String| source.lines().any(|line| line.trim_start_matches("pub ").ends_with(&declaration));
    parents.iter().filter_map(|parent| read_to_string(parent).ok()).any(declares)
}

fn undeclared(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !is_root(&path)
                && !is_declared(&path)
            {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn every_source_file_is_a_module_of_its_crate() {
    let root = crate::root();
    let found: Vec<_> =
        ["shared", "client", "functions", "tests"].iter().flat_map(|name| undeclared(&root.join(name))).collect();
    assert!(found.is_empty(), "no `mod` names these files, so nothing compiles them: {found:#?}");
}

#[test]
fn file_that_no_module_declares_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("src/lib.rs", "pub mod a;\n");
    write("src/a.rs", "#[cfg(test)]\nmod tests;\n");
    write("src/a/tests.rs", "");
    write("src/bin/program.rs", "");
    assert_eq!(undeclared(folder.path()), Vec::<PathBuf>::new());
    write("src/a/gone.rs", "");
    write("src/b/tests.rs", "");
    let mut found = undeclared(folder.path());
    found.sort();
    assert_eq!(found, [folder.path().join("src/a/gone.rs"), folder.path().join("src/b/tests.rs")]);
}
