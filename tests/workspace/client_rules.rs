//! Each rule of the device engine has a test that is named after it.

use std::collections::BTreeSet;
use std::path::Path;

/// The rules are numbered from 1.
const RULES: u32 = 43;

/// The numbers of the rules that a test in this source names: `fn r07_…`.
fn tested(source: &str) -> impl Iterator<Item = u32> {
    source.lines().filter_map(|line| {
        let (number, behaviour) = line.trim().strip_prefix("fn r")?.split_once('_')?;
        (number.len() == 2 && behaviour.starts_with(|first: char| first.is_ascii_lowercase()))
            .then(|| number.parse().ok())?
    })
}

fn collect(folder: &Path, found: &mut BTreeSet<u32>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.extend(tested(&std::fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn every_rule_of_the_device_engine_has_a_test_with_its_number() {
    let mut found = BTreeSet::new();
    collect(&crate::root().join("client"), &mut found);
    let missing: Vec<_> = (1..=RULES).filter(|rule| !found.contains(rule)).collect();
    assert!(missing.is_empty(), "no test is named after the rules {missing:?}");
    let unknown: Vec<_> = found.iter().filter(|rule| !(1..=RULES).contains(*rule)).collect();
    assert!(unknown.is_empty(), "there are no rules {unknown:?}");
}

#[test]
fn only_functions_with_a_number_of_two_digits_are_tests_of_rules() {
    let source = "fn r07_a() {}\n    fn r43_b() {\nfn r7_c()\nfn rest_d()\nfn r12_()\n// fn r11_e\n";
    assert_eq!(tested(source).collect::<Vec<_>>(), [7, 43]);
}
