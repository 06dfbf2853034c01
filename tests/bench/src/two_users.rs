//! Two users on one instance: one has uploaded six half-hour recordings, the other one uploads three seconds. Measures
//! how long the second user waits, and how much this delays the first.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::time::sleep;

use crate::client::Client;
use crate::eval::{Clip, How, clips};
use crate::program::Program;
use crate::report::Report;

const RECORDINGS: i64 = 6;
const SECONDS: f64 = 1800.0;
/// How often the second user uploads while the recordings of the first are processed.
const VISITS: u32 = 6;
const BETWEEN: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);
const LIMIT: Duration = Duration::from_secs(1800);

/// The results of one run.
struct Waits {
    first: Duration,
    waits: Vec<Duration>,
}

pub async fn run(report: &mut Report) -> Result<()> {
    let clips = clips()?;
    let alone = measure(&clips, 0).await?;
    let together = measure(&clips, VISITS).await?;
    let worst = together.waits.iter().max().copied().unwrap_or_default();
    let loss = together.first.as_secs_f64() / alone.first.as_secs_f64() - 1.0;
    report.line("two users: six half-hours alone, s", format!("{:.1}", alone.first.as_secs_f64()));
    report.line(
        format!("two users: three seconds beside six half-hours, worst of {VISITS}, s (goal 5)"),
        format!("{:.1}", worst.as_secs_f64()),
    );
    report.line("two users: what that costs the six half-hours, % (below 5)", format!("{:.1}", 100.0 * loss));
    Ok(())
}

async fn measure(clips: &[Clip], visits: u32) -> Result<Waits> {
    let folder = tempfile::tempdir()?;
    let real = [("AFTERWORD_ENGINE_NAME", "auto"), ("AFTERWORD_AUDIO_DETECTOR", "silero")];
    let program = Program::start(folder.path(), &real)?;
    let client = Client::new(&program.url, "");
    let (first, other) = (client.as_user(&program.token("first")?), client.as_user(&program.token("other")?));
    // The model is loaded before the measurement begins.
    let (name, bytes) = short(clips, -1)?;
    completed(&other, &other.upload(&name, &bytes).await?).await?;
    let began = Instant::now();
    let mut jobs = Vec::new();
    for n in 0..RECORDINGS {
        let (name, bytes) = long(clips, n)?;
        jobs.push(first.upload(&name, &bytes).await?);
    }
    let others = async {
        let mut waits = Vec::new();
        for visit in 0..visits {
            sleep(BETWEEN).await;
            let (name, bytes) = short(clips, i64::from(visit))?;
            let began = Instant::now();
            completed(&other, &other.upload(&name, &bytes).await?).await?;
            waits.push(began.elapsed());
        }
        anyhow::Ok(waits)
    };
    let firsts = async {
        for job in &jobs {
            completed(&first, job).await?;
        }
        anyhow::Ok(began.elapsed())
    };
    let (first, waits) = tokio::try_join!(firsts, others)?;
    Ok(Waits { first, waits })
}

/// Half an hour of speech as Opus, made by repeating the clips.
fn long(clips: &[Clip], n: i64) -> Result<(String, Vec<u8>)> {
    let clip = clips.iter().max_by(|a, b| a.seconds.total_cmp(&b.seconds)).context("no clips")?;
    let (name, bytes) = clip.recording(How::Opus)?;
    Ok((renamed(&name, 10_000 * (n + 1)), bytes.repeat((SECONDS / clip.seconds) as usize)))
}

/// A few seconds of speech.
fn short(clips: &[Clip], n: i64) -> Result<(String, Vec<u8>)> {
    let clip = clips.iter().min_by(|a, b| a.seconds.total_cmp(&b.seconds)).context("no clips")?;
    let (name, bytes) = clip.recording(How::Pcm16)?;
    Ok((renamed(&name, 1_000 * n), bytes))
}

/// The same file name, with a time this many seconds after the clips.
fn renamed(name: &str, seconds: i64) -> String {
    const CLIPS_AT: i64 = 1_748_300_000;
    name.replace(&CLIPS_AT.to_string(), &(CLIPS_AT + seconds).to_string())
}

async fn completed(client: &Client, job: &str) -> Result<()> {
    let began = Instant::now();
    loop {
        let (_, body) = client.get(&format!("/v2/sync/jobs/{job}")).await?;
        match body["status"].as_str() {
            Some("completed") => return Ok(()),
            Some("queued" | "processing") if began.elapsed() < LIMIT => sleep(POLL).await,
            _ => anyhow::bail!("the job did not complete: {body}"),
        }
    }
}
