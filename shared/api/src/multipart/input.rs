//! Reads the body as frames, one at a time: the next one only when the last is used up.

use axum::body::{Body, BodyDataStream};
use bytes::{Buf, Bytes};
use futures_util::StreamExt;

use super::error::MultipartError;
use super::limits;

/// RFC 2046 takes any line that begins with the boundary for a boundary. No client sends such a line on purpose: it
/// would be content that is cut in two, so it is refused.
const LINE: MultipartError = MultipartError::Malformed("a boundary is followed by something else on its line");

pub(super) struct Input {
    body: BodyDataStream,
    frame: Bytes,
}

/// The kind of a delimiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delimiter {
    Opening,
    Closing,
}

impl Delimiter {
    pub(super) fn is_closing(self) -> bool {
        self == Self::Closing
    }
}

impl Input {
    pub(super) fn new(body: Body) -> Self {
        Self { body: body.into_data_stream(), frame: Bytes::new() }
    }

    /// The bytes that have arrived and are not used yet, never empty. The caller takes from the front.
    pub(super) async fn frame(&mut self) -> Result<&mut Bytes, MultipartError> {
        if self.is_over().await? { Err(MultipartError::TRUNCATED) } else { Ok(&mut self.frame) }
    }

    async fn is_over(&mut self) -> Result<bool, MultipartError> {
        while self.frame.is_empty() {
            // An empty slice still holds the memory of its frame, and two frames must not be held during the wait.
            self.frame = Bytes::new();
            match self.body.next().await {
                Some(frame) => self.frame = frame.map_err(MultipartError::Body)?,
                None => return Ok(true),
            }
        }
        Ok(false)
    }

    /// The next line with its line feed; `None` if it has more than `most` bytes.
    pub(super) async fn line(&mut self, most: usize) -> Result<Option<Vec<u8>>, MultipartError> {
        let mut line = Vec::new();
        loop {
            let frame = self.frame().await?;
            let end = memchr::memchr(b'\n', frame).map(|at| at + 1);
            let length = end.unwrap_or(frame.len());
            if line.len() + length > most {
                return Ok(None);
            }
            line.extend_from_slice(&frame[..length]);
            frame.advance(length);
            if end.is_some() {
                return Ok(Some(line));
            }
        }
    }

    pub(super) async fn rest_of_delimiter_line(&mut self) -> Result<Delimiter, MultipartError> {
        let mut byte = self.byte().await?;
        if byte == b'-' && self.byte().await? == b'-' {
            // Nothing has to follow, not even a line end.
            let ends = self.is_over().await? || b" \t\r\n".contains(&self.frame[0]);
            return if ends { Ok(Delimiter::Closing) } else { Err(LINE) };
        }
        for _ in 0..limits::PADDING {
            if byte != b' ' && byte != b'\t' {
                break;
            }
            byte = self.byte().await?;
        }
        if byte == b'\r' && self.byte().await? == b'\n' {
            return Ok(Delimiter::Opening);
        }
        Err(LINE)
    }

    /// Reads what follows the closing boundary and ignores it.
    pub(super) async fn skip_epilogue(&mut self) -> Result<(), MultipartError> {
        let mut skipped = 0;
        while skipped <= limits::EPILOGUE && !self.is_over().await? {
            skipped += self.frame.len();
            self.frame = Bytes::new();
        }
        Ok(())
    }

    async fn byte(&mut self) -> Result<u8, MultipartError> {
        Ok(self.frame().await?.get_u8())
    }
}
