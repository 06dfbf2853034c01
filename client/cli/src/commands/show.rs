//! `afterword show`.

use serde_json::Value;
use terminal::output::print;
use terminal::{Fields, Screen, Style, plain};

use super::job_words::{advice, file, progress, style, waits};
use super::print::{self, ShowArgs};
use crate::api::jobs::Job;
use crate::clock;
use crate::connection::{ServerArgs, connect};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::local_server::LocalServers;
use crate::times::Zone;

const EXAMPLES: &str = "\
Examples:
  afterword show 8f0c                     the job whose id begins with 8f0c
  afterword show 8f0c --json              everything that the server says about it";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The id of the job, or its first digits
    #[arg(value_name = "JOB")]
    job: String,
    #[command(flatten)]
    show: ShowArgs,
    #[command(flatten)]
    server: ServerArgs,
}

pub async fn run(args: &Args, local: &dyn LocalServers) -> Result<Exit, Failure> {
    let api = connect(&args.server, local)?.api;
    let body: Value = api.job(&api.job_id(&args.job).await?).await?;
    if args.show.json {
        print::json(&body)?;
        return Ok(Exit::Done);
    }
    let job = api.read_job(&body)?;
    let screen = Screen::of_stdout();
    print(about(&job, &Zone::new(args.show.utc)).render(screen))?;
    for one in &job.files {
        print(format_args!("\n{}\n", screen.styled(Style::Heading, &plain(&one.name))))?;
        print(about_file(one).render(screen))?;
    }
    Ok(Exit::Done)
}

fn about(job: &Job, zone: &Zone) -> Fields {
    let mut fields = Fields::default();
    fields.add("job", plain(&job.job_id));
    fields.styled("status", style(&job.status), plain(&job.status));
    fields.add("created", zone.second(job.created_at));
    fields.add("changed", zone.second(job.updated_at));
    job.completed_at.iter().for_each(|at| fields.add("finished", zone.second(*at)));
    fields.add("files", job.files.len().to_string());
    if job.total_segments > 0 {
        let failed = if job.failed_segments > 0 { format!(", {} failed", job.failed_segments) } else { String::new() };
        fields.add("segments", format!("{} processed{failed}", progress(job)));
    }
    if job.attempt > 1 {
        fields.add("attempt", job.attempt.to_string());
    }
    waits(job, zone, clock::now()).iter().for_each(|waits| fields.styled("waits for", Style::Warning, waits));
    if let Some(error) = &job.error {
        let (code, detail) = (plain(&error.code), plain(&error.detail));
        let advice = advice(&code).map(|advice| format!("; {advice}")).unwrap_or_default();
        fields.styled("error", Style::Bad, format!("{} ({code}){advice}", detail.trim_end_matches('.')));
        if error.retryable == Some(true) && advice.is_empty() {
            fields.add("to do", format!("afterword retry {}", plain(&job.job_id)));
        }
    }
    fields
}

fn about_file(one: &crate::api::jobs::File) -> Fields {
    let mut fields = Fields::default();
    let style = if one.code.is_some() && one.status == "done" { Style::Warning } else { style(&one.status) };
    fields.styled("  status", style, file(one));
    for id in &one.conversation_ids {
        fields.add("  text", format!("afterword transcripts {}", plain(id)));
    }
    fields
}
