//! The errors for names that are no key: they name the nearest key, or all keys of the section.

use crate::key::{ENV_PREFIX, Key};
use crate::keys::{SECTIONS, Section, keys};

/// A name with more differences is not taken for a misspelled key.
const MOST_DIFFERENCES: usize = 3;

pub fn section(name: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.name == name)
}

/// The error for a key of a file.
pub fn key_error(name: &str) -> String {
    let (of, _) = name.rsplit_once('.').unwrap_or_default();
    let Some(section) = section(of) else { return section_error(of) };
    match nearest(name) {
        Some(key) => format!("there is no key `{name}`; did you mean `{}`?", key.name),
        None => format!("there is no key `{name}`; there are {}", names(section)),
    }
}

/// The error for a section of a file.
pub fn section_error(name: &str) -> String {
    let distance = |section: &&Section| strsim::levenshtein(section.name, name);
    match SECTIONS.iter().min_by_key(distance).filter(|near| distance(near) <= 2) {
        Some(near) => format!("there is no section [{name}]; did you mean [{}]?", near.name),
        None => {
            let names: Vec<_> = SECTIONS.iter().map(|section| section.name).collect();
            format!("there is no section [{name}]; there are {}", names.join(", "))
        }
    }
}

/// The error for an environment variable that is meant for us: it begins like those of a section, or is nearly the name of
/// one of ours. `None` for any other variable. The innermost section counts: AFTERWORD_ENGINE_HTTP_ADDRESS belongs to
/// `engine.http`.
pub fn variable_error(variable: &str) -> Option<String> {
    let rest = variable.strip_prefix(ENV_PREFIX)?.to_ascii_lowercase();
    let key_in = |section: &'static Section| {
        let key = rest.strip_prefix(&section.name.replace('.', "_"))?.strip_prefix('_')?;
        Some((section, format!("{}.{key}", section.name)))
    };
    let Some((section, name)) = SECTIONS.iter().filter_map(key_in).max_by_key(|(section, _)| section.name.len()) else {
        let distance = |key: &&Key| strsim::levenshtein(&key.variable(), variable);
        let near = keys().min_by_key(distance).filter(|key| distance(key) <= 2)?;
        return Some(format!("there is no such key; did you mean {}?", near.variable()));
    };
    Some(match nearest(&name) {
        Some(key) => format!("there is no key `{name}`; did you mean {}?", key.variable()),
        None => format!("there is no key `{name}`; there are {}", names(section)),
    })
}

fn names(section: &Section) -> String {
    section.keys.iter().map(|key| key.name).collect::<Vec<_>>().join(", ")
}

/// The key that was probably meant: one with few differences, or the same name in another section.
fn nearest(name: &str) -> Option<&'static Key> {
    let short = name.rsplit('.').next().unwrap_or(name);
    let distance = |key: &&Key| {
        let differences = strsim::levenshtein(key.name, name);
        if key.short_name() == short { differences.min(MOST_DIFFERENCES) } else { differences }
    };
    keys().min_by_key(distance).filter(|key| distance(key) <= MOST_DIFFERENCES)
}
