//! Shared by the tests of cloud engines: settings, a local provider, and recordings.

use std::ops::ControlFlow;
use std::time::Duration;

use audio::{Cut, Packets, Span};
use testkit::Provider;
use testkit::provider::{ReceivedRequest, Reply};

use super::*;
use crate::engine::{Audio, EngineError, Frames, Hints, Transcript};

pub const KEY: &str = "key-of-nobody";

pub fn deepgram(url: &str) -> DeepgramSettings {
    DeepgramSettings {
        api_key: Some(KEY.into()),
        url: url.into(),
        model: "nova-3".into(),
        max_span: Duration::from_secs(300),
        concurrency: 8,
    }
}

pub fn http(url: &str) -> HttpSettings {
    HttpSettings {
        url: url.into(),
        api_key: Some(KEY.into()),
        model: "whisper-1".into(),
        max_span: Duration::from_secs(300),
        concurrency: 4,
        format: "auto".into(),
    }
}

pub fn settings() -> CloudSettings {
    CloudSettings { deepgram: deepgram("https://api.deepgram.com"), http: http("http://localhost:8000") }
}

pub type Replies = fn() -> Reply;

pub async fn provider(reply: impl Fn() -> Reply + Send + Sync + 'static) -> Provider {
    Provider::start(move |_: &ReceivedRequest| reply()).await
}

/// A second and a half of silence. The simulated provider ignores the audio.
pub static SILENCE: [f32; 24_000] = [0.0; 24_000];

pub async fn transcribe(
    engine: &dyn Engine,
    audio: Audio<'_>,
    language: Option<&str>,
) -> Result<Transcript, EngineError> {
    engine.transcribe(audio, &Hints { language: language.map(str::to_owned) }).await
}

const SPEECH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/speech");
const CLIP: &str = "audio_ss0880_opus_16000_1_fs160_1748300000.bin";

/// Packets of a device's recording.
pub fn packets(start_ms: u32, end_ms: u32) -> Packets {
    let mut found = None;
    let span = Span { start_ms, end_ms };
    let format = domain::name::parse(CLIP).unwrap().format;
    let bytes = std::fs::read(format!("{SPEECH}/{CLIP}")).unwrap();
    audio::cut_packets(&format, &mut &bytes[..], &domain::Levels::default(), &[span], &mut |_, cut| {
        found = Some(cut);
        ControlFlow::Continue(())
    })
    .unwrap();
    match found {
        Some(Cut::Packets(packets)) => packets,
        other => panic!("no packets: {other:?}"),
    }
}

pub fn opus(packets: &Packets) -> Audio<'_> {
    Audio::opus(Frames { packets: &packets.packets, lead: packets.lead }, packets.duration)
}

/// The same recording, decoded.
pub fn samples(start_ms: u32, end_ms: u32) -> Vec<f32> {
    let bytes = std::fs::read(format!("{SPEECH}/{CLIP}")).unwrap();
    read(CLIP, &bytes, start_ms, end_ms)
}

/// The samples of a file, decoded as an upload is.
pub fn read(name: &str, bytes: &[u8], start_ms: u32, end_ms: u32) -> Vec<f32> {
    let mut all = Vec::new();
    let format = domain::name::parse(name).unwrap().format;
    audio::cut(
        &format,
        &mut &bytes[..],
        &domain::Levels::default(),
        &[Span { start_ms, end_ms }],
        &mut |_, samples| {
            all = samples;
            ControlFlow::Continue(())
        },
    )
    .unwrap();
    all
}

/// Whether the samples are equal up to small differences: the decoder filters low frequencies, and `one` was filtered twice.
pub fn sound_alike(one: &[f32], other: &[f32]) -> bool {
    let energy = |samples: &mut dyn Iterator<Item = f32>| samples.map(|sample| sample * sample).sum::<f32>();
    let difference = energy(&mut one.iter().zip(other).map(|(one, other)| one - other));
    one.len() == other.len() && difference < 0.05 * energy(&mut other.iter().copied())
}
