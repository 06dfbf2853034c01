//! `afterword jobs`.

use std::collections::BTreeSet;

use serde_json::json;
use terminal::output::print;
use terminal::{Cell, Screen, Table, plain};

use super::job_words::{progress, style, waits_for};
use super::print::{self, ShowArgs};
use crate::api::jobs::{Job, WHOLE_ID};
use crate::connection::{ServerArgs, connect};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::local_server::LocalServers;
use crate::times::Zone;

/// The most jobs that are listed at once.
const MOST: u64 = 10_000;
/// The fewest digits of an id that a person is shown.
const FEWEST_DIGITS: usize = 8;

const EXAMPLES: &str = "\
Examples:
  afterword jobs                          the 20 newest jobs
  afterword jobs --status failed          what failed in the last 7 days
  afterword jobs --limit 500 --json       for a program";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Only jobs of this status, such as queued, processing, completed or failed; may repeat
    #[arg(long, value_name = "STATUS")]
    status: Vec<String>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=MOST))]
    limit: u64,
    #[command(flatten)]
    show: ShowArgs,
    #[command(flatten)]
    server: ServerArgs,
}

pub async fn run(args: &Args, local: &dyn LocalServers) -> Result<Exit, Failure> {
    let connection = connect(&args.server, local)?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let found = connection.api.jobs(&args.status, limit).await?;
    if args.show.json {
        print::json(&json!({"jobs": found.jobs, "more": found.more}))?;
        return Ok(Exit::Done);
    }
    let (zone, screen) = (Zone::new(args.show.utc), Screen::of_stdout());
    let mut table = Table::new(["JOB", "STATUS", "FILES", "SEGMENTS", "CREATED", "WAITS FOR"]).labelled(&[2, 3, 5]);
    let jobs: Vec<Job> = found.jobs.iter().map(|body| connection.api.read_job(body)).collect::<Result<_, _>>()?;
    let digits = if screen.width.is_some() { telling_digits(&jobs) } else { usize::MAX };
    for job in &jobs {
        table.row([
            Cell::new(plain(&job.job_id).chars().take(digits).collect::<String>()),
            Cell::styled(style(&job.status), plain(&job.status)),
            Cell::new(job.files.len().to_string()),
            Cell::new(progress(job)),
            Cell::new(zone.minute(job.created_at)),
            Cell::new(waits_for(job)),
        ]);
    }
    if table.is_empty() {
        terminal::output::tell(crate::PROGRAM, "there are no such jobs; they are kept for 7 days after their end");
        return Ok(Exit::Done);
    }
    print(table.render(screen))?;
    if found.more {
        terminal::output::tell(crate::PROGRAM, "there are more; --limit shows them");
    }
    Ok(Exit::Done)
}

/// How many digits of the ids tell these jobs apart. A person is shown no more, because every command takes them.
fn telling_digits(jobs: &[Job]) -> usize {
    let tells = |digits: &usize| {
        let beginnings: BTreeSet<String> = jobs.iter().map(|job| job.job_id.chars().take(*digits).collect()).collect();
        beginnings.len() == jobs.len()
    };
    (FEWEST_DIGITS..WHOLE_ID).find(tells).unwrap_or(WHOLE_ID)
}
