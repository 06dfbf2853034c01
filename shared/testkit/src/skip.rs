//! Skipping a test visibly: a suite must say when it passes only because something was missing.

use std::fs::OpenOptions;
use std::io::Write;

/// The environment variable with the file to which every skipped test adds a line, so that a run can count them.
pub const SKIPS: &str = "AFTERWORD_SKIPS";

/// Ends the test here and prints the reason: `skip!("the model is not installed")`.
#[macro_export]
macro_rules! skip {
    ($why:expr) => {{
        fn here() {}
        $crate::skip::note($crate::skip::test_around(::std::any::type_name_of_val(&here)), &$why);
        return;
    }};
}

/// The name of the test that contains this function.
pub fn test_around(path: &str) -> &str {
    path.trim_end_matches("::here").trim_end_matches("::{{closure}}")
}

/// Prints the skip, and appends it to the file that [`SKIPS`] names.
pub fn note(test: &str, why: &dyn std::fmt::Display) {
    let line = format!("SKIPPED: {test}: {why}\n");
    eprint!("{line}");
    if let Some(path) = std::env::var_os(SKIPS) {
        // Each line is one write: tests of several processes append at once.
        let written =
            OpenOptions::new().create(true).append(true).open(&path).and_then(|mut f| f.write_all(line.as_bytes()));
        assert!(written.is_ok(), "the skips cannot be noted in {}: {written:?}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skip_names_its_test() {
        fn here() {}
        assert!(test_around(std::any::type_name_of_val(&here)).ends_with("skip::tests::skip_names_its_test"));
        assert_eq!(test_around("suite::one::{{closure}}::{{closure}}::here"), "suite::one");
    }
}
