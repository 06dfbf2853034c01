//! Figures that a suite reports besides its success; they are printed at the end of a run.

use std::io::Write;

/// The environment variable with the file that `scripts/test` prints at the end.
const FIGURES: &str = "AFTERWORD_FIGURES";

pub fn report_figure(figure: &str) {
    eprintln!("{figure}");
    if let Some(path) = std::env::var_os(FIGURES) {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        // Each line is one write, because suites run concurrently.
        file.write_all(format!("{figure}\n").as_bytes()).unwrap();
    }
}
