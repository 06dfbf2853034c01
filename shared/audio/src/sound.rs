//! Sound files, which state in themselves how they are coded. They are recognised by content, not by name, and read as
//! streams; a size that a file claims never allocates memory.
//!
//! Damage: a packet that the decoder refuses is concealed for as long as packets last. Bytes that belong neither to a
//! packet nor to the structure of a container are dropped, and so is what the file promises but does not have. It
//! counts as *beyond a packet* if it is more than one unfinished packet at the end. Everything readable is read:
//! another stream, another rate, another file behind the first one, and bytes behind a size that is too small.

mod adts;
mod adts_frames;
mod chunks;
mod files;
mod flac;
mod id3;
mod kinds;
mod limits;
mod linear;
mod matroska;
mod mp3;
mod mp3_frames;
mod mp4;
mod ogg;
mod opus_head;
mod packets;
mod parts;
mod surround;
mod symphonia;
mod tags;
mod times;
mod vorbis;
mod window;

use std::io::{Cursor, Read};

use self::files::Files;
pub(crate) use self::kinds::recognise;
pub(crate) use self::limits::NO_AUDIO;
use self::mp4::Mp4;
pub(crate) use self::packets::MOST_PADDING;
use self::packets::Packets;
pub(crate) use self::parts::{Coding, OPUS_SAMPLES, Part, Parts, Stream};
pub(crate) use self::symphonia::Symphonia;
use crate::error::AudioError;
use crate::input::Input;
use crate::sample_source::Steps;

/// The bytes that are examined before it is decided whether a file is read with random access. A file behind more
/// garbage than this is not recognised as one that needs it.
const LOOK: u64 = 4096;

/// Opens a sound file of any kind.
pub(crate) fn open<'r>(input: Input<'r>) -> Result<Box<dyn Steps + 'r>, AudioError> {
    Ok(Box::new(Packets::open(parts(input)?)?))
}

/// Decodes the rest of a file, from the packets of this stream on.
pub(crate) fn decoded<'r>(parts: Box<dyn Parts + 'r>, stream: Stream) -> Result<Box<dyn Steps + 'r>, AudioError> {
    Ok(Box::new(Packets::of(parts, stream)?))
}

/// Splits a sound file into its parts.
pub(crate) fn parts<'r>(input: Input<'r>) -> Result<Box<dyn Parts + 'r>, AudioError> {
    match input {
        Input::Ranges(ranges) => {
            let mut head = Vec::new();
            (&mut *ranges).take(LOOK).read_to_end(&mut head)?;
            if let Some(at) = kinds::mp4_at(&head) {
                return Ok(Box::new(Mp4::open(ranges, at as u64)?));
            }
            // Seeking back to the start may reopen the file.
            Ok(Box::new(Files::new(Box::new(Cursor::new(head).chain(ranges)), false)))
        }
        Input::Stream(_) | Input::Kept(_) => Ok(Box::new(Files::new(input.stream(), true))),
    }
}

#[cfg(test)]
mod tests;
