//! Reads the containers that follow one another in a file: most often one, with nothing before or behind it.

use super::kinds::{AMR, HEAD, Kind, begins, may_begin, recognise};
use super::parts::{Container, Part, Parts};
use super::window::Window;
use super::{adts, adts_frames, chunks, flac, id3, matroska, mp3, mp3_frames, ogg, tags};
use crate::error::AudioError;
use crate::frames::Damage;

/// Large enough for the largest packet of any container here.
const WINDOW: usize = 512 * 1024;
/// Garbage before a file is skipped up to this size; with more of it, this is not a sound file.
const MOST_BEFORE: u64 = 1024 * 1024;
/// Each file needs its own decoder, which takes a millisecond to create.
const MOST_FILES: u32 = 1024;

pub(super) const UNKNOWN: AudioError = AudioError::Unreadable("the file is not a sound file of a known kind");

pub(super) struct Files<'r> {
    window: Window<'r>,
    current: Option<Box<dyn Container>>,
    /// The position at which the current file began.
    began: u64,
    damage: Damage,
    files: u32,
    /// Something of the current file was returned.
    given: bool,
    /// The caller can provide random access instead of a stream.
    may_ask: bool,
}

impl<'r> Files<'r> {
    pub fn new(read: Box<dyn std::io::Read + 'r>, may_ask: bool) -> Self {
        let window = Window::new(read, WINDOW);
        Self { window, current: None, began: 0, damage: Damage::default(), files: 0, given: false, may_ask }
    }

    /// Opens the next container. Returns false at the end of the file.
    fn open(&mut self) -> Result<bool, AudioError> {
        let Some(kind) = self.find()? else { return Ok(false) };
        self.files += 1;
        if self.files > MOST_FILES {
            let rest = self.window.skip(u64::MAX)?;
            self.damage.lost(rest);
            return Ok(false);
        }
        self.began = self.window.at();
        self.current = Some(match kind {
            Kind::Wav | Kind::Aiff | Kind::Caf => Box::new(chunks::Chunks::new(kind)),
            Kind::Flac => Box::new(flac::Flac::default()),
            Kind::Ogg => Box::new(ogg::Ogg::default()),
            Kind::Mp3 => Box::new(mp3::Mp3::default()),
            Kind::Adts => Box::new(adts::Adts::default()),
            Kind::Matroska => Box::new(matroska::Matroska::default()),
            Kind::Amr if !self.given => return Err(AMR),
            Kind::Mp4 if !self.given && self.may_ask => return Err(AudioError::NeedsRanges),
            Kind::Mp4 if !self.given => return Err(UNKNOWN),
            // Its packets can be found only with random access.
            Kind::Mp4 | Kind::Amr => {
                let rest = self.window.skip(u64::MAX)?;
                self.damage.lost(rest);
                return Ok(false);
            }
        });
        Ok(true)
    }

    /// Skips to the next position at which a file begins. What lies before it belongs to none.
    fn find(&mut self) -> Result<Option<Kind>, AudioError> {
        let (mut garbage, mut tagged) = (0, false);
        let found = loop {
            tagged |= tags::skip(&mut self.window)?;
            let seen = self.window.peek(WINDOW)?;
            if seen.is_empty() {
                break None;
            }
            let known = if self.given || garbage > 0 {
                begins(seen)
            } else {
                recognise(&seen[..seen.len().min(HEAD as usize)])
            };
            if let Some(kind) = known.or_else(|| frames(seen)) {
                break Some(kind);
            }
            let at = (1..seen.len()).find(|&at| {
                let here = &seen[at..];
                may_begin(here[0]) && begins(here).is_some()
                    || id3::begins(here)
                    || here[0] == 0xFF && frames(here).is_some()
            });
            // A signature that is cut off by the edge of the window is examined again.
            let step = at.unwrap_or(if seen.len() < WINDOW { seen.len() } else { WINDOW / 2 });
            garbage += self.window.skip(step as u64)?;
            if !self.given && garbage > MOST_BEFORE {
                return Err(UNKNOWN);
            }
        };
        if found.is_none() && !self.given {
            return Err(if tagged { AudioError::Unreadable("the file holds no MP3 frame") } else { UNKNOWN });
        }
        self.damage.lost(garbage);
        Ok(found)
    }
}

/// Whether packets without a container certainly begin here.
fn frames(bytes: &[u8]) -> Option<Kind> {
    if mp3_frames::begins(bytes) {
        return Some(Kind::Mp3);
    }
    adts_frames::begins(bytes).then_some(Kind::Adts)
}

impl Parts for Files<'_> {
    fn next(&mut self, packet: &mut Vec<u8>) -> Result<Option<Part>, AudioError> {
        loop {
            let Some(current) = &mut self.current else {
                if !self.open()? {
                    return Ok(None);
                }
                continue;
            };
            match current.next(&mut self.window, packet) {
                Ok(Some(part)) => {
                    self.given = true;
                    return Ok(Some(part));
                }
                Ok(None) => {}
                // What follows a good file is not a sound file, or is of a kind that cannot be read.
                Err(AudioError::Unreadable(_)) if self.given => self.damage.lost(self.window.at() - self.began),
                Err(why) => return Err(why),
            }
            if self.window.at() == self.began {
                // Nothing of it was used, so it is not a file.
                let rest = self.window.skip(1)?;
                self.damage.lost(rest);
            }
            self.damage = self.damage.and(current.damage());
            self.current = None;
        }
    }

    fn damage(&self) -> Damage {
        self.current.as_ref().map_or(self.damage, |current| self.damage.and(current.damage()))
    }
}
