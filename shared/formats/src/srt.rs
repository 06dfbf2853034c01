//! SubRip subtitles. Nobody has specified them: this is what VLC, mpv, FFmpeg and others read alike.

use crate::conversation::{Head, Segment};
use crate::cues::CueMaker;
use crate::output::Output;
use crate::schedule::Cue;
use crate::subtitle_time::write_time;

/// A character without width that breaks what players would take for markup. The format has no escapes, and players
/// that show HTML's (`&lt;`) as they stand are as common as those that decode them.
const BREAKER: char = '\u{2060}';

pub struct Srt {
    cues: CueMaker,
    count: u64,
}

impl Srt {
    pub fn new() -> Self {
        Self { cues: CueMaker::new(true), count: 0 }
    }
}

impl Output for Srt {
    fn begin(&mut self, _to: &mut String, head: &Head) {
        self.cues.begin(head);
    }

    fn segment(&mut self, to: &mut String, segment: &Segment) {
        self.cues.segment(segment, &mut |cue| write_cue(to, &mut self.count, &cue));
    }

    fn end(&mut self, to: &mut String) {
        self.cues.end(&mut |cue| write_cue(to, &mut self.count, &cue));
    }
}

fn write_cue(to: &mut String, count: &mut u64, cue: &Cue) {
    *count += 1;
    to.push_str(&count.to_string());
    to.push('\n');
    write_time(to, cue.start, ',');
    to.push_str(" --> ");
    write_time(to, cue.end, ',');
    to.push('\n');
    for line in cue.voices.iter().flat_map(|voice| &voice.lines) {
        write_text(to, line);
        to.push('\n');
    }
    to.push('\n');
}

/// Players hide tags like `<i>`, `{\an8}` and `{y:i}`, replace references like `&lt;`, and break lines at `\N`.
fn write_text(to: &mut String, line: &str) {
    for (at, c) in line.char_indices() {
        let (before, from_here) = (&line[..at], &line[at..]);
        if c == '>' && before.ends_with("--") {
            to.push(BREAKER);
        }
        to.push(c);
        let is_reference = c == '&' && crate::clean::is_character_reference(from_here);
        let is_escape = c == '\\' && from_here[1..].starts_with(['n', 'N', 'h']);
        if matches!(c, '<' | '{') || is_reference || is_escape {
            to.push(BREAKER);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> String {
        let mut to = String::new();
        write_text(&mut to, line);
        to.replace(BREAKER, "·")
    }

    #[test]
    fn what_players_take_for_markup_is_broken_up_invisibly() {
        let lines = [
            ("<b>bold</b>", "<·b>bold<·/b>"),
            ("1 < 2 > 0", "1 <· 2 > 0"),
            ("{\\an8}up {y:i}", "{·\\an8}up {·y:i}"),
            ("a\\Nb\\c", "a\\·Nb\\c"),
            ("&lt; & AT&T", "&·lt; & AT&T"),
            ("00:01 --> 00:02", "00:01 --·> 00:02"),
        ];
        for (line, wanted) in lines {
            assert_eq!(shown(line), wanted);
        }
    }
}
