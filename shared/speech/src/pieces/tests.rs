use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::engine::{Languages, RetryClass, Word};

const SECOND: usize = SAMPLE_RATE as usize;

/// An engine that refuses audio above its limit and otherwise returns the length and the beginning of the audio as text.
struct Short {
    asked: Mutex<Vec<usize>>,
    /// This many calls for audio with a loud beginning get an empty transcript.
    deaf_to_loud: Mutex<usize>,
}

impl Short {
    fn new(deaf_to_loud: usize) -> Arc<Self> {
        Arc::new(Self { asked: Mutex::default(), deaf_to_loud: Mutex::new(deaf_to_loud) })
    }

    fn is_deaf_to(&self, audio: Audio<'_>) -> bool {
        let mut left = self.deaf_to_loud.lock().unwrap();
        let deaf = *left > 0 && audio.samples[0] > 0.5;
        *left -= usize::from(deaf);
        deaf
    }
}

#[async_trait]
impl Engine for Short {
    fn name(&self) -> &str {
        "short"
    }

    fn capabilities(&self) -> Capabilities {
        let span = Duration::from_secs(15);
        let languages = Languages::Any;
        Capabilities {
            preferred_span: span,
            max_span: span,
            concurrency: 2,
            words: true,
            speakers: false,
            languages,
            opus: false,
        }
    }

    async fn transcribe(&self, audio: Audio<'_>, hints: &Hints) -> Result<Transcript, EngineError> {
        self.asked.lock().unwrap().push(audio.samples.len());
        if audio.duration > self.capabilities().max_span {
            return Err(EngineError::new(RetryClass::Refused, "too long"));
        }
        let language = hints.language.clone();
        if self.is_deaf_to(audio) {
            return Ok(Transcript { language, lines: vec![] });
        }
        let (start_ms, end_ms) = (100, audio.duration_ms());
        let text = format!("{} from {}", audio.samples.len(), audio.samples[0]);
        let words = Some(vec![Word { start_ms, end_ms, text: text.clone() }]);
        Ok(Transcript { language, lines: vec![Utterance { start_ms, end_ms, text, speaker: None, words }] })
    }

    async fn ready(&self) -> Result<(), EngineError> {
        Ok(())
    }
}

/// Loud samples with a quiet stretch of 100 ms around each of the given seconds.
fn loud_but(seconds: usize, quiet_at: &[f32]) -> Vec<f32> {
    let mut samples = vec![0.6; seconds * SECOND];
    for at in quiet_at {
        let middle = (at * SECOND as f32) as usize;
        samples[middle - 50 * MS..middle + 50 * MS].fill(0.01);
    }
    samples
}

#[tokio::test]
async fn segment_above_the_engine_limit_is_transcribed_in_full() {
    let samples = loud_but(40, &[13.0, 27.5]);
    let short = Short::new(0);
    let hints = Hints { language: Some("de".into()) };
    let whole = SplittingEngine::around(short.clone()).transcribe(Audio::new(&samples), &hints).await.unwrap();
    assert_eq!(*short.asked.lock().unwrap(), [13 * SECOND, 14 * SECOND + SECOND / 2, 12 * SECOND + SECOND / 2]);
    let times: Vec<_> = whole.lines.iter().map(|line| (line.start_ms, line.end_ms)).collect();
    assert_eq!(times, [(100, 13_000), (13_100, 27_500), (27_600, 40_000)]);
    for line in &whole.lines {
        let word = &line.words.as_ref().unwrap()[0];
        assert_eq!((word.start_ms, word.end_ms, &word.text), (line.start_ms, line.end_ms, &line.text));
    }
    assert_eq!(whole.language.as_deref(), Some("de"));
}

#[tokio::test]
async fn audio_within_the_limit_is_passed_on_unchanged() {
    let samples = loud_but(15, &[13.0]);
    let short = Short::new(0);
    let whole =
        SplittingEngine::around(short.clone()).transcribe(Audio::new(&samples), &Hints::default()).await.unwrap();
    assert_eq!((short.asked.lock().unwrap().len(), whole.lines.len()), (1, 1));
}

#[tokio::test]
async fn empty_piece_among_others_is_transcribed_once_more() {
    // The first piece begins with loud samples, the second with the quiet stretch.
    let samples = loud_but(20, &[13.0]);
    for (deaf, lines, calls) in [(1, 2, 3), (2, 1, 3)] {
        let short = Short::new(deaf);
        let whole =
            SplittingEngine::around(short.clone()).transcribe(Audio::new(&samples), &Hints::default()).await.unwrap();
        assert_eq!((whole.lines.len(), short.asked.lock().unwrap().len()), (lines, calls));
        assert!(whole.lines.is_sorted_by_key(|line| line.start_ms));
    }
}

#[tokio::test]
async fn entirely_empty_transcript_is_not_repeated() {
    let samples = vec![0.6; 20 * SECOND];
    let short = Short::new(usize::MAX);
    let whole =
        SplittingEngine::around(short.clone()).transcribe(Audio::new(&samples), &Hints::default()).await.unwrap();
    assert!(whole.is_empty());
    assert_eq!(short.asked.lock().unwrap().len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_sample_is_in_one_piece_and_pieces_are_neither_too_long_nor_too_short(
        count in 0..100_000_usize,
        longest_ms in 0..3_000_u64,
        loudness in proptest::collection::vec(0.0..1.0_f32, 1..50),
    ) {
        let samples: Vec<f32> = (0..count).map(|index| loudness[index / 500 % loudness.len()]).collect();
        let longest = Duration::from_millis(longest_ms);
        let pieces = pieces(&samples, longest);
        let most = longest.max(SHORTEST).as_millis() as usize * MS;
        let mut at = 0;
        for piece in &pieces {
            prop_assert_eq!(piece.start, at);
            prop_assert!(piece.len() <= most);
            prop_assert!(piece.start % MS == 0 && (pieces.len() == 1 || piece.len() * 10 + 10 * STEP >= most), "{:?}", piece);
            at = piece.end;
        }
        prop_assert_eq!(at, count);
    }
}

#[test]
fn samples_that_are_not_finite_are_cut_as_well() {
    for odd in [f32::NAN, f32::INFINITY, 0.0] {
        let pieces = pieces(&[odd; 2 * SECOND + 1], SHORTEST);
        assert!(pieces.len() > 1 && pieces.last().unwrap().end == 2 * SECOND + 1, "{odd}");
    }
}
