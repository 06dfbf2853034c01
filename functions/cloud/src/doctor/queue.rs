//! The checks of the queue, of a task in it, and of whoever the tasks are delivered to.

use gcp::{Target, Trial};

use super::timed;
use crate::adapters::Adapters;
use crate::doctor::finding::Finding;
use crate::options::Options;

const SET_URL: &str =
    "set cloud.process_url (environment: AFTERWORD_CLOUD_PROCESS_URL) to the address of afterword-process";

/// A task is tried only where the queue answers.
pub async fn check(options: &Options, adapters: &Adapters) -> Vec<Finding> {
    let ready = timed(adapters.services.queue.ready()).await;
    let mut findings = vec![Finding::of(format!("Cloud Tasks: {}", options.queue()), &ready)];
    if ready.is_ok() {
        findings.push(trial(options, timed(adapters.queue.try_to_create()).await));
    }
    findings.push(target(options, adapters.queue.target().await));
    findings
}

fn trial(options: &Options, outcome: flow::Result<Trial>) -> Finding {
    let what = "Cloud Tasks: a task, created and deleted";
    let cloud = &options.config.cloud;
    match outcome {
        Ok(Trial::Deleted) => Finding::fine(what),
        Ok(Trial::Left { task, why }) => {
            let fact = format!("it was created, and could not be deleted: {why}");
            let id = task.rsplit('/').next().unwrap_or_default();
            let remedy = format!(
                "nothing has to be done: in 29 days it is delivered and skipped. To delete it now: gcloud tasks delete \
                 {id} --queue={} --location={} --project={}",
                cloud.queue, cloud.location, options.project
            );
            Finding::note(what, fact, remedy)
        }
        Err(error) => Finding::of::<()>(what, &Err(error)),
    }
}

fn target(options: &Options, target: Target) -> Finding {
    let cloud = &options.config.cloud;
    let url = &cloud.process_url;
    let what = format!("process function: {url}");
    let signs = !cloud.task_audience.is_empty();
    match target {
        Target::Process { needs_token } if needs_token == signs => Finding::fine(what),
        Target::Process { needs_token: true } => Finding::bad(
            what,
            "it requires signed tasks, and those from here are not signed",
            "set cloud.task_service_account and cloud.task_audience here as they are set there",
        ),
        Target::Process { needs_token: false } => Finding::note(
            what,
            "tasks from here are signed, and it does not require that",
            "set cloud.task_service_account and cloud.task_audience there as they are set here",
        ),
        Target::OtherSecret => Finding::bad(
            what,
            "it refuses the secret of the tasks",
            "set tasks.secret (environment: AFTERWORD_TASKS_SECRET) to the same value in both functions; while it is \
             rotated, the process function accepts the old one as tasks.previous_secret",
        ),
        Target::OtherFunction => {
            Finding::bad(what, "a program of afterword answers there, but not afterword-process", SET_URL)
        }
        Target::Closed { status } => Finding::note(
            what,
            format!(
                "the answer is {status}, and not from the function: only callers with a token of Google's get through"
            ),
            "so it cannot be asked from here. Deliveries need roles/run.invoker for cloud.task_service_account; whether they \
             arrive, the log of afterword-process says",
        ),
        Target::Stranger { status, said } => {
            Finding::bad(what, format!("another program answers there, with {status}: {said}"), SET_URL)
        }
        Target::Away { status, said } => Finding::bad(
            what,
            format!("the answer is {status}: {said}"),
            "look at its /readyz and its log; an instance that starts needs a minute",
        ),
        Target::Unreachable(why) => {
            Finding::bad(what, format!("no way to it: {why}"), format!("{SET_URL}, and see that it runs"))
        }
    }
}
