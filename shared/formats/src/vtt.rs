//! WebVTT, as <https://www.w3.org/TR/webvtt1/> specifies it: speakers are voices, and a note says which conversation it
//! is.

use crate::clean::clean;
use crate::conversation::{Head, Segment};
use crate::cues::CueMaker;
use crate::local_time::UtcOffset;
use crate::output::Output;
use crate::schedule::{Cue, Voice};
use crate::subtitle_time::write_time;

pub struct Vtt {
    cues: CueMaker,
    offset: UtcOffset,
}

impl Vtt {
    pub fn new(offset: UtcOffset) -> Self {
        Self { cues: CueMaker::new(false), offset }
    }
}

impl Output for Vtt {
    fn start(&mut self, to: &mut String) {
        to.push_str("WEBVTT\n");
    }

    fn begin(&mut self, to: &mut String, head: &Head) {
        self.cues.begin(head);
        to.push_str("\nNOTE\n");
        let title = clean(head.title.as_deref().unwrap_or_default());
        if !title.is_empty() {
            write_escaped(to, &title);
            to.push('\n');
        }
        to.push_str(&self.offset.at(head.started_at.millis()).rfc3339());
        to.push('\n');
    }

    fn segment(&mut self, to: &mut String, segment: &Segment) {
        self.cues.segment(segment, &mut |cue| write_cue(to, &cue));
    }

    fn end(&mut self, to: &mut String) {
        self.cues.end(&mut |cue| write_cue(to, &cue));
    }
}

fn write_cue(to: &mut String, cue: &Cue) {
    to.push('\n');
    write_time(to, cue.start, '.');
    to.push_str(" --> ");
    write_time(to, cue.end, '.');
    to.push('\n');
    for voice in &cue.voices {
        write_voice(to, voice);
    }
}

fn write_voice(to: &mut String, voice: &Voice) {
    if let Some(speaker) = &voice.speaker {
        to.push_str("<v ");
        write_escaped(to, speaker);
        to.push('>');
    }
    for (at, line) in voice.lines.iter().enumerate() {
        if at > 0 {
            to.push('\n');
        }
        write_escaped(to, line);
    }
    to.push_str(if voice.speaker.is_some() { "</v>\n" } else { "\n" });
}

/// In the text of cues, `<` and `&` are markup; in names `>` too; and `-->` must not stand anywhere.
fn write_escaped(to: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => to.push_str("&amp;"),
            '<' => to.push_str("&lt;"),
            '>' => to.push_str("&gt;"),
            _ => to.push(c),
        }
    }
}
