//! Where a command prints: how wide it is, and whether it shows colours.

use std::env;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

/// The width of a terminal that does not tell it.
const USUAL_WIDTH: usize = 80;
/// Nothing fits a narrower terminal anyway.
const LEAST_WIDTH: usize = 20;

/// The standard output, or the standard error, of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// The number of columns; `None` for a file or a pipe, where lines have any length.
    pub width: Option<usize>,
    pub has_colours: bool,
}

/// What a text is, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Normal,
    Heading,
    Faint,
    Good,
    Warning,
    Bad,
}

impl Screen {
    /// A file or a pipe.
    pub const FILE: Self = Self { width: None, has_colours: false };

    /// The standard output of this process.
    pub fn of_stdout() -> Self {
        Self::of(&io::stdout())
    }

    /// The standard error of this process.
    pub fn of_stderr() -> Self {
        Self::of(&io::stderr())
    }

    fn of(output: &(impl IsTerminal + AsFd)) -> Self {
        if !output.is_terminal() {
            return Self::FILE;
        }
        let told = rustix::termios::tcgetwinsize(output).ok().map(|size| usize::from(size.ws_col));
        let by_shell = || env::var("COLUMNS").ok()?.parse().ok();
        let width = told.filter(|width| *width > 0).or_else(by_shell).unwrap_or(USUAL_WIDTH);
        let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self { width: Some(width.max(LEAST_WIDTH)), has_colours: !is_set("NO_COLOR") && !is_dumb }
    }

    /// The text in the colour of its style, where there are colours.
    pub fn styled(self, style: Style, text: &str) -> String {
        let code = match style {
            _ if !self.has_colours || text.is_empty() => return text.to_owned(),
            Style::Normal => return text.to_owned(),
            Style::Heading => "1",
            Style::Faint => "2",
            Style::Good => "32",
            Style::Warning => "33",
            Style::Bad => "31",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_only_where_the_screen_has_them() {
        let colourful = Screen { width: Some(80), has_colours: true };
        assert_eq!(colourful.styled(Style::Bad, "failed"), "\u{1b}[31mfailed\u{1b}[0m");
        assert_eq!(colourful.styled(Style::Normal, "text"), "text");
        assert_eq!(Screen::FILE.styled(Style::Bad, "failed"), "failed");
    }
}
