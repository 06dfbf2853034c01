//! Measures the time from exec to the first answer.

use std::time::Duration;

use anyhow::Result;

use crate::client::Client;
use crate::program::Program;
use crate::report::Report;

const STARTS: usize = 15;

pub async fn run(report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut times = Vec::new();
    for _ in 0..STARTS {
        times.push(once(folder.path()).await?);
    }
    // The first start created the folder, the keys and the tables.
    report.line("start: exec to first answer, new data folder, ms", format!("{:.1}", times[0].as_secs_f64() * 1e3));
    times.remove(0);
    times.sort_unstable();
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    report.line(
        "start: exec to first answer, ms, median (worst)",
        format!("{:.1} ({:.1})", median.as_secs_f64() * 1e3, worst.as_secs_f64() * 1e3),
    );
    Ok(())
}

async fn once(folder: &std::path::Path) -> Result<Duration> {
    let program = Program::start(folder, &[])?;
    Client::new(&program.url, "").get("/healthz").await?;
    Ok(program.spawned.elapsed())
}
