//! The whole chain from samples to text, as in a worker: both passes, with the real detector and the real engine.

use std::io::Cursor;
use std::ops::ControlFlow;
use std::sync::Arc;

use audio::{Detection, Input, SegmentRules, Verdict};
use models::Models;
use speech::{Audio, Engine, Hints, MoonshineFiles, Settings};

pub struct Chain {
    detection: Detection,
    engine: Arc<dyn Engine>,
    runtime: tokio::runtime::Handle,
}

impl Chain {
    pub fn new() -> Self {
        let models = Models::new("");
        let [encoder, decoder, tokenizer] = models::moonshine("tiny").map(|name| models.bytes(&name).unwrap());
        let settings = Settings {
            name: "moonshine-tiny".to_owned(),
            moonshine: Some(MoonshineFiles { encoder, decoder, tokenizer }),
            ..Settings::default()
        };
        Self {
            detection: Detection::silero(models.bytes(models::SILERO).unwrap()).unwrap(),
            engine: speech::select(&settings).unwrap(),
            runtime: tokio::runtime::Handle::current(),
        }
    }

    /// Transcribes the channels. It blocks, so it must not be called in a task of the runtime.
    pub fn text(&self, channels: &[Vec<f32>]) -> String {
        let name = format!("audio_x_pcm16_16000_{}_fs160_1748300000.bin", channels.len());
        let (format, bytes) = (domain::name::parse(&name).unwrap().format, frames(channels));
        let (survey, kept) = audio::survey(&format, Input::ranges(&mut Cursor::new(&bytes))).unwrap();
        let rules = SegmentRules::new(self.engine.capabilities().preferred_span);
        let mut again = Cursor::new(&bytes);
        let input = kept.as_ref().map_or_else(|| Input::ranges(&mut again), Input::from);
        let found = audio::analyse(survey, &format, input, &rules, &mut *self.detection.detector()).unwrap();
        if found.verdict() != Verdict::Speech {
            return String::new();
        }
        let mut text = String::new();
        let mut sink = |_, samples: Vec<f32>| {
            let transcript =
                self.runtime.block_on(self.engine.transcribe(Audio::new(&samples), &Hints::default())).unwrap();
            for line in transcript.lines {
                text.push_str(&line.text);
                text.push(' ');
            }
            ControlFlow::Continue(())
        };
        let mut again = Cursor::new(&bytes);
        audio::cut(&format, Input::ranges(&mut again), &found.levels, &found.segments, &mut sink).unwrap();
        text
    }
}

/// The file of a recording, with frames of 10 ms.
fn frames(channels: &[Vec<f32>]) -> Vec<u8> {
    let length = channels.iter().map(Vec::len).max().unwrap_or(0);
    let moment = |at: usize| channels.iter().map(move |channel| channel.get(at).copied().unwrap_or(0.0));
    let sample = |sample: f32| ((sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16).to_le_bytes();
    let bytes: Vec<u8> = (0..length).flat_map(moment).flat_map(sample).collect();
    let framed = |frame: &[u8]| [&u32::try_from(frame.len()).unwrap().to_le_bytes(), frame].concat();
    bytes.chunks(320 * channels.len()).flat_map(framed).collect()
}
