//! How fast uploads are taken in, beside a bare server that writes the same bytes to the same disk with the same fsync.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use tempfile::TempDir;

use crate::bare::Bare;
use crate::client::{Client, form};
use crate::program::Program;
use crate::report::Report;

/// Requests in flight.
const AT_ONCE: usize = 64;
/// Rounds that alternate between the two, so that a change of the machine's pace meets both.
const ROUNDS: u64 = 4;
const MIB: usize = 1 << 20;
/// A minute of PCM, an hour of Opus, a long talk: bytes of a file, and how many are sent in a round.
const SIZES: [(usize, u64); 3] = [(2 * MIB, 96), (8 * MIB, 32), (64 * MIB, 8)];

/// For the figure of memory: as many and as large as the suite's own load test.
const MANY: usize = 200;
const MANY_BYTES: usize = 5 * MIB;

pub async fn run(report: &mut Report) -> Result<()> {
    let mut folders = Vec::new();
    for (size, count) in SIZES {
        let (ours, bare) = compare(size, count, &mut folders).await?;
        let mib = |rate: f64| rate / MIB as f64;
        report.line(
            format!("uploads: {} MiB files, {AT_ONCE} at once, MiB a second, afterword / bare hyper", size / MIB),
            format!("{:.0} / {:.0}", mib(ours), mib(bare)),
        );
        report
            .line(format!("uploads: {} MiB files, afterword to bare hyper", size / MIB), format!("{:.2}", ours / bare));
    }
    memory(report).await
}

/// Bytes a second of both. The folders stay until the end: a file system that has just deleted much is slow to create.
async fn compare(size: usize, count: u64, folders: &mut Vec<TempDir>) -> Result<(f64, f64)> {
    let (mut ours, mut bare) = (Duration::ZERO, Duration::ZERO);
    for round in 0..ROUNDS {
        let (one, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
        ours += ours_round(one.path(), size, count, round).await?;
        bare += bare_round(other.path(), size, count, round).await?;
        folders.extend([one, other]);
    }
    let bytes = (size as u64 * count * ROUNDS) as f64;
    Ok((bytes / ours.as_secs_f64(), bytes / bare.as_secs_f64()))
}

/// What is accepted stays accepted: the worker is held up in its first engine call, so that it does not share the
/// processors with what is measured.
fn held_up(folder: &Path) -> Result<Program> {
    Program::start(folder, &[("AFTERWORD_PROCESS_MAX_JOBS", "1"), ("AFTERWORD_ENGINE_NULL_DELAY_MS", "600000")])
}

async fn ours_round(folder: &Path, size: usize, count: u64, round: u64) -> Result<Duration> {
    let program = held_up(folder)?;
    let client = Client::new(&program.url, &program.token("bench")?);
    // The one job that the worker gets hold of, before the clock runs.
    let (name, bytes) = crate::client::recording(0);
    client.upload(&name, &bytes).await?;
    timed(&client, size, count, round).await
}

async fn bare_round(folder: &Path, size: usize, count: u64, round: u64) -> Result<Duration> {
    let bare = Bare::start(folder)?;
    timed(&Client::new(&bare.url, "none"), size, count, round).await
}

/// Sends `count` files, `AT_ONCE` at a time.
async fn timed(client: &Client, size: usize, count: u64, round: u64) -> Result<Duration> {
    let content = content(size);
    let begin = Instant::now();
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..AT_ONCE as u64 {
        let (client, content) = (client.clone(), content.clone());
        workers.spawn(async move {
            for n in (worker..count).step_by(AT_ONCE) {
                let name =
                    format!("audio_bench_pcm16_16000_1_fs160_{}.bin", 1_704_100_000 + (round * count + n) * 10_000);
                client.send_form(form(&name, &content)).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = workers.join_next().await {
        done??;
    }
    Ok(begin.elapsed())
}

/// Speech at the beginning, then silence, in frames.
fn content(size: usize) -> Bytes {
    const FRAME: usize = 324;
    let mut bytes = audio::SAMPLE[..audio::SAMPLE.len().min(size) / FRAME * FRAME].to_vec();
    let mut silence = [0; FRAME];
    silence[..4].copy_from_slice(&320_u32.to_le_bytes());
    while bytes.len() + FRAME <= size {
        bytes.extend_from_slice(&silence);
    }
    bytes.into()
}

/// What the server holds for each request, at its worst.
async fn memory(report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let program = held_up(folder.path())?;
    let client = Client::new(&program.url, &program.token("bench")?);
    let content = content(MANY_BYTES);
    let idle = program.memory("VmRSS")?;
    let mut requests = tokio::task::JoinSet::new();
    for n in 0..MANY {
        let (client, content) = (client.clone(), content.clone());
        requests.spawn(async move {
            let name = format!("audio_bench_pcm16_16000_1_fs160_{}.bin", 1_704_100_000 + n * 10_000);
            client.send_form(form(&name, &content)).await
        });
    }
    while let Some(done) = requests.join_next().await {
        done??;
    }
    let each = program.memory("VmHWM")?.saturating_sub(idle) / MANY as u64;
    report.line(
        format!("uploads: memory of the server for each of {MANY} requests at once, KiB"),
        format!("{}", each / 1024),
    );
    Ok(())
}
