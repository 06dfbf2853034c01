//! Commands that do one thing to several jobs.

use terminal::output::{print_line, tell};
use terminal::plain;

use crate::api::jobs::Job;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::messages::Message;

/// Does this to each job, and prints the line that comes of it. A job that fails does not stop the others, unless the server
/// cannot be asked.
pub async fn each(jobs: &[String], action: impl AsyncFn(&str) -> Result<String, Message>) -> Result<Exit, Failure> {
    let mut exit = Exit::Done;
    for given in jobs {
        match action(given).await {
            Ok(line) => print_line(line)?,
            Err(message) if message.exit() != Exit::Waiting => {
                tell(crate::PROGRAM, format_args!("{}: {message}", plain(given)));
                exit = Exit::Failed;
            }
            Err(message) => return Err(message.into()),
        }
    }
    Ok(exit)
}

/// A job and its status.
pub fn line(job: &Job) -> String {
    format!("{}  {}", plain(&job.job_id), plain(&job.status))
}
