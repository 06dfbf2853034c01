//! `afterword admin`: shows and repairs jobs of a data folder from the command line, also while the server runs. Every
//! change is one command to the job's state machine, in one transaction of the store.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use config::{Config, Layers};
use domain::clock::earliest_plausible;
use domain::job::WaitingFor;
use domain::{Command, Job, JobId, Status, Timestamp, Uid};
use flow::ports::{At, Clock, JobQuery, JobStore, Page, Random, Stepped};
use local::store::damaged::{Damaged, Table};
use local::{DataFolder, SqliteStore};
use serde::Serialize;
use serde_json::json;
use system::output::print_line;
use system::{BUILT_AT, SystemClock, SystemRandom};

use crate::args::{Admin, AdminCommand};

struct AdminContext {
    store: Arc<SqliteStore>,
    config: Config,
}

pub fn run(args: Admin) -> Result<()> {
    let folder = DataFolder::open_shared(&args.data.data_dir)?.with_store()?;
    let config = Layers::of_process(args.config.as_deref())?.config()?;
    let store = Arc::new(SqliteStore::open_alongside(&folder.store_file(), 1)?);
    let admin = AdminContext { store, config };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let done = runtime.block_on(async {
        match args.command {
            AdminCommand::Jobs { uid, status, limit, json } => admin.jobs(uid, &status, limit, json).await,
            AdminCommand::Show { job_id } => admin.show(&job_id).await,
            AdminCommand::Redrive { job_id } => admin.redrive(&job_id).await,
            AdminCommand::Cancel { job_id } => admin.cancel(&job_id).await,
            AdminCommand::Damaged { limit, json } => admin.damaged(limit, json).await,
            AdminCommand::Remove { table, id, uid } => admin.remove(&table, &id, uid.as_deref()).await,
        }
    });
    done.map_err(|error| embedded::name_disk(folder.path(), error))
}

impl AdminContext {
    fn at(&self) -> At<'_> {
        At { now: SystemClock.now(), rules: &self.config.settings.rules }
    }

    /// Refuses a change while the clock is not set: a wrong time would be stored for good.
    async fn check_clock(&self) -> Result<()> {
        if self.config.server.trust_clock {
            return Ok(());
        }
        let (now, earliest) = (SystemClock.now(), earliest_plausible(BUILT_AT, self.store.newest_change().await?));
        ensure!(
            now.has_reached(earliest),
            "the clock is not set, and nothing was changed: it shows {now}, which is before {earliest}, when this program \
             was built or when the newest change was stored. Set the clock of this machine; if it is right and an earlier \
             one ran ahead, set server.trust_clock = true"
        );
        Ok(())
    }

    async fn job(&self, id: &str) -> Result<Job> {
        let id: JobId = id.parse()?;
        if let Some(job) = self.store.job(id).await? {
            return Ok(job);
        }
        match self.unreadable(Table::Jobs, &id.to_string(), None).await? {
            None => bail!("there is no job {id} in this data folder"),
            Some(Damaged { uid, why, .. }) => bail!(
                "job {id} of user {uid} cannot be read ({why}); its audio stays until it is removed: \
                 afterword admin remove {} {id}",
                Table::Jobs.name()
            ),
        }
    }

    async fn unreadable(&self, table: Table, id: &str, uid: Option<&str>) -> Result<Option<Damaged>> {
        let mut found = self.store.damaged(usize::MAX).await?;
        found.retain(|other| other.table == table && other.id == id && uid.is_none_or(|uid| other.uid == uid));
        if found.len() > 1 {
            bail!("several users have a document {id} in {}: name one with --uid", table.name());
        }
        Ok(found.pop())
    }

    async fn damaged(&self, limit: usize, json: bool) -> Result<()> {
        let found = self.store.damaged(limit).await?;
        if !json {
            print_line(format_args!("{:<18}  {:<43}  {:<20}  why", "table", "id", "user"))?;
        }
        for Damaged { table, uid, id, why, newer } in &found {
            let table = table.name();
            if json {
                print_line(json!({"table": table, "id": id, "uid": uid, "why": why, "newer": newer}))?;
            } else {
                print_line(format_args!("{table:<18}  {id:<43}  {uid:<20}  {why}"))?;
            }
        }
        Ok(())
    }

    async fn remove(&self, table: &str, id: &str, uid: Option<&str>) -> Result<()> {
        let table = Table::ALL.into_iter().find(|known| known.name() == table).with_context(|| {
            format!("`{table}` is not a table; there are {}", Table::ALL.map(Table::name).join(", "))
        })?;
        match self.unreadable(table, id, uid).await? {
            None => bail!("{} {id} is not there, or can be read; nothing was removed", table.name()),
            Some(Damaged { newer: true, why, .. }) => bail!("{} {id}: {why}; nothing was removed", table.name()),
            Some(damaged) => {
                ensure!(self.store.remove_damaged(&damaged).await?, "{} {id} has changed since", table.name());
                print_line(format_args!("{} {id} of user {} is removed", table.name(), damaged.uid))?;
                Ok(())
            }
        }
    }

    async fn jobs(&self, uid: Option<String>, statuses: &[String], limit: usize, json: bool) -> Result<()> {
        let statuses = statuses.iter().map(|text| parse_status(text)).collect::<Result<Vec<_>>>()?;
        let uid = uid.map(Uid::new).transpose()?;
        let jobs = match &uid {
            Some(uid) => {
                let all = JobQuery::all(uid, Page::first(limit), SystemClock.now());
                self.store.jobs(&JobQuery { statuses, ..all }).await?
            }
            None => self.store.all_jobs(&statuses, limit).await?,
        };
        if json {
            for job in jobs {
                print_line(serde_json::to_string(&without_upload_urls(job))?)?;
            }
            return Ok(());
        }
        print_line(format_args!(
            "{:<36}  {:<15}  {:<20}  {:>7}  {:>9}  {:<24}  {:<9}  {:<24}  next try",
            "job", "status", "user", "attempt", "segments", "due", "waits for", "since"
        ))?;
        for job in &jobs {
            print_line(row(job))?;
        }
        Ok(())
    }

    async fn show(&self, id: &str) -> Result<()> {
        let job = without_upload_urls(self.job(id).await?);
        Ok(print_line(serde_json::to_string_pretty(&Shown { waiting: waiting(&job), job: &job })?)?)
    }

    /// Retries a finished job for what is not done; wakes a waiting one. The server's next sweep picks it up.
    async fn redrive(&self, id: &str) -> Result<()> {
        self.check_clock().await?;
        let job = self.job(id).await?;
        let retried = match job.status {
            Status::Queued => job,
            _ => self.step(job.id, &Command::Retry { key: SystemRandom.nonce() }).await?,
        };
        let waits = retried.waits_for_slot();
        let job = if waits { retried } else { self.step(retried.id, &Command::Wake).await? };
        print_line(format_args!("{} is {}; the server takes it up with its next sweep", job.id, job.status.as_str()))?;
        Ok(())
    }

    async fn cancel(&self, id: &str) -> Result<()> {
        self.check_clock().await?;
        let job = self.job(id).await?;
        let job = self.step(job.id, &Command::Cancel).await?;
        // A refusal is fine: a job without audio need not be woken.
        let _ = self.store.step(job.id, &Command::Wake, self.at()).await?;
        print_line(format_args!("{} is {}; its audio goes with the server's next sweep", job.id, job.status.as_str()))?;
        Ok(())
    }

    async fn step(&self, id: JobId, command: &Command) -> Result<Job> {
        match self.store.step(id, command, self.at()).await? {
            Stepped::Done { job, .. } => Ok(job),
            Stepped::Refused { why, .. } => bail!("{id}: {why}"),
            Stepped::NoSuchJob => bail!("there is no job {id} in this data folder"),
        }
    }
}

fn parse_status(text: &str) -> Result<Status> {
    Status::parse(text).with_context(|| {
        let known: Vec<_> = Status::ALL.iter().map(|status| status.as_str()).collect();
        format!("`{text}` is not a status; there are {}", known.join(", "))
    })
}

/// Removes the addresses of an upload: an operator may pass the output on, and whoever knows an address may send bytes
/// to it.
fn without_upload_urls(mut job: Job) -> Job {
    job.files.iter_mut().filter_map(|file| file.upload.as_mut()).for_each(|upload| upload.url = None);
    job
}

fn row(job: &Job) -> String {
    let progress = job.progress();
    let segments = format!("{}/{}", progress.processed(), progress.total);
    let text = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    let (id, status, attempt, due) = (job.id, job.status.as_str(), job.attempt, text(job.due_at));
    let line = format!("{id:<36}  {status:<15}  {:<20}  {attempt:>7}  {segments:>9}  {due:<24}", job.uid);
    let Some(wait) = job.wait() else { return line.trim_end().to_owned() };
    let waits_for = wait.waiting_for.map_or("a retry", WaitingFor::as_str);
    let line = format!("{line}  {waits_for:<9}  {:<24}  {}", text(wait.since), text(wait.next_try));
    line.trim_end().to_owned()
}

/// A job with a sentence before it that says why it waits.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<String>,
    #[serde(flatten)]
    job: &'a Job,
}

/// Why the job waits, or why it was last put back before it failed. The cause is for the operator only.
fn waiting(job: &Job) -> Option<String> {
    let reason = job.wait_reason.as_ref();
    let mut sentence = match job.wait() {
        Some(wait) => {
            let mut sentence = format!("for {}", wait.waiting_for.map_or("its next try", WaitingFor::as_str));
            wait.since.iter().for_each(|at| sentence.push_str(&format!(" since {at}")));
            wait.next_try.iter().for_each(|at| sentence.push_str(&format!(", next try {at}")));
            format!("{sentence}: {}", wait.detail)
        }
        None => reason.map(|reason| format!("no longer; last put back at {}: {}", reason.at, reason.detail))?,
    };
    if let Some(cause) = reason.and_then(|reason| reason.cause.as_ref()) {
        sentence.push_str(&format!(" (cause: {cause})"));
    }
    Some(sentence)
}
