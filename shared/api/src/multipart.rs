//! Reads `multipart/form-data` as it arrives. At most one body frame and one part's headers are held in memory.
//!
//! The crate `multer` (axum's `Multipart`) is not used: it goes on reading the body for as long as bytes are ready, so
//! that a fast client makes it buffer whole files, and its part headers have no bound. A request here has 512 KiB.
//!
//! Content is never copied: the content of a part is returned in slices of the frames in which it arrived.

mod content_type;
mod disposition;
mod error;
mod head;
mod input;
mod limits;
mod parameters;
mod scanner;

#[cfg(test)]
mod tests;

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;

pub use error::MultipartError;

use input::Input;
use scanner::{Scanner, Step};

/// A part as its headers describe it; the names are what the sender wrote, unchecked.
#[derive(Debug)]
pub struct Part {
    pub name: Option<String>,
    pub file_name: Option<String>,
    pub headers: HeaderMap,
}

pub struct Multipart {
    input: Input,
    scanner: Scanner,
    position: Position,
}

/// The position in the body: what comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    Preamble,
    Content,
    /// A delimiter was read; the rest of its line says whether it was the last.
    DelimiterLine,
    End,
    /// An error was returned, or a call was dropped half way: what follows could be misread.
    Broken,
}

impl Multipart {
    pub fn new(headers: &HeaderMap, body: Body) -> Result<Self, MultipartError> {
        let boundary = content_type::boundary(headers)?;
        Ok(Self { input: Input::new(body), scanner: Scanner::new(&boundary), position: Position::Preamble })
    }

    /// The next part, or `None` at the end of the body. The previous part must have been read until `chunk` returned
    /// `None`: only the caller knows how many unused bytes it is willing to read.
    pub async fn next_part(&mut self) -> Result<Option<Part>, MultipartError> {
        debug_assert!(
            self.position != Position::Content,
            "the content of a part is read to its end before the next part"
        );
        // The position stays `Broken` unless everything below succeeds.
        match std::mem::replace(&mut self.position, Position::Broken) {
            Position::Preamble => self.skip_preamble().await?,
            Position::Content => while self.content().await?.is_some() {},
            Position::DelimiterLine => {}
            Position::End => {
                self.position = Position::End;
                return Ok(None);
            }
            Position::Broken => return Err(MultipartError::BROKEN),
        }
        if self.input.rest_of_delimiter_line().await?.is_closing() {
            self.input.skip_epilogue().await?;
            self.position = Position::End;
            return Ok(None);
        }
        let headers = head::read(&mut self.input).await?;
        let (name, file_name) = disposition::names(&headers)?;
        self.scanner.after_line_break();
        self.position = Position::Content;
        Ok(Some(Part { name, file_name, headers }))
    }

    /// The next bytes of the current part, never an empty slice; `None` at its end. The call is cancel safe.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, MultipartError> {
        match self.position {
            Position::Content => {}
            Position::Preamble | Position::DelimiterLine | Position::End => return Ok(None),
            Position::Broken => return Err(MultipartError::BROKEN),
        }
        let read = self.content().await;
        match read {
            Ok(Some(_)) => {}
            Ok(None) => self.position = Position::DelimiterLine,
            Err(_) => self.position = Position::Broken,
        }
        read
    }

    async fn content(&mut self) -> Result<Option<Bytes>, MultipartError> {
        loop {
            match self.scanner.step(self.input.frame().await?) {
                Step::Content(bytes) => return Ok(Some(bytes)),
                Step::Delimiter => return Ok(None),
                Step::Undecided => {}
            }
        }
    }

    async fn skip_preamble(&mut self) -> Result<(), MultipartError> {
        let mut skipped = 0;
        // The first delimiter needs no line break before it at the start of the body.
        self.scanner.after_line_break();
        while let Some(bytes) = self.content().await? {
            skipped += bytes.len();
            if skipped > limits::PREAMBLE {
                return Err(MultipartError::Malformed("there is too much in front of the first boundary"));
            }
        }
        Ok(())
    }
}
