use std::sync::Mutex;
use std::time::Duration;

use futures_util::FutureExt;

use super::*;
use crate::cloud::testing::{opus, packets};
use crate::engine::{Languages, RetryClass, SAMPLE_RATE, Word};

const MS: usize = SAMPLE_RATE as usize / 1000;
const LONGEST: Duration = Duration::from_secs(1);

enum Answer {
    Text,
    Empty,
    Error,
    Later,
    Never,
}

/// An engine that refuses audio of more than a second and otherwise answers a call by its number.
struct Short {
    answers: Vec<Answer>,
    /// The length of the audio of each call in milliseconds.
    asked: Mutex<Vec<u32>>,
}

impl Short {
    /// Calls above the given ones are answered with text.
    fn answering(answers: impl IntoIterator<Item = Answer>) -> Arc<Self> {
        Arc::new(Self { answers: answers.into_iter().collect(), asked: Mutex::default() })
    }

    fn asked(&self) -> Vec<u32> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Engine for Short {
    fn name(&self) -> &str {
        "short"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            preferred_span: LONGEST,
            max_span: LONGEST,
            concurrency: 2,
            words: true,
            speakers: false,
            languages: Languages::Any,
            opus: true,
        }
    }

    async fn transcribe(&self, audio: Audio<'_>, hints: &Hints) -> Result<Transcript, EngineError> {
        let call = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(audio.duration_ms());
            asked.len() - 1
        };
        if audio.duration > LONGEST {
            return Err(EngineError::new(RetryClass::Refused, "too long"));
        }
        let lines = match self.answers.get(call).unwrap_or(&Answer::Text) {
            Answer::Text => vec![line(100, audio.duration_ms())],
            Answer::Empty => vec![],
            Answer::Error => return Err(EngineError::new(RetryClass::Transient, "failed")),
            Answer::Later => return Err(EngineError::new(RetryClass::Later { after: None }, "overloaded")),
            Answer::Never => std::future::pending().await,
        };
        Ok(Transcript { language: hints.language.clone(), lines })
    }

    async fn ready(&self) -> Result<(), EngineError> {
        Ok(())
    }
}

fn line(start_ms: u32, end_ms: u32) -> Utterance {
    let (text, words) = ("yes".to_owned(), Some(vec![Word { start_ms, end_ms, text: "yes".into() }]));
    Utterance { start_ms, end_ms, text, speaker: None, words }
}

/// Loud samples with a quiet stretch of 100 ms around each of the given milliseconds.
fn loud_but(length_ms: usize, quiet_at: &[usize]) -> Vec<f32> {
    let mut samples = vec![0.6; length_ms * MS];
    quiet_at.iter().for_each(|at| samples[(at - 50) * MS..(at + 50) * MS].fill(0.01));
    samples
}

fn splitting(engine: &Arc<Short>) -> SplittingEngine {
    SplittingEngine::around(Arc::clone(engine) as Arc<dyn Engine>, Arc::default())
}

/// The result, if it needs no call that never ends.
fn transcribed(engine: &Arc<Short>, audio: Audio<'_>) -> Option<Result<Transcript, EngineError>> {
    splitting(engine).transcribe(audio, &Hints { language: Some("de".into()) }).now_or_never()
}

#[test]
fn samples_above_the_engine_limit_are_transcribed_in_full() {
    let engine = Short::answering([]);
    let whole = transcribed(&engine, Audio::new(&loud_but(2_500, &[900, 1_850]))).unwrap().unwrap();
    assert_eq!(engine.asked(), [900, 950, 650]);
    let lines = vec![line(100, 900), line(1_000, 1_850), line(1_950, 2_500)];
    assert_eq!(whole, Transcript { language: Some("de".into()), lines });
}

#[test]
fn packets_above_the_engine_limit_are_transcribed_in_full() {
    let (engine, recorded) = (Short::answering([]), packets(100, 2_900));
    let whole = transcribed(&engine, opus(&recorded)).unwrap().unwrap();
    let asked = engine.asked();
    assert!(asked.len() >= 3 && asked.iter().sum::<u32>() == 2_800, "{asked:?}");
    let ends: Vec<u32> = asked.iter().scan(0, |end, length| Some(std::mem::replace(end, *end + length))).collect();
    let expected: Vec<_> = ends.iter().zip(asked).map(|(start, length)| line(start + 100, start + length)).collect();
    assert_eq!(whole.lines, expected);
}

#[test]
fn audio_within_the_limit_is_passed_on_unchanged() {
    let engine = Short::answering([]);
    let whole = transcribed(&engine, Audio::new(&loud_but(1_000, &[900]))).unwrap().unwrap();
    assert_eq!((engine.asked(), whole.lines), (vec![1_000], vec![line(100, 1_000)]));
}

#[test]
fn empty_piece_among_others_is_transcribed_once_more() {
    use Answer::{Empty, Text};
    let (samples, recorded) = (loud_but(1_600, &[900]), packets(0, 1_600));
    for audio in [Audio::new(&samples), opus(&recorded)] {
        for (third, lines) in [(Text, 2), (Empty, 1)] {
            let engine = Short::answering([Empty, Text, third]);
            let whole = transcribed(&engine, audio).unwrap().unwrap();
            let asked = engine.asked();
            assert_eq!((asked.len(), asked[2], whole.lines.len()), (3, asked[0], lines));
            assert!(whole.lines.is_sorted_by_key(|line| line.start_ms));
        }
    }
}

#[test]
fn entirely_empty_transcript_is_not_repeated() {
    let engine = Short::answering([Answer::Empty, Answer::Empty]);
    let whole = transcribed(&engine, Audio::new(&loud_but(1_600, &[900]))).unwrap().unwrap();
    assert!(whole.is_empty());
    assert_eq!(engine.asked().len(), 2);
}

#[test]
fn only_pieces_that_failed_are_transcribed_by_the_next_call() {
    use Answer::{Error, Later, Text};
    let (samples, recorded) = (loud_but(2_500, &[900, 1_850]), packets(100, 2_900));
    for audio in [Audio::new(&samples), opus(&recorded)] {
        for failure in [Error, Later] {
            let engine = Short::answering([Text, failure]);
            let splitting = splitting(&engine);
            let call = || splitting.transcribe(audio, &Hints::default()).now_or_never().unwrap();
            call().unwrap_err();
            let (failed, asked_before) = (engine.asked()[1], engine.asked().len());
            let whole = call().unwrap();
            assert_eq!(engine.asked()[asked_before], failed);
            assert!(engine.asked().len() <= pieces(audio, LONGEST).len() + 1, "{:?}", engine.asked());
            assert_eq!(whole.lines.len(), pieces(audio, LONGEST).len());
            assert!(whole.lines.is_sorted_by_key(|line| line.start_ms));
            call().unwrap();
            assert!(
                engine.asked().len() > pieces(audio, LONGEST).len() + 1,
                "what was answered is forgotten at the end"
            );
        }
    }
}

#[test]
fn transcript_of_one_language_is_not_kept_for_another() {
    let engine = Short::answering([Answer::Text, Answer::Error]);
    let (splitting, samples) = (splitting(&engine), loud_but(1_600, &[900]));
    let call = |language: &str| {
        let hints = Hints { language: Some(language.into()) };
        splitting.transcribe(Audio::new(&samples), &hints).now_or_never().unwrap()
    };
    call("de").unwrap_err();
    assert_eq!(call("en").unwrap().language.as_deref(), Some("en"));
    assert_eq!(engine.asked().len(), 4);
}

#[test]
fn passing_failure_does_not_stop_the_other_pieces() {
    use Answer::{Error, Text};
    let engine = Short::answering([Error, Text, Error, Text, Error]);
    let error = transcribed(&engine, Audio::new(&vec![0.5; 7_000 * MS])).unwrap().unwrap_err();
    assert_eq!((error.retry, engine.asked().len()), (RetryClass::Transient, 8));
}

#[test]
fn no_piece_is_tried_after_three_failures_in_a_row() {
    let engine = Short::answering([const { Answer::Error }; 9]);
    let error = transcribed(&engine, Audio::new(&vec![0.5; 7_000 * MS])).unwrap().unwrap_err();
    assert_eq!((error.retry, engine.asked().len()), (RetryClass::Transient, 3));
}

#[test]
fn no_piece_is_tried_after_the_engine_asked_for_a_pause() {
    use Answer::{Error, Later};
    let engine = Short::answering([Error, Later]);
    let error = transcribed(&engine, Audio::new(&vec![0.5; 7_000 * MS])).unwrap().unwrap_err();
    assert_eq!((error.retry, engine.asked().len()), (RetryClass::Later { after: None }, 2));
}

#[test]
fn pieces_are_transcribed_concurrently_within_the_engine_limit() {
    let engine = Short::answering([Answer::Never, Answer::Never]);
    assert!(transcribed(&engine, Audio::new(&loud_but(2_500, &[900, 1_850]))).is_none());
    assert_eq!(engine.asked().len(), 2);
}

#[test]
fn joined_transcript_has_the_first_language_and_times_from_the_start_of_the_audio() {
    let piece = |language: Option<&str>| Transcript { language: language.map(str::to_owned), lines: vec![line(5, 15)] };
    let whole = join([(0, piece(None)), (1_500, piece(Some("en"))), (2_500, piece(Some("de")))]);
    let lines = vec![line(5, 15), line(1_505, 1_515), line(2_505, 2_515)];
    assert_eq!(whole, Transcript { language: Some("en".into()), lines });
}
