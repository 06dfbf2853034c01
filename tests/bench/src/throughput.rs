//! Measures many jobs of many users: how many are accepted and completed per second, sustained.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::client::{Client, recording};
use crate::program::Program;
use crate::report::Report;

const JOBS: u64 = 6000;
const USERS: usize = 32;
const UPLOADS_AT_ONCE: usize = 32;
const LIMIT: Duration = Duration::from_secs(120);

pub async fn run(report: &mut Report, commits: f64) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let program = Program::start(folder.path(), &[("AFTERWORD_PROCESS_MAX_JOBS", "32")])?;
    let client = Client::new(&program.url, "");
    let users =
        (0..USERS).map(|n| Ok(client.as_user(&program.token(&format!("user-{n}"))?))).collect::<Result<Vec<_>>>()?;
    let users = Arc::new(users);
    let begin = Instant::now();
    upload_all(&users).await?;
    let uploaded = begin.elapsed();
    tokio::time::timeout(LIMIT, wait_for_all(&users)).await.context("the jobs are not completed in time")??;
    let took = begin.elapsed();
    let rate = JOBS as f64 / took.as_secs_f64();
    report.line(
        format!("throughput: jobs accepted and completed a second ({JOBS} jobs, {USERS} users, process.max_jobs 32)"),
        format!("{rate:.0}"),
    );
    report.line("throughput: of the disk's own commits a second, for each job", format!("{:.1}", commits / rate));
    report.line(
        "throughput: last upload accepted, last job completed, s",
        format!("{:.1}, {:.1}", uploaded.as_secs_f64(), took.as_secs_f64()),
    );
    report.line(
        "throughput: processor time of the server for each job, ms",
        format!("{:.2}", program.cpu()?.as_secs_f64() * 1e3 / JOBS as f64),
    );
    Ok(())
}

async fn upload_all(users: &Arc<Vec<Client>>) -> Result<()> {
    let next = Arc::new(AtomicU64::new(0));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..UPLOADS_AT_ONCE {
        let (next, users) = (Arc::clone(&next), Arc::clone(users));
        clients.spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= JOBS {
                    return anyhow::Ok(());
                }
                let (name, bytes) = recording(n);
                users[n as usize % users.len()].upload(&name, &bytes).await?;
            }
        });
    }
    while let Some(done) = clients.join_next().await {
        done??;
    }
    Ok(())
}

/// Waits for each user's jobs, of which none may fail.
async fn wait_for_all(users: &[Client]) -> Result<()> {
    for user in users {
        user.all_ended().await?;
    }
    Ok(())
}
