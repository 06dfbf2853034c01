//! Runs what a household needs in years through one server in an hour: many short jobs, kept for a minute only, while
//! backups are made one after the other. It shows whether memory, files and the database grow.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::time::sleep;

use crate::client::{Client, two_seconds};
use crate::program::{Program, executable};
use crate::report::Report;

const JOBS: u64 = 100_000;
const USERS: usize = 16;
/// A user waits for his own jobs after this many uploads, as devices do.
const ROUND: u64 = 50;
/// Figures are taken this often while the jobs run.
const SAMPLES: u64 = 10;
const MIB: f64 = 1024.0 * 1024.0;
const LIMIT: Duration = Duration::from_secs(3 * 3600);

pub async fn run(report: &mut Report) -> Result<()> {
    let jobs = std::env::var("LONG_RUN_JOBS").map_or(Ok(JOBS), |text| text.parse()).context("LONG_RUN_JOBS")?;
    let place = tempfile::tempdir()?;
    let data_dir = place.path().join("data");
    // A finished job stays for two minutes in all: of a run of an hour a thirtieth, as a week is of half a year.
    let short = [
        ("AFTERWORD_PROCESS_MAX_JOBS", "16"),
        ("AFTERWORD_JOBS_RETENTION_SECONDS", "60"),
        ("AFTERWORD_JOBS_EXPIRE_AFTER_CLEANUP_SECONDS", "60"),
        ("AFTERWORD_SWEEP_INTERVAL_SECONDS", "5"),
    ];
    let program = Program::start(&data_dir, &short)?;
    let stop = Arc::new(AtomicBool::new(false));
    let backups = tokio::spawn(back_up(data_dir.clone(), place.path().join("copy"), Arc::clone(&stop)));
    let began = Instant::now();
    let highest_log = upload_all(&program, &data_dir, jobs, report).await?;
    report.line(format!("long run: {jobs} jobs of two seconds, s"), format!("{:.0}", began.elapsed().as_secs_f64()));
    report.line("long run: largest write-ahead log, MiB", format!("{:.1}", highest_log as f64 / MIB));
    stop.store(true, Ordering::Relaxed);
    report.line("long run: backups made meanwhile", backups.await??);
    // What has to go is gone after a minute of retention, a minute after the clean-up, and two sweeps.
    sleep(Duration::from_secs(140)).await;
    let state = State::of(&program, &data_dir)?;
    report.line("long run: at rest", &state);
    drop(program);
    let kept = vacuumed(&data_dir)?;
    let excess = 100.0 * (state.database as f64 / kept as f64 - 1.0);
    report.line("long run: database above what is kept, % (limit 20)", format!("{excess:.1}"));
    report.line("long run: kept for ever by each recording, bytes", format!("{:.0}", kept as f64 / jobs as f64));
    Ok(())
}

/// Sends all jobs and waits for them; returns the largest size of the write-ahead log.
async fn upload_all(program: &Program, data_dir: &Path, jobs: u64, report: &mut Report) -> Result<u64> {
    let client = Client::new(&program.url, "");
    let ended = Arc::new(AtomicU64::new(0));
    let mut users = tokio::task::JoinSet::new();
    let each = jobs.div_ceil(USERS as u64);
    for user in 0..USERS as u64 {
        let client = client.as_user(&program.token(&format!("user-{user}"))?);
        users.spawn(one_user(client, user * each..jobs.min((user + 1) * each), Arc::clone(&ended)));
    }
    let (mut highest, mut sampled, began) = (0, 0, Instant::now());
    while !users.is_empty() {
        anyhow::ensure!(began.elapsed() < LIMIT, "the jobs are not completed after {LIMIT:?}");
        if let Some(done) = users.try_join_next() {
            done??;
        }
        let state = State::of(program, data_dir)?;
        highest = highest.max(state.log);
        let now = ended.load(Ordering::Relaxed);
        if now * SAMPLES / jobs > sampled {
            sampled = now * SAMPLES / jobs;
            report.line(format!("long run: after {now} jobs"), &state);
        }
        sleep(Duration::from_millis(200)).await;
    }
    Ok(highest)
}

async fn one_user(client: Client, numbers: std::ops::Range<u64>, ended: Arc<AtomicU64>) -> Result<()> {
    let mut sent = 0;
    for n in numbers {
        let (name, bytes) = two_seconds(n);
        client.upload(&name, &bytes).await?;
        sent += 1;
        if sent == ROUND {
            client.all_ended().await?;
            ended.fetch_add(std::mem::take(&mut sent), Ordering::Relaxed);
        }
    }
    client.all_ended().await?;
    ended.fetch_add(sent, Ordering::Relaxed);
    Ok(())
}

/// Makes backups one after the other, each into a new file, until it is told to stop. Returns how many it made.
async fn back_up(data_dir: PathBuf, to: PathBuf, stop: Arc<AtomicBool>) -> Result<u64> {
    let mut made = 0;
    while !stop.load(Ordering::Relaxed) {
        let (data_dir, to) = (data_dir.clone(), to.clone());
        tokio::task::spawn_blocking(move || one_backup(&data_dir, &to)).await??;
        made += 1;
    }
    Ok(made)
}

fn one_backup(data_dir: &Path, to: &Path) -> Result<()> {
    let output = Command::new(executable()?).arg("backup").arg(to).arg("--data-dir").arg(data_dir).output()?;
    anyhow::ensure!(output.status.success(), "the backup failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(std::fs::remove_file(to)?)
}

/// The size of the database after everything that is not kept was taken out.
fn vacuumed(data_dir: &Path) -> Result<u64> {
    let mut vacuum = Command::new(executable()?);
    vacuum.args(["vacuum", "--json", "--data-dir"]).arg(data_dir).stderr(Stdio::inherit());
    let output = vacuum.output()?;
    anyhow::ensure!(output.status.success(), "the vacuum failed");
    // It prints a line for each database.
    let mut kept = 0;
    for line in output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let line: Value = serde_json::from_slice(line).context("the vacuum did not print JSON")?;
        kept += line["bytes_after"].as_u64().context("the vacuum did not print the size of a database")?;
    }
    Ok(kept)
}

/// What the server uses at one time.
struct State {
    memory: u64,
    files: usize,
    threads: u64,
    database: u64,
    log: u64,
}

impl State {
    fn of(program: &Program, data_dir: &Path) -> Result<Self> {
        Ok(Self {
            memory: program.memory("VmRSS")?,
            files: program.open_files()?,
            threads: program.threads()?,
            database: size(data_dir, ".db")?,
            log: size(data_dir, ".db-wal")?,
        })
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, text: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { memory, files, threads, database, log } = self;
        let mib = |bytes: &u64| *bytes as f64 / MIB;
        write!(text, "memory {:.0} MiB, {files} files, {threads} threads, ", mib(memory))?;
        write!(text, "database {:.1} MiB, write-ahead log {:.1} MiB", mib(database), mib(log))
    }
}

/// The size of all files of the folder whose names end so.
fn size(folder: &Path, ending: &str) -> Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(ending) {
            sum += entry.metadata().map_or(0, |file| file.len());
        }
    }
    Ok(sum)
}
