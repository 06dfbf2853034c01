//! A conversation that is written in pages, and many that are written one after another, give the same file.

use std::io::{self, Write};

use formats::{Conversation, Format, Options, Segment, Writer, to_string};
use proptest::prelude::*;

use crate::arbitrary::{any_conversation, config, orderly};

/// Fails after some bytes.
struct FullDisk(usize);

impl Write for FullDisk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let written = bytes.len().min(self.0);
        self.0 -= written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

proptest! {
    #![proptest_config(config(32))]

    #[test]
    fn pages_give_the_same_file(conversations in proptest::collection::vec(orderly(), 0..4)) {
        for format in Format::ALL {
            let mut writer = Writer::new(format, Options::default(), Vec::new());
            let mut streamed = Vec::new();
            for conversation in &conversations {
                writer.begin(&conversation.head).unwrap();
                for segment in &conversation.segments {
                    writer.segment(segment).unwrap();
                    streamed.append(writer.get_mut());
                }
            }
            streamed.append(&mut writer.finish().unwrap());
            let at_once = to_string(format, Options::default(), &conversations);
            prop_assert_eq!(String::from_utf8(streamed).unwrap(), at_once);
        }
    }

    #[test]
    fn write_that_fails_is_reported(conversation in any_conversation(), room in 0..200_usize) {
        for format in Format::ALL {
            let whole = to_string(format, Options::default(), [&conversation]);
            let mut writer = Writer::new(format, Options::default(), FullDisk(room));
            let written = writer.conversation(&conversation).and_then(|()| writer.finish());
            prop_assert_eq!(written.is_ok(), whole.len() <= room, "{}", format);
        }
    }
}

#[test]
fn segment_outside_a_conversation_is_refused() {
    let mut writer = Writer::new(Format::Txt, Options::default(), Vec::new());
    assert_eq!(writer.segment(&Segment::default()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn file_without_a_conversation_or_without_text_is_valid() {
    let files = |conversations: &[Conversation]| {
        Format::ALL.map(|format| to_string(format, Options { list: true, ..Options::default() }, conversations))
    };
    let header = "conversation_id,title,source,recording_id,time,start_ms,end_ms,speaker,text\r\n";
    assert_eq!(files(&[]), ["", "", "{\"conversations\":[]}\n", "", "WEBVTT\n", header]);
    let [txt, md, _, srt, vtt, csv] = files(&[Conversation::default()]);
    assert_eq!(txt, "1970-01-01 00:00 (UTC)\n\n");
    assert_eq!(md, "# Conversation of 1970-01-01 00:00\n\n*1970-01-01 00:00 (UTC)*\n");
    assert_eq!((srt.as_str(), vtt.as_str(), csv.as_str()), ("", "WEBVTT\n\nNOTE\n1970-01-01T00:00:00.000Z\n", header));
}
