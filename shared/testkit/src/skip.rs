//! Leaving a test out loudly: a suite that is green because something was missing must say so.

use std::fs::OpenOptions;
use std::io::Write;

/// Names a file to which every skipped test adds a line, so that a run can count them.
pub const SKIPS: &str = "AFTERWORD_SKIPS";

/// Ends the test here, and says why: `skip!("the model is not installed")`.
#[macro_export]
macro_rules! skip {
    ($why:expr) => {{
        fn here() {}
        $crate::skip::note($crate::skip::test_around(::std::any::type_name_of_val(&here)), &$why);
        return;
    }};
}

/// The test that a function written in its body belongs to.
pub fn test_around(path: &str) -> &str {
    path.trim_end_matches("::here").trim_end_matches("::{{closure}}")
}

/// Prints the skip, and appends it to the file that [`SKIPS`] names.
pub fn note(test: &str, why: &dyn std::fmt::Display) {
    let line = format!("SKIPPED: {test}: {why}\n");
    eprint!("{line}");
    if let Some(path) = std::env::var_os(SKIPS) {
        // One write of a whole line: tests of several processes append at once.
        let written =
            OpenOptions::new().create(true).append(true).open(&path).and_then(|mut f| f.write_all(line.as_bytes()));
        assert!(written.is_ok(), "the skips cannot be noted in {}: {written:?}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skip_names_its_test() {
        fn here() {}
        assert!(test_around(std::any::type_name_of_val(&here)).ends_with("skip::tests::a_skip_names_its_test"));
        assert_eq!(test_around("suite::one::{{closure}}::{{closure}}::here"), "suite::one");
    }
}
