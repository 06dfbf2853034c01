//! Writes the configuration as a file: the defaults with their comments, and the effective values with their origins.

use std::fmt::Write;

use crate::key::Key;
use crate::keys::SECTIONS;
use crate::layers::{Layers, Origin};

const HEADING: &str = "The whole configuration of Afterword with its defaults. Each key can be set in a file that --config \
                       names, or by an environment variable: `jobs.lease_seconds` is AFTERWORD_JOBS_LEASE_SECONDS. The \
                       environment wins over the file.";
/// The longest line of a comment.
const WIDTH: usize = 120;

/// Every key with its comment, its range and its default. A key without a default is commented out.
pub fn default_file() -> String {
    let mut file = comment(HEADING);
    for section in SECTIONS {
        let _ = write!(file, "\n{}[{}]\n", comment(section.comment), section.name);
        for key in section.keys {
            let range = Some(key.range()).filter(|range| !range.is_empty()).map(|range| format!(" ({range})"));
            file.push_str(&comment(&format!("{}{}", key.comment, range.unwrap_or_default())));
            let _ = match key.default() {
                Some(value) => writeln!(file, "{} = {value}", key.short_name()),
                None => writeln!(file, "# {} = \"\"", key.short_name()),
            };
        }
    }
    file
}

impl Layers {
    /// The effective configuration as a file. Secrets are masked, and values that are not defaults carry their origin.
    pub fn show(&self) -> String {
        let sections = SECTIONS.iter().map(|section| {
            let keys: String = section.keys.iter().map(|key| self.line(key)).collect();
            format!("[{}]\n{keys}", section.name)
        });
        sections.collect::<Vec<_>>().join("\n")
    }

    fn line(&self, key: &Key) -> String {
        let name = key.short_name();
        match (self.shown(key), self.origin(key.name)) {
            (None, _) => format!("# {name} is not set\n"),
            (Some(value), Origin::Default) => format!("{name} = {value}\n"),
            (Some(value), origin) => format!("{name} = {value}  # from {origin}\n"),
        }
    }
}

/// Breaks a text into lines that begin with `#`.
fn comment(text: &str) -> String {
    let (mut lines, mut line) = (String::new(), "#".to_owned());
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            lines.push_str(&line);
            lines.push('\n');
            "#".clone_into(&mut line);
        }
        line.push(' ');
        line.push_str(word);
    }
    if line != "#" {
        lines.push_str(&line);
        lines.push('\n');
    }
    lines
}
