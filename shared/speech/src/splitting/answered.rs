//! Transcripts of pieces whose audio could not be transcribed as a whole yet.
//!
//! The caller repeats a call that failed with the whole audio. Without this memory, an engine that fails in one call of
//! twenty would never get through audio of fifty pieces, and each of its good answers would be paid for again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::engine::{Audio, Hints, Transcript};

/// The most that is remembered, by [`Transcript::size`]. The oldest transcripts go first: their pieces are transcribed
/// again.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Identifies the audio of a piece and what the engine was told about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PieceKey([u8; 32]);

impl PieceKey {
    pub fn new(audio: Audio<'_>, hints: &Hints) -> Self {
        let mut hash = Sha256::new();
        let language = hints.language.as_deref().unwrap_or_default();
        // The lengths keep apart what would be the same bytes one after the other.
        for number in [language.len(), audio.samples.len(), audio.frames.map_or(0, |frames| frames.packets.len())] {
            hash.update((number as u64).to_le_bytes());
        }
        hash.update(language);
        hash.update(audio.duration.as_micros().to_le_bytes());
        for samples in audio.samples.chunks(4096) {
            hash.update(samples.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<u8>>());
        }
        if let Some(frames) = audio.frames {
            hash.update(frames.lead.as_micros().to_le_bytes());
            for packet in frames.packets {
                hash.update((packet.len() as u64).to_le_bytes());
                hash.update(packet);
            }
        }
        Self(hash.finalize().into())
    }
}

/// The transcripts, shared by all calls on this instance.
#[derive(Default)]
pub struct AnsweredPieces {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    transcripts: HashMap<PieceKey, Transcript>,
    /// The keys in the order in which their transcripts came. A key may be left over from a transcript that was removed.
    order: VecDeque<PieceKey>,
    bytes: usize,
}

impl AnsweredPieces {
    pub(super) fn get(&self, key: PieceKey) -> Option<Transcript> {
        self.lock().transcripts.get(&key).cloned()
    }

    pub(super) fn keep(&self, key: PieceKey, transcript: &Transcript) {
        let mut kept = self.lock();
        kept.remove(key);
        kept.bytes += transcript.size();
        kept.transcripts.insert(key, transcript.clone());
        kept.order.push_back(key);
        while kept.bytes > MAX_BYTES
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.remove(oldest);
        }
    }

    /// Forgets the pieces of audio that was transcribed as a whole.
    pub(super) fn forget(&self, keys: &[PieceKey]) {
        let mut kept = self.lock();
        keys.iter().for_each(|key| kept.remove(*key));
        let Kept { transcripts, order, .. } = &mut *kept;
        order.retain(|key| transcripts.contains_key(key));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        // A panic elsewhere can at most have left a wrong sum of bytes.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn remove(&mut self, key: PieceKey) {
        if let Some(transcript) = self.transcripts.remove(&key) {
            self.bytes = self.bytes.saturating_sub(transcript.size());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::{Frames, Utterance};

    fn key(number: u8) -> PieceKey {
        PieceKey([number; 32])
    }

    fn transcript(bytes: usize) -> Transcript {
        let line = Utterance { start_ms: 0, end_ms: 1, text: "x".repeat(bytes), speaker: None, words: None };
        Transcript { language: None, lines: vec![line] }
    }

    #[test]
    fn key_differs_by_audio_language_and_lead() {
        let (de, en) = (Hints { language: Some("de".into()) }, Hints { language: Some("en".into()) });
        let packets = [vec![1, 2], vec![3]];
        let others = [vec![1], vec![2, 3]];
        let opus = |packets, lead| {
            Audio::opus(Frames { packets, lead: Duration::from_millis(lead) }, Duration::from_millis(40))
        };
        let keys = [
            PieceKey::new(Audio::new(&[0.5; 160]), &de),
            PieceKey::new(Audio::new(&[0.5; 160]), &en),
            PieceKey::new(Audio::new(&[0.5; 161]), &de),
            PieceKey::new(Audio::new(&[0.25; 160]), &de),
            PieceKey::new(opus(&packets, 10), &de),
            PieceKey::new(opus(&packets, 20), &de),
            PieceKey::new(opus(&others, 10), &de),
        ];
        let distinct: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
        assert_eq!(keys[0], PieceKey::new(Audio::new(&[0.5; 160]), &de));
    }

    #[test]
    fn oldest_transcripts_go_when_memory_is_full() {
        let answered = AnsweredPieces::default();
        for number in 0..3 {
            answered.keep(key(number), &transcript(MAX_BYTES / 2 - 1000));
        }
        assert_eq!([0, 1, 2].map(|number| answered.get(key(number)).is_some()), [false, true, true]);
        answered.keep(key(3), &transcript(MAX_BYTES + 1));
        assert!(answered.get(key(3)).is_none(), "a transcript that is too large alone is not kept");
        assert_eq!(answered.lock().bytes, 0);
    }

    #[test]
    fn forgotten_pieces_leave_nothing_behind() {
        let answered = AnsweredPieces::default();
        for _ in 0..3 {
            answered.keep(key(1), &transcript(10));
            answered.keep(key(2), &transcript(10));
        }
        answered.forget(&[key(1)]);
        let kept = answered.lock();
        assert_eq!((kept.transcripts.len(), kept.order.iter().all(|left| *left == key(2))), (1, true));
        assert_eq!(kept.bytes, transcript(10).size());
    }
}
