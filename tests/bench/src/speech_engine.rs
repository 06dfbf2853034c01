//! Measures the embedded speech engines on real speech, on one core: how much faster than real time they are, and their
//! memory.
//!
//! Start it with `taskset -c 0`, so that no two threads of it run in parallel. It measures every matrix multiplication
//! that the machine supports; `AFTERWORD_ENGINE_ARITHMETIC` selects a single one.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use models::{ModelError, Models};
use speech::{Arithmetic, Audio, Engine, Hints, MoonshineFiles, SAMPLE_RATE, Settings};

use crate::report::Report;

const CLIPS: [(&str, &[u8]); 5] = [
    ("jfk", include_bytes!("../../fixtures/speech/audio_jfk_pcm16_16000_1_fs160_1748300000.bin")),
    ("ss0870", include_bytes!("../../fixtures/speech/audio_ss0870_pcm16_16000_1_fs160_1748300000.bin")),
    ("ss0880", include_bytes!("../../fixtures/speech/audio_ss0880_pcm16_16000_1_fs160_1748300000.bin")),
    ("ss0890", include_bytes!("../../fixtures/speech/audio_ss0890_pcm16_16000_1_fs160_1748300000.bin")),
    ("sonnet", include_bytes!("../../fixtures/speech/audio_sonnet_pcm16_16000_1_fs160_1748300000.bin")),
];
const ROUNDS: usize = 3;

pub async fn run(report: &mut Report) -> Result<()> {
    let arithmetics = match std::env::var("AFTERWORD_ENGINE_ARITHMETIC") {
        Ok(name) => vec![Arithmetic::named(&name)?],
        Err(_) => Arithmetic::of_this_machine(),
    };
    for size in ["tiny", "base"] {
        match files(size) {
            Ok(files) => {
                for way in &arithmetics {
                    engine(report, size, files, *way).await?;
                }
            }
            Err(why) if why.is_missing() => println!("speech: moonshine-{size} is left out: {why}"),
            Err(why) => return Err(why.into()),
        }
    }
    Ok(())
}

fn files(size: &str) -> Result<MoonshineFiles, ModelError> {
    let models = Models::new("");
    let [encoder, decoder, tokenizer] = models::moonshine(size);
    Ok(MoonshineFiles {
        encoder: models.bytes(&encoder)?,
        decoder: models.bytes(&decoder)?,
        tokenizer: models.bytes(&tokenizer)?,
    })
}

async fn engine(report: &mut Report, size: &str, files: MoonshineFiles, arithmetic: Arithmetic) -> Result<()> {
    let name = format!("moonshine-{size}");
    let began = Instant::now();
    let moonshine = Some(files);
    let settings = Settings { name: name.clone(), moonshine, parallelism: 1, arithmetic, ..Settings::default() };
    let name = format!("{name}, {arithmetic}");
    let engine = speech::select(&settings)?;
    // The first call waits until the model is loaded.
    engine.transcribe(Audio::new(&[0.0; 1_600]), &Hints::default()).await?;
    report.line(format!("speech: {name}, loaded after, ms"), began.elapsed().as_millis());
    report.line(format!("speech: {name}, memory after loading, MiB"), memory("VmRSS:")? >> 10);
    let (mut spoken, mut wall, mut cpu) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    for (id, recording) in CLIPS {
        let samples = samples(recording);
        let length = Duration::from_secs_f64(samples.len() as f64 / f64::from(SAMPLE_RATE));
        let (took, used) = best(&*engine, &samples).await?;
        report.line(format!("speech: {name}, {id}, {:.1} s, × real time", length.as_secs_f64()), ratio(length, took));
        (spoken, wall, cpu) = (spoken + length, wall + took, cpu + used);
    }
    report.line(format!("speech: {name}, all clips, × real time"), ratio(spoken, wall));
    report.line(format!("speech: {name}, all clips, × real time of processor"), ratio(spoken, cpu));
    report.line(format!("speech: {name}, memory at its highest, MiB"), memory("VmHWM:")? >> 10);
    Ok(())
}

/// The fastest of several rounds, and the least processor time of a round.
async fn best(engine: &dyn Engine, samples: &[f32]) -> Result<(Duration, Duration)> {
    let mut best = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let (began, used) = (Instant::now(), cpu()?);
        let transcript = engine.transcribe(Audio::new(samples), &Hints::default()).await?;
        anyhow::ensure!(!transcript.is_empty(), "nothing was heard");
        best = (best.0.min(began.elapsed()), best.1.min(cpu()? - used));
    }
    Ok(best)
}

fn ratio(spoken: Duration, took: Duration) -> String {
    format!("{:.1}", spoken.as_secs_f64() / took.as_secs_f64())
}

/// The samples of frames of 16-bit samples, each of which follows its length.
fn samples(recording: &[u8]) -> Vec<f32> {
    let (mut rest, mut samples) = (recording, Vec::new());
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (frame, after) = after.split_at(u32::from_le_bytes(*length) as usize);
        samples.extend(frame.as_chunks().0.iter().map(|two| f32::from(i16::from_le_bytes(*two)) / 32_768.0));
        rest = after;
    }
    samples
}

/// A figure that the kernel reports about this process, in KiB.
fn memory(name: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).context("status")?;
    Ok(line.split_whitespace().next().context("status")?.parse()?)
}

/// Processor time of this process, at a finer resolution than ticks.
fn cpu() -> Result<Duration> {
    let mut nanos = 0;
    for thread in std::fs::read_dir("/proc/self/task")? {
        let run = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        nanos += run.split_whitespace().next().context("schedstat")?.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanos))
}
