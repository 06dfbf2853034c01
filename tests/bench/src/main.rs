//! The benchmarks: the release program over real HTTP, with each figure beside the best that the same machine can do.

#![allow(clippy::disallowed_methods, reason = "a benchmark measures real time")]

mod audio;
mod bare;
mod client;
mod device;
mod disk;
mod eval;
mod latency;
mod long_run;
mod program;
mod report;
mod speech_engine;
mod start;
mod status;
mod throughput;
mod two_users;
mod uploads;

use anyhow::Result;
use report::Report;

/// `bench [name…]` runs all benchmarks, or those whose names begin so. `bench eval` measures the word error rate,
/// `bench long-run` sends 100,000 jobs through one server.
fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|prefix| name.starts_with(prefix.as_str()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let [argument, folder] = &wanted[..]
        && argument == bare::ARGUMENT
    {
        return runtime.block_on(bare::serve(folder.into()));
    }
    if let [argument, name] = &wanted[..]
        && argument == audio::ARGUMENT
    {
        return audio::listen_to(name);
    }
    let mut report = Report::begin();
    if wanted == ["eval"] {
        let evaluated = runtime.block_on(eval::run(&mut report));
        report.end();
        return evaluated;
    }
    if wanted == ["long-run"] {
        let finished = runtime.block_on(long_run::run(&mut report));
        report.end();
        return finished;
    }
    runtime.block_on(async {
        let commits = disk::commits_a_second()?;
        report.line("disk: full commits a second, one after the other", format!("{commits:.0}"));
        if wants("audio") {
            audio::run(&mut report)?;
        }
        if wants("speech") {
            speech_engine::run(&mut report).await?;
        }
        if wants("device") {
            device::run(&mut report)?;
        }
        if wants("start") {
            start::run(&mut report).await?;
        }
        if wants("latency") {
            latency::run(&mut report).await?;
        }
        if wants("throughput") {
            throughput::run(&mut report, commits).await?;
        }
        if wants("two") {
            two_users::run(&mut report).await?;
        }
        if wants("status") {
            status::run(&mut report).await?;
        }
        // This one runs last: it leaves many files to delete.
        if wants("uploads") {
            uploads::run(&mut report).await?;
        }
        anyhow::Ok(())
    })?;
    report.end();
    Ok(())
}
