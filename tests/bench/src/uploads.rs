//! Measures the speed of uploads, beside a bare server that writes the same bytes to the same disk with the same fsync.

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
/// Rounds alternate between the two servers, so that changes in the machine's speed affect both.
const ROUNDS: u64 = 4;
const MIB: usize = 1 << 20;
/// A minute of PCM, an hour of Opus, a long talk: bytes of a file, and the number of files in a round. A round takes at
/// least half a second: shorter ones measured how fast threads are started.
const SIZES: [(usize, u64); 3] = [(2 * MIB, 256), (8 * MIB, 64), (64 * MIB, 8)];

/// For the memory figure: as many and as large uploads as in the suite's own load test.
const MANY: usize = 200;
const MANY_BYTES: usize = 5 * MIB;

pub async fn run(report: &mut Report) -> Result<()> {
    for (size, count) in SIZES {
        let mut folders = Vec::new();
        let (ours, bare) = compare(size, count, &mut folders).await?;
        let what = format!("uploads: {} MiB files", size / MIB);
        report.line(
            format!("{what}, {AT_ONCE} at once, MiB a second, afterword / bare hyper"),
            format!("{:.0} / {:.0}", ours.pace(), bare.pace()),
        );
        report.line(format!("{what}, afterword to bare hyper"), format!("{:.2}", ours.pace() / bare.pace()));
        report.line(
            format!("{what}, processor time a MiB, ms, afterword / bare hyper"),
            format!("{:.2} / {:.2}", ours.cpu_ms(), bare.cpu_ms()),
        );
    }
    memory(report).await
}

/// The cost of receiving this many MiB.
#[derive(Default)]
struct Cost {
    mib: f64,
    time: Duration,
    cpu: Duration,
}

impl Cost {
    fn add(&mut self, bytes: u64, time: Duration, cpu: Duration) {
        self.mib += bytes as f64 / MIB as f64;
        self.time += time;
        self.cpu += cpu;
    }

    fn pace(&self) -> f64 {
        self.mib / self.time.as_secs_f64()
    }

    fn cpu_ms(&self) -> f64 {
        self.cpu.as_secs_f64() * 1000.0 / self.mib
    }
}

/// Measures both servers in alternating rounds. The folders are kept until the end, because a file system that has just
/// deleted much creates files slowly.
async fn compare(size: usize, count: u64, folders: &mut Vec<TempDir>) -> Result<(Cost, Cost)> {
    let (mut ours, mut bare) = (Cost::default(), Cost::default());
    for round in 0..ROUNDS {
        let (one, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
        ours_round(one.path(), size, count, round, &mut ours).await?;
        bare_round(other.path(), size, count, round, &mut bare).await?;
        folders.extend([one, other]);
    }
    Ok((ours, bare))
}

/// A server that accepts uploads while its worker hangs in the first engine call, so that the worker does not use the
/// processors during the measurement.
fn start_with_blocked_worker(folder: &Path) -> Result<Program> {
    Program::start(folder, &[("AFTERWORD_PROCESS_MAX_JOBS", "1"), ("AFTERWORD_ENGINE_NULL_DELAY_MS", "600000")])
}

async fn ours_round(folder: &Path, size: usize, count: u64, round: u64, cost: &mut Cost) -> Result<()> {
    let program = start_with_blocked_worker(folder)?;
    let client = Client::new(&program.url, &program.token("bench")?);
    // The only job that the worker gets; it is uploaded before the clock runs.
    let (name, bytes) = crate::client::recording(0);
    client.upload(&name, &bytes).await?;
    let before = program.cpu()?;
    let time = timed(&client, size, count, round).await?;
    cost.add(size as u64 * count, time, program.cpu()?.saturating_sub(before));
    Ok(())
}

async fn bare_round(folder: &Path, size: usize, count: u64, round: u64, cost: &mut Cost) -> Result<()> {
    let bare = Bare::start(folder)?;
    let client = Client::new(&bare.url, "none");
    let (name, bytes) = crate::client::recording(0);
    client.send_form(form(&name, &bytes)).await?;
    let before = bare.cpu()?;
    let time = timed(&client, size, count, round).await?;
    cost.add(size as u64 * count, time, bare.cpu()?.saturating_sub(before));
    Ok(())
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

/// Measures the peak memory that the server holds for each request.
async fn memory(report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let program = start_with_blocked_worker(folder.path())?;
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
