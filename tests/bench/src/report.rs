//! Prints figures as they are measured, and all of them at the end as a table for the documentation.

use std::fmt::Display;

pub struct Report {
    lines: Vec<(String, String)>,
}

impl Report {
    pub fn begin() -> Self {
        Self { lines: Vec::new() }
    }

    pub fn line(&mut self, what: impl Display, figure: impl Display) {
        println!("{what}: {figure}");
        self.lines.push((what.to_string(), figure.to_string()));
    }

    pub fn end(&self) {
        println!("\n| what | figure |\n|---|---|");
        for (what, figure) in &self.lines {
            println!("| {what} | {figure} |");
        }
    }
}
