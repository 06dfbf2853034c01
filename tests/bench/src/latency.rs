//! Measures one job at a time: from the first byte of the upload to `completed`.

use std::time::{Duration, Instant};

use anyhow::Result;
use hdrhistogram::Histogram;

use crate::client::{Client, recording};
use crate::program::Program;
use crate::report::Report;

const JOBS: u64 = 500;
const WARM_UP: u64 = 50;
/// The pause between two requests for the job.
const POLL: Duration = Duration::from_micros(500);

pub async fn run(report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let program = Program::start(folder.path(), &[])?;
    let client = Client::new(&program.url, &program.token("bench")?);
    let mut micros = Histogram::<u64>::new(3)?;
    for n in 0..JOBS + WARM_UP {
        let (name, bytes) = recording(n);
        let begin = Instant::now();
        let job = client.upload(&name, &bytes).await?;
        completed(&client, &job).await?;
        if n >= WARM_UP {
            micros.record(begin.elapsed().as_micros() as u64)?;
        }
    }
    let ms = |quantile: f64| micros.value_at_quantile(quantile) as f64 / 1e3;
    report.line(
        "latency: upload to completed (null engine), ms, p50 / p90 / p99",
        format!("{:.1} / {:.1} / {:.1}", ms(0.5), ms(0.9), ms(0.99)),
    );
    Ok(())
}

async fn completed(client: &Client, job: &str) -> Result<()> {
    loop {
        let (_, body) = client.get(&format!("/v2/sync/jobs/{job}")).await?;
        match body["status"].as_str() {
            Some("completed") => return Ok(()),
            Some("queued" | "processing") => tokio::time::sleep(POLL).await,
            _ => anyhow::bail!("the job did not complete: {body}"),
        }
    }
}
