//! Snapshots of what a user sees. `AFTERWORD_WRITE_SNAPSHOTS=1` writes them anew; look at the difference before a
//! commit.

use std::path::{Path, PathBuf};

const WRITE: &str = "AFTERWORD_WRITE_SNAPSHOTS";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/seen")
}

/// Compares a text with the snapshot of this name, after ids, times, ports and paths were replaced: they differ in
/// each run.
#[track_caller]
pub fn assert_seen(name: &str, text: &str) {
    let (path, text) = (folder().join(format!("{name}.txt")), steady(text));
    if std::env::var_os(WRITE).is_some() {
        std::fs::create_dir_all(folder()).unwrap();
        std::fs::write(&path, text).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{} differs; {WRITE}=1 writes it anew", path.display());
}

/// The text with the same number of characters, as it is in every run.
fn steady(text: &str) -> String {
    let mut steady: Vec<char> = text.chars().collect();
    for (shape, replaced) in SHAPES {
        let shape: Vec<char> = shape.chars().collect();
        let mut at = 0;
        while at + shape.len() <= steady.len() {
            let fits = steady[at..].iter().zip(&shape).all(|(c, shape)| fits(*c, *shape));
            let is_part = |c: Option<&char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
            let before = at.checked_sub(1).and_then(|before| steady.get(before));
            if fits && !is_part(before) && !is_part(steady.get(at + shape.len())) {
                steady.splice(at..at + shape.len(), replaced.chars());
                at += replaced.chars().count();
            } else {
                at += 1;
            }
        }
    }
    steady.into_iter().collect()
}

/// In a shape, `h` is a hexadecimal digit and `d` a decimal one.
const SHAPES: [(&str, &str); 8] = [
    ("hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh", "8f0c6a3e-0000-4000-8000-000000000000"),
    ("hhhhhhhh", "8f0c6a3e"),
    ("dddd-dd-dd", "2026-11-20"),
    ("dd:dd:dd", "10:00:00"),
    ("dd:dd", "10:00"),
    ("d min dd s", "9 min 59 s"),
    ("dd min d s", "9 min 59 s"),
    ("127.0.0.1:ddddd", "127.0.0.1:40000"),
];

fn fits(c: char, shape: char) -> bool {
    match shape {
        'h' => c.is_ascii_hexdigit(),
        'd' => c.is_ascii_digit(),
        other => c == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_in_each_run_is_replaced_by_as_many_characters() {
        let text = "job 12ab34cd-1234-4abc-8def-0123456789ab at 2025-01-02 03:04 from http://127.0.0.1:54321/x";
        let wanted = "job 8f0c6a3e-0000-4000-8000-000000000000 at 2026-11-20 10:00 from http://127.0.0.1:40000/x";
        assert_eq!(steady(text), wanted);
    }
}
