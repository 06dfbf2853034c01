//! The formats, their names and their media types.

use std::fmt;
use std::str::FromStr;

/// A format that a conversation can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Text to read, with local times.
    Txt,
    /// Markdown, with local times.
    Md,
    /// The fields of the API.
    Json,
    /// SubRip subtitles.
    Srt,
    /// WebVTT subtitles with the names of speakers.
    Vtt,
    /// One row for each segment.
    Csv,
}

impl Format {
    /// All formats, in the order in which they are listed to users.
    pub const ALL: [Self; 6] = [Self::Txt, Self::Md, Self::Json, Self::Srt, Self::Vtt, Self::Csv];

    /// The name of the format, which is also the extension of its files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Txt => "txt",
            Self::Md => "md",
            Self::Json => "json",
            Self::Srt => "srt",
            Self::Vtt => "vtt",
            Self::Csv => "csv",
        }
    }

    /// The value for `Content-Type`.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Txt => "text/plain; charset=utf-8",
            Self::Md => "text/markdown; charset=utf-8",
            Self::Json => "application/json",
            // It is not registered. Servers and players have settled on this name.
            Self::Srt => "application/x-subrip; charset=utf-8",
            Self::Vtt => "text/vtt; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a format; there are txt, md, json, srt, vtt and csv")]
pub struct UnknownFormat(pub String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        let found = Self::ALL.into_iter().find(|format| format.name().eq_ignore_ascii_case(text));
        found.ok_or_else(|| UnknownFormat(text.chars().take(32).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_of_a_format_is_parsed_and_an_unknown_one_lists_all() {
        for format in Format::ALL {
            assert_eq!(format.to_string().to_uppercase().parse(), Ok(format));
        }
        let error = "docx".parse::<Format>().unwrap_err().to_string();
        assert!(error.starts_with("`docx` is not a format"), "{error}");
        assert!(Format::ALL.iter().all(|format| error.contains(format.name())), "{error}");
    }
}
