//! The keys of the configuration: each of them works as it is declared, and the documents say what the list says.

use std::collections::BTreeSet;

use config::{Config, Key, Kind, Layers, SECTIONS, default_file, keys};

/// If this is set, the files are written instead of compared: `make defaults`.
const WRITE: &str = "AFTERWORD_WRITE_DEFAULTS";
const DEFAULT_FILE: &str = "docs/default.toml";
const REFERENCE: &str = "docs/CONFIGURATION.md";
/// Everything before the first table of the reference is written by hand.
const FIRST_TABLE: &str = "\n## server\n";
/// Keys that must not be empty while another is set.
const TOGETHER: &[&str] = &["server.tls_cert", "server.tls_key", "cloud.task_service_account", "cloud.task_audience"];

fn set(layers: Layers, key: &Key, text: &str) -> Result<Layers, String> {
    let variables = [(key.variable().into(), text.into())];
    layers.env(variables.into_iter()).map_err(|error| error.to_string())
}

fn config(layers: &Layers) -> Result<Config, String> {
    layers.config().map_err(|error| error.to_string())
}

/// A valid value that is not the default.
fn other_value(key: &Key) -> String {
    match &key.kind {
        Kind::Number(default, range, ..) | Kind::Time(default, range, ..) => {
            let next = if range.contains(&(default + 1)) { default + 1 } else { default - 1 };
            next.to_string()
        }
        Kind::Switch(default, _) => (!default).to_string(),
        Kind::Choice(default, among, _) => among.iter().find(|word| *word != default).unwrap().to_string(),
        Kind::Address(..) => "127.0.0.1:1".to_owned(),
        Kind::LogFilter(..) => "warn".to_owned(),
        Kind::Text(..) | Kind::Path(_) => "another".to_owned(),
        Kind::Url(_) | Kind::Origins(_) => "https://another.example".to_owned(),
        Kind::Secret(_) => "0123456789abcdef0123456789abcdef".to_owned(),
    }
}

/// Values that the key must refuse. A text may be anything.
fn wrong_values(key: &Key) -> Vec<String> {
    match &key.kind {
        Kind::Number(_, range, ..) | Kind::Time(_, range, ..) => {
            let around = [i128::from(*range.start()) - 1, i128::from(*range.end()) + 1];
            around.iter().map(i128::to_string).chain(["many".to_owned(), "1.5".to_owned(), String::new()]).collect()
        }
        Kind::Text(..) | Kind::Path(_) | Kind::Secret(_) => Vec::new(),
        _ => vec!["no such value".to_owned()],
    }
}

#[test]
fn every_key_belongs_to_its_section_and_has_a_comment_and_a_variable_of_its_own() {
    let (mut names, mut variables) = (BTreeSet::new(), BTreeSet::new());
    for section in SECTIONS {
        for key in section.keys {
            assert_eq!(key.name, format!("{}.{}", section.name, key.short_name()));
            let by_rule = format!("AFTERWORD_{}_{}", section.name.replace('.', "_"), key.short_name()).to_uppercase();
            assert_eq!(key.variable(), by_rule);
            assert!(key.comment.ends_with('.'), "{}: `{}` is no sentence", key.name, key.comment);
            assert!(names.insert(key.name) && variables.insert(key.variable()), "{} is declared twice", key.name);
        }
    }
    assert!(names.len() > 90, "only {} keys are found", names.len());
}

/// Every key is left out in turn while all others have other values: a key that sets the field of another key is noticed too.
#[test]
fn every_key_changes_a_setting_of_its_own() {
    let changed = |left_out: &str| {
        let others = keys().filter(|key| key.name != left_out);
        let variables = others.map(|key| (key.variable().into(), other_value(key).into()));
        Layers::default().env(variables).unwrap()
    };
    let all = format!("{:?}", config(&changed("")).unwrap());
    for key in keys() {
        let without = changed(key.name);
        let without = if TOGETHER.contains(&key.name) { set(without, key, "one").unwrap() } else { without };
        let without = config(&without).unwrap_or_else(|error| panic!("{}: {error}", key.name));
        assert_ne!(format!("{without:?}"), all, "{} changes no setting", key.name);
    }
}

#[test]
fn default_of_every_number_is_within_its_range() {
    for key in keys() {
        if let Kind::Number(default, range, ..) | Kind::Time(default, range, ..) = &key.kind {
            assert!(range.contains(default), "{}: {default} is not within {range:?}", key.name);
        }
    }
}

#[test]
fn default_can_be_written_into_the_variable_of_its_key() {
    let defaults = format!("{:?}", config(&Layers::default()).unwrap());
    for key in keys() {
        let Some(default) = key.default() else { continue };
        let text = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
        let text = if matches!(key.kind, Kind::Origins(_)) { String::new() } else { text };
        let layers = set(Layers::default(), key, &text).unwrap();
        assert_eq!(format!("{:?}", config(&layers).unwrap()), defaults, "{}", key.name);
        assert_eq!(layers.origin(key.name).to_string(), key.variable());
    }
}

#[test]
fn value_out_of_range_is_refused_with_the_names_of_key_and_variable() {
    let mut refused = 0;
    for key in keys() {
        for text in wrong_values(key) {
            let error = set(Layers::default(), key, &text).and_then(|layers| config(&layers));
            let error = error.err().unwrap_or_else(|| panic!("{} may be `{text}`", key.name));
            let named = format!("configuration: {}: {} must ", key.variable(), key.name);
            assert!(error.starts_with(&named) && error.lines().count() == 1, "{error}");
            refused += 1;
        }
    }
    assert!(refused > 200, "only {refused} values were tried");
}

#[test]
fn choices_are_those_of_the_speech_engines() {
    let choices = |name: &str| match &config::key(name).unwrap().kind {
        Kind::Choice(_, among, _) => among.iter().copied().collect::<BTreeSet<_>>(),
        kind => panic!("{name} is no choice: {kind:?}"),
    };
    let engines = speech::KNOWN.iter().copied().chain(["auto", "whisper"]).collect();
    assert_eq!(choices("engine.name"), engines);
    let error = speech::Arithmetic::named("abacus").unwrap_err().to_string();
    let (arithmetics, _) = error.split_once("expected ").unwrap().1.split_once(';').unwrap();
    assert_eq!(choices("engine.arithmetic"), arithmetics.split(", ").collect());
}

/// Compares a checked-in file with what the code says, or writes it.
fn assert_checked_in(path: &str, text: &str) {
    let file = crate::root().join(path);
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&file, text).unwrap();
    }
    let checked_in = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(checked_in == text, "{path} is not what the code says any more: run `make defaults`");
}

#[test]
fn checked_in_defaults_equal_the_list_of_keys() {
    assert_checked_in(DEFAULT_FILE, &default_file());
    let reference = std::fs::read_to_string(crate::root().join(REFERENCE)).unwrap();
    let (by_hand, _) = reference.split_once(FIRST_TABLE).expect("the reference has a table for [server]");
    assert_checked_in(REFERENCE, &format!("{by_hand}{}", tables()));
}

#[test]
fn error_that_the_reference_shows_is_what_the_program_says() {
    let key = config::key("jobs.lease_seconds").unwrap();
    let error = config(&set(Layers::default(), key, "0").unwrap()).unwrap_err();
    let reference = std::fs::read_to_string(crate::root().join(REFERENCE)).unwrap();
    assert!(reference.contains(&format!("\nafterword: {error}\n")), "{REFERENCE} does not show: {error}");
}

/// A table for each section.
fn tables() -> String {
    let mut text = String::new();
    for section in SECTIONS {
        text += &format!("\n## {}\n\n", section.name);
        if !section.comment.is_empty() {
            text += &format!("{}\n\n", section.comment);
        }
        text += "| key | default | allowed | what it does |\n|---|---|---|---|\n";
        for key in section.keys {
            let default = key.default().map_or_else(|| "not set".to_owned(), |value| format!("`{value}`"));
            let allowed = Some(key.range()).filter(|range| !range.is_empty()).unwrap_or_else(|| key.allowed());
            text += &format!("| `{}` | {default} | {allowed} | {} |\n", key.short_name(), key.comment);
        }
    }
    text
}

/// The texts in backquotes that look like a key or a variable of ours.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    let is_name = |name: &&str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._".contains(&b));
    quoted.filter(is_name)
}

#[test]
fn documents_name_only_keys_and_variables_that_exist_and_their_true_defaults() {
    let of_a_section = |name: &str, dot: char| {
        let mut sections = SECTIONS.iter().map(|section| section.name.replace('.', &dot.to_string()));
        sections.any(|section| name.strip_prefix(&section).is_some_and(|rest| rest.starts_with(dot)))
    };
    let (mut found, mut wrong) = (0, Vec::new());
    for document in crate::documents::documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for name in names(&text) {
            let variable = name.strip_prefix("AFTERWORD_").map(str::to_lowercase);
            let is_key = match &variable {
                Some(rest) if of_a_section(rest, '_') => keys().any(|key| key.variable() == name),
                None if of_a_section(name, '.') && !NO_KEYS.contains(&name) => config::key(name).is_some(),
                _ => continue,
            };
            found += 1;
            if !is_key {
                wrong.push(format!("{} names `{name}`, which is no key", document.display()));
            }
        }
        for (key, stated) in stated_defaults(&text) {
            found += 1;
            if key.default().is_none_or(|default| default.to_string() != stated) {
                wrong.push(format!("{} says that {} is {stated} by default", document.display(), key.name));
            }
        }
    }
    assert!(found >= 20, "only {found} names are found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Names of files that look like a key.
const NO_KEYS: &[&str] = &["queue.db", "push.log"];

/// Statements like `limits.max_files`, by default 20.
fn stated_defaults(text: &str) -> Vec<(&'static Key, String)> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut stated = Vec::new();
    for key in keys() {
        for (at, found) in text.match_indices(&format!("`{}`", key.name)) {
            let after = &text[at + found.len()..];
            let number =
                [", by default ", " (default ", ", default "].iter().find_map(|words| after.strip_prefix(words));
            if let Some(number) = number {
                stated.push((key, number.chars().take_while(char::is_ascii_digit).collect()));
            }
        }
    }
    stated
}
