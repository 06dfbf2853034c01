//! Measures the memory that one long recording takes, beyond that of a server whose engine is warm.

use anyhow::{Context, Result};

use super::clips::Clip;
use super::{How, wait};
use crate::client::Client;
use crate::program::Program;
use crate::report::Report;

/// Just below the length up to which the first pass keeps decoded audio for the second one.
const KEPT_SECONDS: f64 = 590.0;
/// A recording of this length is decoded twice.
const LONG_SECONDS: f64 = 3600.0;
const MOST_MIB: u64 = 64;

pub async fn run(report: &mut Report, clips: &[Clip], engine: &[(&str, &str)]) -> Result<()> {
    for (what, seconds) in [("just under ten minutes", KEPT_SECONDS), ("an hour", LONG_SECONDS)] {
        let beyond = beyond(clips, engine, seconds).await? >> 20;
        report.line(format!("memory for one file of {what}, beyond the warm engine, MiB (at most {MOST_MIB})"), beyond);
        anyhow::ensure!(beyond <= MOST_MIB, "a file of {what} takes {beyond} MiB");
    }
    Ok(())
}

async fn beyond(clips: &[Clip], engine: &[(&str, &str)], seconds: f64) -> Result<u64> {
    let folder = tempfile::tempdir()?;
    let program = Program::start(folder.path(), engine)?;
    let client = Client::new(&program.url, &program.token("long")?);
    let clip = clips.iter().max_by(|a, b| a.seconds.total_cmp(&b.seconds)).context("no clips")?;
    let (name, bytes) = clip.recording(How::Opus)?;
    // The warm-up has eight segments, because the engine computes on every core at once.
    upload(&client, &name.replace("_1748300000", "_1748200000"), &bytes.repeat(2)).await?;
    program.forget_highest()?;
    let before = program.memory("VmRSS")?;
    let times = (seconds / clip.seconds) as usize;
    upload(&client, &name, &bytes.repeat(times)).await?;
    Ok(program.memory("VmHWM")?.saturating_sub(before))
}

async fn upload(client: &Client, name: &str, bytes: &[u8]) -> Result<()> {
    let job = client.upload(name, bytes).await?;
    wait(client, &job).await
}
