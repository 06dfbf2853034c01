//! Tests with the real whisper.cpp and a model that always returns the same text.

use std::io::Write;

use speech::Hints;
use tempfile::NamedTempFile;
use testkit::ggml::{self, GgmlModel};

use super::*;

fn file(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn whisper(multilingual: bool) -> Whisper {
    let file = file(&ggml::model(&GgmlModel { multilingual }));
    let whisper = Whisper::start(file.path(), 2).unwrap();
    // The file is never deleted: on a slow machine the loading thread may not have opened it yet.
    std::mem::forget(file.into_temp_path());
    whisper
}

fn speech(seconds: usize) -> Vec<f32> {
    (0..seconds * 16_000).map(|n| (n as f32 * 0.05).sin() * 0.3).collect()
}

fn language(hint: &str) -> Hints {
    Hints { language: Some(hint.to_owned()) }
}

#[tokio::test]
async fn transcript_has_lines_and_words_with_times() {
    let transcript = whisper(false).transcribe(Audio::new(&speech(40)), &Hints::default()).await.unwrap();
    assert_eq!(transcript.language.as_deref(), Some("en"));
    let lines: Vec<_> = transcript.lines.iter().map(|l| (l.start_ms, l.end_ms, l.text.as_str())).collect();
    assert_eq!(lines, [(0, 1000, ggml::TEXT), (30_000, 31_000, ggml::TEXT)], "it processes windows of thirty seconds");
    let words = transcript.lines[1].words.as_ref().unwrap();
    assert_eq!(words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>(), ["Hello", "world."]);
    assert!(words.windows(2).all(|pair| pair[0].end_ms <= pair[1].start_ms));
    assert!(words.iter().all(|word| 30_000 <= word.start_ms && word.end_ms <= 40_000));
}

#[tokio::test]
async fn short_audio_is_transcribed_and_times_end_with_the_audio() {
    let transcript = whisper(false).transcribe(Audio::new(&speech(1)[..4000]), &Hints::default()).await.unwrap();
    assert_eq!(transcript.lines.len(), 1);
    assert_eq!((transcript.lines[0].start_ms, transcript.lines[0].end_ms), (0, 250));
}

#[tokio::test]
async fn language_is_hinted_or_detected() {
    let whisper = whisper(true);
    let detected = whisper.transcribe(Audio::new(&speech(1)), &Hints::default()).await.unwrap();
    assert_eq!((detected.language.as_deref(), detected.lines.len()), (Some(ggml::DETECTED_LANGUAGE), 1));
    let hinted = whisper.transcribe(Audio::new(&speech(1)), &language("es-MX")).await.unwrap();
    assert_eq!(hinted.language.as_deref(), Some("es"));
    let open = whisper.transcribe(Audio::new(&speech(1)), &language("und")).await.unwrap();
    assert_eq!(open.language.as_deref(), Some(ggml::DETECTED_LANGUAGE));
    assert!(whisper.capabilities().languages.include("cy") && !whisper.capabilities().languages.include("tlh"));
}

#[tokio::test]
async fn english_model_refuses_other_languages() {
    let refused = whisper(false).transcribe(Audio::new(&speech(1)), &language("es")).await.unwrap_err();
    assert_eq!(refused.retry, RetryClass::Misconfigured);
    assert_eq!(refused.detail, "whisper: this model does not understand `es`");
}

#[tokio::test]
async fn concurrent_calls_do_not_affect_each_other() {
    let whisper = Arc::new(whisper(false));
    let calls: Vec<_> = [1, 35, 2, 62, 3, 31]
        .into_iter()
        .map(|seconds| {
            let whisper = Arc::clone(&whisper);
            tokio::spawn(async move {
                whisper.transcribe(Audio::new(&speech(seconds)), &Hints::default()).await.unwrap().lines.len()
            })
        })
        .collect();
    let mut lines = Vec::new();
    for call in calls {
        lines.push(call.await.unwrap());
    }
    assert_eq!(lines, [1, 2, 1, 3, 1, 2]);
    assert_eq!(whisper.capabilities().concurrency, 2);
    assert!(whisper.model.model().await.unwrap().states().len() <= 2);
}

#[test]
fn file_that_is_not_a_model_is_refused_at_the_start() {
    for bytes in [&b"RIFF\x00\x00\x00\x00WAVE"[..], b"lm", b"lmgg\xff\xff\xff\xff", b""] {
        let file = file(bytes);
        let refused = Whisper::start(file.path(), 1).err().unwrap().to_string();
        assert!(refused.contains("is no model for whisper.cpp: expected a file in its ggml format"), "{refused}");
    }
    let mut float_weights = ggml::model(&GgmlModel { multilingual: false });
    float_weights[44] = 0;
    let refused = Whisper::start(file(&float_weights).path(), 1).err().unwrap().to_string();
    assert!(refused.contains("has weights of 32 bits, which whisper.cpp cannot compute with"), "{refused}");
    let refused = Whisper::start(Path::new("/nowhere/ggml.bin"), 1).err().unwrap().to_string();
    assert!(refused.starts_with("the model /nowhere/ggml.bin cannot be read: No such file"), "{refused}");
}

#[tokio::test]
async fn truncated_model_is_reported_as_misconfigured() {
    let whole = ggml::model(&GgmlModel { multilingual: false });
    let file = file(&whole[..whole.len() / 2]);
    let whisper = Whisper::start(file.path(), 1).unwrap();
    let refused = whisper.transcribe(Audio::new(&speech(1)), &Hints::default()).await.unwrap_err();
    assert_eq!(refused.retry, RetryClass::Misconfigured);
    assert_eq!(whisper.ready().await.unwrap_err(), refused);
}
