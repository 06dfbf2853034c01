//! Reads `multipart/form-data` as it arrives, holding no more of it than one body frame and one part's headers.
//!
//! Not the crate `multer` (axum's `Multipart`): it goes on reading the body for as long as bytes are ready, so that a
//! fast client makes it buffer whole files, and its part headers have no bound. A request here has 512 KiB.
//!
//! Content is never copied: what a client sees as one part comes out in slices of the frames that it arrived in.

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

/// A part as its headers tell it; the names are the sender's words, unchecked.
#[derive(Debug)]
pub struct Part {
    pub name: Option<String>,
    pub file_name: Option<String>,
    pub headers: HeaderMap,
}

pub struct Multipart {
    input: Input,
    scanner: Scanner,
    place: Place,
}

/// What comes next in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Preamble,
    Content,
    /// A delimiter was read; the rest of its line tells whether it was the last.
    DelimiterLine,
    End,
    /// An error was returned, or a call was dropped half way: whatever followed could be misread.
    Broken,
}

impl Multipart {
    pub fn new(headers: &HeaderMap, body: Body) -> Result<Self, MultipartError> {
        let boundary = content_type::boundary(headers)?;
        Ok(Self { input: Input::new(body), scanner: Scanner::new(&boundary), place: Place::Preamble })
    }

    /// The next part, or `None` when the body is over. The part before must have been read until `chunk` gave `None`:
    /// only the caller knows how much it is willing to read for nothing.
    pub async fn next_part(&mut self) -> Result<Option<Part>, MultipartError> {
        debug_assert!(self.place != Place::Content, "the content of a part is read to its end before the next part");
        // It stays broken unless all of this succeeds.
        match std::mem::replace(&mut self.place, Place::Broken) {
            Place::Preamble => self.skip_preamble().await?,
            Place::Content => while self.content().await?.is_some() {},
            Place::DelimiterLine => {}
            Place::End => {
                self.place = Place::End;
                return Ok(None);
            }
            Place::Broken => return Err(MultipartError::BROKEN),
        }
        if self.input.rest_of_delimiter_line().await?.is_closing() {
            self.input.skip_epilogue().await?;
            self.place = Place::End;
            return Ok(None);
        }
        let headers = head::read(&mut self.input).await?;
        let (name, file_name) = disposition::names(&headers)?;
        self.scanner.after_line_break();
        self.place = Place::Content;
        Ok(Some(Part { name, file_name, headers }))
    }

    /// The next bytes of the current part, never an empty slice; `None` at its end. May be dropped while it waits.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, MultipartError> {
        match self.place {
            Place::Content => {}
            Place::Preamble | Place::DelimiterLine | Place::End => return Ok(None),
            Place::Broken => return Err(MultipartError::BROKEN),
        }
        let read = self.content().await;
        match read {
            Ok(Some(_)) => {}
            Ok(None) => self.place = Place::DelimiterLine,
            Err(_) => self.place = Place::Broken,
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
        // The first delimiter needs no line break when it is the first thing in the body.
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
