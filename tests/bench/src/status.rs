//! Measures whether reading a job is as fast with a million stored jobs as with a thousand.

use std::time::Instant;

use anyhow::Result;
use domain::accept::{Batch, Decision, Known, StagedFile, decide};
use domain::transition::Context;
use domain::{Job, JobId, Rules, Sha256Hex, Timestamp, Uid};
use hdrhistogram::Histogram;
use local::SqliteStore;
use uuid::Uuid;

use crate::client::Client;
use crate::program::Program;
use crate::report::Report;

const REQUESTS: u64 = 20_000;
const AT_ONCE: u64 = 2;
/// Rounds alternate between the two folders, so that changes in the machine's speed affect both.
const ROUNDS: u64 = 4;
const FEW: u64 = 1_000;
const MANY: u64 = 1_000_000;

pub async fn run(report: &mut Report) -> Result<()> {
    let few = Stored::prepare(FEW).await?;
    let many = Stored::prepare(MANY).await?;
    let mut micros = [Histogram::<u64>::new(3)?, Histogram::<u64>::new(3)?];
    for _ in 0..ROUNDS {
        for (stored, micros) in [&few, &many].into_iter().zip(&mut micros) {
            stored.measure(micros, REQUESTS / ROUNDS).await?;
        }
    }
    for (count, micros) in [FEW, MANY].iter().zip(&micros) {
        let ms = |quantile: f64| micros.value_at_quantile(quantile) as f64 / 1e3;
        report.line(
            format!("status: a request with {count} jobs stored, ms, p50 / p99"),
            format!("{:.2} / {:.2}", ms(0.5), ms(0.99)),
        );
    }
    let p99 = |i: usize| micros[i].value_at_quantile(0.99) as f64;
    report.line(format!("status: p99 with {MANY} jobs to p99 with {FEW}"), format!("{:.2}", p99(1) / p99(0)));
    Ok(())
}

struct Stored {
    client: Client,
    count: u64,
    _program: Program,
    _folder: tempfile::TempDir,
}

impl Stored {
    async fn prepare(count: u64) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // Starts and stops the server once, to create the folder and the tables.
        drop(Program::start(folder.path(), &[])?);
        let store = SqliteStore::open(&folder.path().join("store.db"), 1)?;
        store.bulk_load((0..count).map(job)).await?;
        drop(store);
        let program = Program::start(folder.path(), &[])?;
        let client = Client::new(&program.url, &program.token("bench")?);
        Ok(Self { client, count, _program: program, _folder: folder })
    }

    async fn measure(&self, micros: &mut Histogram<u64>, requests: u64) -> Result<()> {
        let mut workers = tokio::task::JoinSet::new();
        for worker in 0..AT_ONCE {
            let (client, count) = (self.client.clone(), self.count);
            workers.spawn(async move {
                let mut micros = Histogram::<u64>::new(3)?;
                // The requests jump over all jobs, so that no page is in the cache because of the request before.
                let mut n = worker;
                for _ in 0..requests / AT_ONCE {
                    n = (n * 6_364_136_223_846_793_005 % u64::MAX + 1_442_695_040_888_963_407) % count;
                    let begin = Instant::now();
                    let (status, _) = client.get(&format!("/v2/sync/jobs/{}", id(n))).await?;
                    anyhow::ensure!(status.is_success(), "{status}");
                    micros.record(begin.elapsed().as_micros() as u64)?;
                }
                Ok(micros)
            });
        }
        while let Some(done) = workers.join_next().await {
            micros.add(done??)?;
        }
        Ok(())
    }
}

/// Ids in random order, as real ones are.
fn id(n: u64) -> JobId {
    JobId(Uuid::new_v5(&Uuid::NAMESPACE_OID, &n.to_le_bytes()))
}

/// A finished job, within its retention; the larger `n`, the later the job.
fn job(n: u64) -> Job {
    let rules = Rules::default();
    let now = Timestamp::from_secs(4_000_000_000) + std::time::Duration::from_millis(n);
    let name = format!("audio_bench_pcm16_16000_1_fs160_{}.bin", 1_704_100_000 + n);
    let stream = domain::name::parse(&name).map(|name| name.stream).unwrap_or_else(|why| unreachable!("{why}"));
    let uid = Uid::new("bench").unwrap_or_else(|why| unreachable!("{why}"));
    let sha256 = Sha256Hex([n as u8; 32]);
    let file = StagedFile {
        name,
        blob: "uploads/bench/x".into(),
        size: 1,
        sha256,
        crc32c: 0,
        stream,
        captured_at: None,
        silent: None,
    };
    let batch =
        Batch { job_id: id(n), uid, files: vec![file], conversation_id: None, language: None, traceparent: None };
    let ctx = Context { now, rules: &rules, slot_free: true, slot_is_provisional: false };
    match decide(&batch, Known { recordings: vec![None], ..Known::default() }, ctx) {
        Decision::Create { job, .. } => domain::transition::create_finished(job, ctx),
        _ => unreachable!("no job is known"),
    }
}
