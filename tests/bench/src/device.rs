//! Measures the device engine: with many recordings in its index, and while it records.

#[path = "../../../client/engine/tests/scale/many.rs"]
#[allow(clippy::unwrap_used, reason = "it stands beside the tests of the engine, where a panic is the message")]
mod many;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use engine::State;
use engine::std_ports::block_on;

use crate::report::Report;

/// The frames of ten minutes of Opus.
const FRAMES: u32 = 60_000;

pub fn run(report: &mut Report) -> Result<()> {
    for (pending, synced) in [(10_000, 0), (10_000, 1_000_000)] {
        with_recordings(report, pending, synced)?;
    }
    while_recording(report)
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let done = work();
    (done, began.elapsed())
}

fn ms(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64() * 1e3)
}

fn with_recordings(report: &mut Report, pending: u64, synced: u64) -> Result<()> {
    let folder = tempfile::tempdir()?;
    many::fill(folder.path(), pending, synced);
    let ((engine, driver, requests), start) = timed(|| many::open(folder.path()));
    let (status, shown) = timed(|| engine.status());
    status?;
    let (page, listed) = timed(|| engine.list(Some(State::Pending), None, 100));
    page?;
    let closing = engine.clone();
    let runs = std::thread::spawn(move || block_on(driver.run()));
    let (asked, pass) = timed(|| requests.recv_timeout(Duration::from_secs(60)));
    asked.context("the engine asks nobody")?;
    closing.close();
    let (ended, closed) = timed(|| runs.join());
    ended.map_err(|_| anyhow!("the engine panicked"))?;
    let figures = [start, shown, listed, pass, closed].map(ms).join(" / ");
    report.line(
        format!(
            "device engine, {pending} recordings pending and {synced} synced: start / status / page of 100 / first request / \
             close, ms"
        ),
        figures,
    );
    Ok(())
}

/// Without the wait for the disk, which costs no processor: frames come faster than in real time.
fn while_recording(report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (engine, _driver, _) = many::open(folder.path());
    let mut recorder = many::recorder(&engine);
    let (recorded, took) =
        timed(|| (0..FRAMES).try_for_each(|number| recorder.record(&number.to_le_bytes().repeat(10), false)));
    recorded?;
    report.line("device engine: recording ten minutes of Opus, ms", ms(took));
    Ok(())
}
