//! Writes conversations one after another, without holding more than a minute of text.

use std::io::{self, Write};

use crate::conversation::{Conversation, Head, Segment};
use crate::csv::Csv;
use crate::format::Format;
use crate::json::Json;
use crate::local_time::UtcOffset;
use crate::md::Md;
use crate::output::Output;
use crate::srt::Srt;
use crate::txt::Txt;
use crate::vtt::Vtt;

/// So many bytes are written at once.
const BUFFER_BYTES: usize = 16 * 1024;

/// How conversations are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The place whose time is shown. Subtitles count from the start of the first conversation and do not depend on it.
    pub offset: UtcOffset,
    /// JSON becomes one object with a list of conversations, as `GET /v2/conversations` answers. Without it, each
    /// conversation is an object on a line of its own.
    pub list: bool,
}

/// Writes conversations in one format. Call [`finish`](Self::finish) at the end.
///
/// A conversation can be given [at once](Self::conversation), or in pages: [`begin`](Self::begin),
/// [`segment`](Self::segment) for each segment in the order of its start, and [`end`](Self::end).
pub struct Writer<W: Write> {
    output: Box<dyn Output>,
    buffer: String,
    to: W,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Between,
    Inside,
}

impl<W: Write> Writer<W> {
    /// A writer that has not written anything yet.
    pub fn new(format: Format, options: Options, to: W) -> Self {
        let offset = options.offset;
        let output: Box<dyn Output> = match format {
            Format::Txt => Box::new(Txt::new(offset)),
            Format::Md => Box::new(Md::new(offset)),
            Format::Json => Box::new(Json::new(options.list)),
            Format::Srt => Box::new(Srt::new()),
            Format::Vtt => Box::new(Vtt::new(offset)),
            Format::Csv => Box::new(Csv::new(offset)),
        };
        Self { output, buffer: String::new(), to, state: State::New }
    }

    /// Writes a whole conversation. Its segments are brought into order.
    ///
    /// # Errors
    /// If the underlying writer fails.
    pub fn conversation(&mut self, conversation: &Conversation) -> io::Result<()> {
        let mut segments: Vec<&Segment> = conversation.segments.iter().collect();
        segments.sort_by_key(|segment| segment.start_ms);
        self.begin(&conversation.head)?;
        for segment in segments {
            self.segment(segment)?;
        }
        self.end()
    }

    /// Begins a conversation. One that is still open is ended.
    ///
    /// # Errors
    /// If the underlying writer fails.
    pub fn begin(&mut self, head: &Head) -> io::Result<()> {
        self.start();
        self.end()?;
        self.output.begin(&mut self.buffer, head);
        self.state = State::Inside;
        Ok(())
    }

    /// Writes the next segment of the conversation.
    ///
    /// # Errors
    /// If no conversation was begun, or if the underlying writer fails.
    pub fn segment(&mut self, segment: &Segment) -> io::Result<()> {
        if self.state != State::Inside {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a segment was written outside a conversation"));
        }
        self.output.segment(&mut self.buffer, segment);
        if self.buffer.len() >= BUFFER_BYTES { self.write_buffer() } else { Ok(()) }
    }

    /// Ends the conversation. It is written whole then.
    ///
    /// # Errors
    /// If the underlying writer fails.
    pub fn end(&mut self) -> io::Result<()> {
        if self.state == State::Inside {
            self.output.end(&mut self.buffer);
            self.state = State::Between;
        }
        self.write_buffer()
    }

    /// Writes what belongs behind the last conversation, and gives the underlying writer back.
    ///
    /// # Errors
    /// If the underlying writer fails.
    pub fn finish(mut self) -> io::Result<W> {
        self.start();
        self.end()?;
        self.output.finish(&mut self.buffer);
        self.write_buffer()?;
        self.to.flush()?;
        Ok(self.to)
    }

    /// The underlying writer: whoever streams takes from it what was written so far.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.to
    }

    fn start(&mut self) {
        if self.state == State::New {
            self.output.start(&mut self.buffer);
            self.state = State::Between;
        }
    }

    fn write_buffer(&mut self) -> io::Result<()> {
        self.to.write_all(self.buffer.as_bytes())?;
        self.buffer.clear();
        Ok(())
    }
}

/// Some conversations as one text.
pub fn to_string<'a>(
    format: Format,
    options: Options,
    conversations: impl IntoIterator<Item = &'a Conversation>,
) -> String {
    let mut writer = Writer::new(format, options, Vec::new());
    // Neither a vector nor a conversation that is written whole can fail.
    let written = conversations.into_iter().try_for_each(|conversation| writer.conversation(conversation));
    let bytes = written.and_then(|()| writer.finish()).unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}
