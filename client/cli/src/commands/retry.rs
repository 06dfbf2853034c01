//! `afterword retry`.

use terminal::output::{print_line, tell};

use super::each_job::{each, line};
use crate::api::Api;
use crate::connection::{ServerArgs, connect};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::local_server::LocalServers;
use crate::messages::Message;

/// The most jobs that are run again at once.
const MOST: usize = 10_000;

const EXAMPLES: &str = "\
Examples:
  afterword retry 8f0c 1a2b               run two jobs again for what they have not done
  afterword retry --all-failed            run everything again that failed and can be";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The ids of jobs, or their first digits
    #[arg(value_name = "JOB")]
    jobs: Vec<String>,
    /// All jobs that failed, or failed in part
    #[arg(long, conflicts_with = "jobs")]
    all_failed: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub async fn run(args: &Args, local: &dyn LocalServers) -> Result<Exit, Failure> {
    if args.jobs.is_empty() && !args.all_failed {
        return Err(Message::NoJobNamed.into());
    }
    let api = connect(&args.server, local)?.api;
    if args.all_failed {
        all_failed(&api).await
    } else {
        each(&args.jobs, async |given| retried(&api, given).await).await
    }
}

async fn retried(api: &Api, given: &str) -> Result<String, Message> {
    let id = api.job_id(given).await?;
    let job = api.retry_job(&id).await?;
    Ok(line(&api.read_job(&job)?))
}

async fn all_failed(api: &Api) -> Result<Exit, Failure> {
    let statuses = ["failed", "partial_failure"].map(str::to_owned);
    let found = api.jobs(&statuses, MOST).await?;
    let (mut again, mut left) = (0, 0);
    for body in &found.jobs {
        let job = api.read_job(body)?;
        match api.retry_job(&job.job_id).await {
            Ok(body) => {
                print_line(line(&api.read_job(&body)?))?;
                again += 1;
            }
            // Its audio is gone, or nothing about it may succeed: that is no failure of this command.
            Err(Message::Refused { .. } | Message::NoSuchJob { .. }) => left += 1,
            Err(message) => return Err(message.into()),
        }
    }
    let left = match left {
        0 => String::new(),
        left => format!("; {left} cannot be, because their audio is gone or no retry helps: send the recordings again"),
    };
    tell(crate::PROGRAM, format_args!("{again} jobs run again{left}"));
    Ok(Exit::Done)
}
