//! `afterword cancel`.

use super::each_job::{each, line};
use crate::api::Api;
use crate::connection::{ServerArgs, connect};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::local_server::LocalServers;
use crate::messages::Message;

const EXAMPLES: &str = "\
Text that a job has brought already stays, and the recordings on your device stay too.

Examples:
  afterword cancel 8f0c                   cancel the job whose id begins with 8f0c";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The ids of jobs, or their first digits
    #[arg(value_name = "JOB", required = true)]
    jobs: Vec<String>,
    #[command(flatten)]
    server: ServerArgs,
}

pub async fn run(args: &Args, local: &dyn LocalServers) -> Result<Exit, Failure> {
    let api = connect(&args.server, local)?.api;
    each(&args.jobs, async |given| cancelled(&api, given).await).await
}

async fn cancelled(api: &Api, given: &str) -> Result<String, Message> {
    let id = api.job_id(given).await?;
    Ok(line(&api.read_job(&api.cancel_job(&id).await?)?))
}
