//! Measures the word error rate of the whole chain: real recordings are uploaded over HTTP, and the resulting
//! conversations are compared with the reference texts. Each codec runs separately, with a user of its own.

mod clips;
mod long;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;
use testkit::wer::{Errors, errors, words};

use crate::client::Client;
use crate::program::Program;
use crate::report::Report;
pub use clips::{Clip, clips};

const LIMIT: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(50);

/// The encodings of the recordings, and the highest word error rate in percent that each may have.
const KINDS: [(&str, How, f64); 5] = [
    ("pcm16", How::Pcm16, 6.0),
    ("opus", How::Opus, 6.0),
    ("opus_fs320", How::OpusFs320, 6.0),
    ("pcm8", How::Pcm8, 7.0),
    ("pcm16, 42 dB quieter", How::Quiet, 8.0),
];

/// The environment variable that selects another engine than `auto` does.
const ENGINE: &str = "EVAL_ENGINE";

#[derive(Clone, Copy)]
pub enum How {
    Pcm16,
    Opus,
    OpusFs320,
    /// The upper byte of each sample.
    Pcm8,
    Quiet,
}

/// Prints each clip with its reference and its transcript. Returns an error if an encoding is worse than its limit.
pub async fn run(report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let engine = std::env::var(ENGINE).unwrap_or_else(|_| "auto".to_owned());
    let real = [("AFTERWORD_ENGINE_NAME", engine.as_str()), ("AFTERWORD_AUDIO_DETECTOR", "silero")];
    let program = Program::start(folder.path(), &real)?;
    let clips = clips()?;
    let mut bad = Vec::new();
    for (number, (name, how, most)) in KINDS.into_iter().enumerate() {
        println!("\n== {name}");
        let client = Client::new(&program.url, &program.token(&format!("user-{number}"))?);
        let begin = Instant::now();
        let errors = kind(&client, &clips, how).await?;
        let pace = clips.iter().map(|clip| clip.seconds).sum::<f64>() / begin.elapsed().as_secs_f64();
        let figure = format!(
            "{:.1} % of {} words ({} wrong), {pace:.0} × real time",
            errors.percent(),
            errors.words,
            errors.wrong
        );
        report.line(format!("words wrong: {name} (at most {most} %)"), figure);
        if errors.percent() > most {
            bad.push(name);
        }
    }
    report.line("memory of the server at its most, MiB", program.memory("VmHWM")? >> 20);
    long::run(report, &clips, &real).await?;
    anyhow::ensure!(bad.is_empty(), "too many words are wrong: {}", bad.join(", "));
    Ok(())
}

async fn kind(client: &Client, clips: &[Clip], how: How) -> Result<Errors> {
    let mut jobs = Vec::new();
    for clip in clips {
        let (name, bytes) = clip.recording(how)?;
        jobs.push(client.upload(&name, &bytes).await?);
    }
    for job in &jobs {
        wait(client, job).await?;
    }
    let (_, body) = client.get("/v2/conversations?limit=100").await?;
    let conversations = body["conversations"].as_array().context("no conversations")?;
    let mut all = Errors::default();
    for clip in clips {
        let heard = heard(conversations, &clip.id);
        let errors = errors(&words(&clip.text), &words(&heard));
        println!("{} {}/{} wrong\n  said:  {}\n  heard: {heard}", clip.id, errors.wrong, errors.words, clip.text);
        all.add(errors);
    }
    Ok(all)
}

async fn wait(client: &Client, job: &str) -> Result<()> {
    let begin = Instant::now();
    loop {
        let (_, body) = client.get(&format!("/v2/sync/jobs/{job}")).await?;
        match body["status"].as_str() {
            Some("completed") => return Ok(()),
            Some("queued" | "processing") if begin.elapsed() < LIMIT => tokio::time::sleep(POLL).await,
            _ => anyhow::bail!("the job did not complete: {body}"),
        }
    }
}

/// The whole transcript of a clip, which is found by its device name.
fn heard(conversations: &[Value], device: &str) -> String {
    let of_device = conversations.iter().filter(|conversation| conversation["device"] == device);
    let mut lines: Vec<&Value> =
        of_device.flat_map(|conversation| conversation["segments"].as_array()).flatten().collect();
    lines.sort_by_key(|line| line["start_ms"].as_u64());
    let texts: Vec<&str> = lines.iter().filter_map(|line| line["text"].as_str()).collect();
    texts.join(" ")
}
