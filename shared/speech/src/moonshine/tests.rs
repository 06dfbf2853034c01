//! Tests with the real model and real speech. `make test` fetches the model.

use futures_util::FutureExt;
use futures_util::future::join_all;
use models::Models;
use rten_tensor::{AsView, NdTensor, NdTensorView};
use testkit::wer;

use super::reference::{Reference, SIZE_OF_TINY, WIDTH_OF_TINY};
use super::*;
use crate::engine::SAMPLE_RATE;

fn files(size: &str) -> MoonshineFiles {
    let models = Models::new("");
    let [encoder, decoder, tokenizer] = models::moonshine(size).map(|name| models.bytes(&name).unwrap());
    MoonshineFiles { encoder, decoder, tokenizer }
}

fn tiny() -> Moonshine {
    tiny_by(arithmetic())
}

/// The arithmetic that the run of the tests forces, or the default. Tests of the arithmetic itself use every supported one.
fn arithmetic() -> Arithmetic {
    std::env::var("AFTERWORD_ENGINE_ARITHMETIC")
        .map_or_else(|_| Arithmetic::default(), |name| Arithmetic::named(&name).unwrap())
}

fn tiny_by(arithmetic: Arithmetic) -> Moonshine {
    Moonshine::start(TINY, files("tiny"), 0, arithmetic)
}

/// A clip of the fixtures: frames of 16-bit samples, each preceded by its length.
fn clip(id: &str) -> Vec<f32> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/speech");
    let bytes = std::fs::read(format!("{folder}/audio_{id}_pcm16_16000_1_fs160_1748300000.bin")).unwrap();
    let (mut rest, mut samples) = (&bytes[..], Vec::new());
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (frame, after) = after.split_at(u32::from_le_bytes(*length) as usize);
        samples.extend(frame.as_chunks().0.iter().map(|two| f32::from(i16::from_le_bytes(*two)) / 32_768.0));
        rest = after;
    }
    samples
}

fn text_of(id: &str) -> String {
    let manifest = include_str!("../../../../tests/fixtures/speech/manifest.json");
    let clips: serde_json::Value = serde_json::from_str(manifest).unwrap();
    let clip = clips.as_array().unwrap().iter().find(|clip| clip["id"] == id).unwrap();
    clip["text"].as_str().unwrap().to_owned()
}

/// The number of words that are wrong, inserted or missing.
fn errors(expected_text: &str, actual_text: &str) -> usize {
    wer::errors(&wer::words(expected_text), &wer::words(actual_text)).wrong
}

async fn transcribe(engine: &Moonshine, samples: &[f32]) -> Transcript {
    engine.transcribe(Audio::new(samples), &Hints::default()).await.unwrap()
}

fn joined(transcript: &Transcript) -> String {
    transcript.lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn real_speech_is_transcribed_with_few_errors() {
    let mut wrong = Vec::new();
    for arithmetic in Arithmetic::of_this_machine() {
        let engine = tiny_by(arithmetic);
        for (id, most) in [("jfk", 0), ("ss0870", 0), ("ss0880", 1), ("ss0890", 0), ("sonnet", 9)] {
            let transcript = transcribe(&engine, &clip(id)).await;
            let (text, reference) = (joined(&transcript), text_of(id));
            let errors = errors(&reference, &text);
            println!("{arithmetic}, {id}: {errors} of {} words wrong: {text}", wer::words(&reference).len());
            wrong.extend((errors > most).then(|| format!("{arithmetic}, {id}: {errors} wrong words: {text}")));
            assert_eq!(transcript.language.as_deref(), Some("en"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn segment_is_one_line_and_longer_audio_has_several() {
    let engine = tiny();
    let jfk = clip("jfk");
    let one = transcribe(&engine, &jfk).await;
    let times = |transcript: &Transcript| transcript.lines.iter().map(|l| (l.start_ms, l.end_ms)).collect::<Vec<_>>();
    assert_eq!(times(&one), [(0, Audio::new(&jfk).duration_ms())]);
    assert!(one.lines[0].words.is_none() && one.lines[0].speaker.is_none());
    // A segment of a plan that was made for an engine with longer segments.
    let (pause, length) = (vec![0.0; SAMPLE_RATE as usize], jfk.len());
    let long = [&jfk[..], &pause, &jfk, &pause, &jfk].concat();
    let many = transcribe(&engine, &long).await;
    assert_eq!(errors(&[text_of("jfk"), text_of("jfk"), text_of("jfk")].join(" "), &joined(&many)), 0, "{many:?}");
    let times = times(&many);
    assert!(times.len() >= 3 && times[0].0 == 0 && times.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{times:?}");
    assert!(times.iter().all(|(start, end)| end - start <= 15_000), "{times:?}");
    let second = Audio::new(&long[..length + pause.len()]).duration_ms();
    assert!(times.iter().any(|(start, _)| start.abs_diff(second) < 1_000), "{times:?}");
}

#[tokio::test]
async fn silence_and_very_short_audio_give_an_empty_transcript() {
    let engine = tiny();
    for samples in [0, 1, 160, 1_599, 16_000, 40_000] {
        let transcript = transcribe(&engine, &vec![0.0; samples]).await;
        assert!(transcript.is_empty() && transcript.lines.is_empty(), "{samples}: {transcript:?}");
    }
    let not_numbers = vec![f32::NAN; 16_000];
    assert!(transcribe(&engine, &not_numbers).await.is_empty());
}

#[tokio::test]
async fn early_call_waits_for_the_model_and_calls_run_concurrently() {
    let engine = Moonshine::start(TINY, files("tiny"), 2, arithmetic());
    assert_eq!(engine.capabilities().concurrency, 2);
    let early = engine.ready().await;
    assert!(
        matches!(early, Err(EngineError { retry: RetryClass::Later { .. }, .. })),
        "loading takes longer than this"
    );
    let clips = ["ss0890", "ss0870", "ss0890", "ss0870"].map(clip);
    let answers = join_all(clips.iter().map(|samples| transcribe(&engine, samples))).await;
    assert_eq!((&answers[0], &answers[1]), (&answers[2], &answers[3]), "calls do not disturb each other");
    assert_eq!(errors(&text_of("ss0870"), &joined(&answers[1])), 0);
    engine.ready().await.unwrap();
}

#[tokio::test]
async fn readiness_and_every_call_report_a_model_that_cannot_be_loaded() {
    let tiny = files("tiny");
    for (broken, part) in [
        (MoonshineFiles { encoder: b"not a model", ..tiny }, "encoder"),
        (MoonshineFiles { decoder: &tiny.decoder[..tiny.decoder.len() / 2], ..tiny }, "decoder"),
        (MoonshineFiles { tokenizer: b"{}", ..tiny }, "tokenizer"),
        (MoonshineFiles { decoder: tiny.encoder, ..tiny }, "decoder"),
    ] {
        let engine = Moonshine::start(TINY, broken, 1, arithmetic());
        let error = engine.transcribe(Audio::new(&[0.0; 16_000]), &Hints::default()).await.unwrap_err();
        assert_eq!(error.retry, RetryClass::Misconfigured);
        assert!(error.detail.starts_with(TINY) && error.detail.contains(part), "{error}");
        assert_eq!(engine.ready().await, Err(error));
    }
}

#[tokio::test]
async fn other_language_is_refused() {
    let engine = tiny();
    let hints = |language: &str| Hints { language: Some(language.to_owned()) };
    let samples = clip("ss0880");
    let error = engine.transcribe(Audio::new(&samples), &hints("es")).await.unwrap_err();
    assert_eq!(
        (error.retry, error.detail.as_str()),
        (RetryClass::Misconfigured, "moonshine-tiny understands English, not `es`")
    );
    assert!(!engine.transcribe(Audio::new(&samples), &hints("en-GB")).await.unwrap().is_empty());
}

#[tokio::test]
async fn dropped_call_gives_its_permit_back_before_the_first_token() {
    let engine = Moonshine::start(TINY, files("tiny"), 1, arithmetic());
    // The model is loaded first, so that the call begins to compute at once.
    engine.model.model().await.unwrap();
    let long = clip("sonnet");
    let hints = Hints::default();
    let mut call = engine.transcribe(Audio::new(&long), &hints);
    assert!((&mut call).now_or_never().is_none());
    assert_eq!(engine.permits.idle(), 0, "the call is computing");
    drop(call);
    let _permit = engine.permits.acquire().await.unwrap();
    let steps = engine.model.model().await.unwrap().network.steps();
    assert_eq!(steps, 0, "the long clip has some 160 tokens");
}

#[test]
fn call_is_stopped_between_two_tokens() {
    let model = load(files("tiny"), arithmetic()).unwrap();
    let (samples, options) = (clip("ss0870"), RunOptions::default());
    let stop = AtomicBool::new(false);
    let all = model.network.tokens(&[&samples], &options, &stop).unwrap();
    let steps = model.network.steps();
    assert_eq!(steps, all[0].len() + 1, "the last step ends it");
    stop.store(true, Ordering::Relaxed);
    assert!(matches!(model.network.tokens(&[&samples], &options, &stop), Err(NetworkError::Stopped)));
    assert_eq!(model.network.steps(), steps);
}

#[test]
fn tokens_of_a_piece_do_not_depend_on_the_rest_of_the_batch() {
    let (options, stop) = (RunOptions::default(), AtomicBool::new(false));
    let clips = ["jfk", "ss0880", "ss0870", "ss0890"].map(clip);
    let all: Vec<&[f32]> = clips.iter().map(Vec::as_slice).collect();
    for arithmetic in Arithmetic::of_this_machine() {
        let model = load(files("tiny"), arithmetic).unwrap();
        let together = model.network.tokens(&all, &options, &stop).unwrap();
        for (samples, tokens) in all.iter().zip(&together) {
            assert!(!tokens.is_empty());
            assert_eq!(&model.network.tokens(&[samples], &options, &stop).unwrap()[0], tokens, "{arithmetic}");
        }
    }
}

/// The decoder of this crate is compared with the model file, run by RTen.
#[test]
fn decoder_gives_the_tokens_of_the_reference_in_every_supported_arithmetic() {
    let tiny = files("tiny");
    let reference = Reference::load(tiny.encoder, tiny.decoder, SIZE_OF_TINY);
    let (options, stop) = (RunOptions::default(), AtomicBool::new(false));
    let models: Vec<_> = Arithmetic::of_this_machine()
        .into_iter()
        .map(|arithmetic| (arithmetic, load(tiny, arithmetic).unwrap()))
        .collect();
    for id in ["jfk", "ss0870", "ss0880", "ss0890"] {
        let samples = clip(id);
        let features = models[0].1.network.encode(&samples, &options).unwrap();
        let features = NdTensor::from_data([1, features.len() / WIDTH_OF_TINY, WIDTH_OF_TINY], features);
        let expected = reference.tokens(&features.into());
        for (arithmetic, model) in &models {
            let ours = model.network.tokens(&[&samples], &options, &stop).unwrap();
            assert_eq!(ours[0], expected, "{arithmetic}, {id}");
        }
    }
}

/// Quantization rounds, and a difference in the last bit of a number grows from layer to layer: noise of 1e-7 in the sound
/// changes the features of the reference by a twentieth on average. A wrong layer changes them by their own size.
#[test]
fn encoder_gives_features_close_to_the_reference() {
    let tiny = files("tiny");
    let reference = Reference::load(tiny.encoder, tiny.decoder, SIZE_OF_TINY);
    let model = load(tiny, arithmetic()).unwrap();
    for id in ["jfk", "ss0870", "ss0880", "ss0890"] {
        let samples = clip(id);
        let ours = model.network.encode(&samples, &RunOptions::default()).unwrap();
        let expected = reference.features(&samples);
        let expected: NdTensorView<f32, 3> = expected.as_view().try_into().unwrap();
        let expected = expected.to_vec();
        assert_eq!(ours.len(), expected.len());
        let all: f32 = expected.iter().map(|feature| feature.abs()).sum();
        let apart: f32 = ours.iter().zip(&expected).map(|(ours, expected)| (ours - expected).abs()).sum();
        println!("{id}: features are {:.3} of their size apart", apart / all);
        assert!(apart / all < 0.1, "{id}: {apart} of {all}");
    }
}

/// Small differences in features can change words, so every arithmetic must give the same features, to the last bit.
#[test]
fn every_supported_arithmetic_gives_the_same_features() {
    let (options, samples) = (RunOptions::default(), clip("ss0870"));
    let features = |arithmetic| load(files("tiny"), arithmetic).unwrap().network.encode(&samples, &options).unwrap();
    let all: Vec<_> =
        Arithmetic::of_this_machine().into_iter().map(|arithmetic| (arithmetic, features(arithmetic))).collect();
    for (arithmetic, features) in &all {
        assert!(!features.is_empty() && *features == all[0].1, "{arithmetic} and {}", all[0].0);
    }
}
