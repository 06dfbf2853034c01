//! Skips the tags before and between the frames of an MP3 file, and before other files.

use super::window::Window;
use super::{kinds, mp3_frames};
use crate::error::AudioError;

const HEADER: usize = 10;
/// The bytes of a long tag that are examined at once.
const LOOK: usize = 64 * 1024;

/// Skips all tags that begin here. Returns whether there was one. A tag that claims to be longer than it is must not
/// hide what follows it: it ends where frames or a file certainly begin.
pub(super) fn skip(window: &mut Window) -> Result<bool, AudioError> {
    let mut any = false;
    while let &[b'I', b'D', b'3', _, _, flags, a, b, c, d] = window.peek(HEADER)? {
        any = true;
        let size = [a, b, c, d].iter().fold(0, |size, byte| size << 7 | u64::from(byte & 0x7F));
        let mut left = size + if flags & 0x10 == 0 { 0 } else { HEADER as u64 };
        window.skip(HEADER as u64)?;
        while left > 0 {
            let seen = window.peek(LOOK)?;
            if seen.is_empty() {
                break;
            }
            let within = usize::try_from(left).unwrap_or(LOOK).min(seen.len());
            let found = (0..within)
                .find(|&at| mp3_frames::certainly_begins(&seen[at..]) || kinds::begins(&seen[at..]).is_some());
            // A row of frames may be cut off by the edge of the window.
            let step = found.unwrap_or(if seen.len() < LOOK || within < LOOK / 2 { within } else { LOOK / 2 });
            left -= window.skip(step as u64)?.min(left);
            if found.is_some() {
                break;
            }
        }
    }
    Ok(any)
}
