//! Wake-ups for the process function, by Cloud Tasks.
//!
//! A task carries ids only. It is named, so that making it again is the same wake-up; a name stays taken for about an
//! hour after its task has run. Its 429s and 503s slow the whole queue, so the job and not the queue carries the retry
//! schedule.

mod create;
mod error;
mod retry;
mod settings;

use std::sync::Arc;

use async_trait::async_trait;
use flow::ports::{Clock, NewTask, Queue, Random, TaskName};
use flow::{Error, Kind, Result};
use google_cloud_auth::credentials::anonymous;
use google_cloud_gax::retry_policy::NeverRetry;
use google_cloud_tasks_v2::client::CloudTasks as Client;
use google_cloud_tasks_v2::model::task::View;
use tokio::sync::OnceCell;

use create::Creating;
use error::Failure;
use retry::Tries;
pub use settings::{CloudTasksSettings, TaskOidc};

use crate::trouble::Service;
use crate::unfit::Unfit;

const PRODUCTION: &str = "https://cloudtasks.googleapis.com";

pub struct CloudTasks {
    settings: CloudTasksSettings,
    service: Service,
    creating: Creating,
    tries: Tries,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// Made with the first call: a function starts without Google.
    client: OnceCell<Client>,
}

impl CloudTasks {
    pub fn new(
        settings: CloudTasksSettings,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> std::result::Result<Self, Unfit> {
        settings.check()?;
        let creating = Creating::new(&settings);
        let tries = Tries { deadline: settings.deadline, attempt: settings.attempt };
        Ok(Self { service: service(&settings), settings, creating, tries, clock, random, client: OnceCell::new() })
    }

    async fn client(&self) -> std::result::Result<&Client, Failure> {
        // What Google's libraries ask of the machine (a metadata server, a file) is no part of a try's own time.
        let made = tokio::time::timeout(self.settings.attempt, self.client.get_or_try_init(|| self.connect()));
        made.await.unwrap_or_else(|_| Err(Failure::new(Kind::Unavailable, "the credentials were not found in time")))
    }

    async fn connect(&self) -> std::result::Result<Client, Failure> {
        // Repeating is ours: one deadline over all tries, and each try is bounded.
        let mut builder = Client::builder().with_retry_policy(NeverRetry);
        if let Some(endpoint) = &self.settings.emulator {
            builder = builder.with_endpoint(endpoint).with_credentials(anonymous::Builder::new().build());
        }
        builder.build().await.map_err(|error| Failure::of_client(&error))
    }

    fn task(&self, name: &TaskName) -> String {
        format!("{}/tasks/{name}", self.settings.queue)
    }

    /// An error for callers. What only a person can mend is about the queue and not about one task: it names the queue.
    fn failed(&self, operation: &'static str, task: Option<&TaskName>, failure: Failure) -> Error {
        match task {
            Some(name) if failure.kind != Kind::Misconfigured => failure.at(operation, name, &self.service),
            _ => failure.at(operation, &self.settings.queue, &self.service),
        }
    }
}

/// What is known of the queue to whoever has to mend something.
fn service(settings: &CloudTasksSettings) -> Service {
    let queue = &settings.queue;
    let part = |at: usize| queue.split('/').nth(at).unwrap_or_default();
    let (project, location, name) = (part(1), part(3), part(5));
    let act = match &settings.oidc {
        Some(oidc) => format!(", and roles/iam.serviceAccountUser on {}", oidc.service_account),
        None => String::new(),
    };
    Service {
        what: format!("queue {queue}"),
        address: settings.emulator.clone().unwrap_or_else(|| PRODUCTION.to_owned()),
        emulated_by: settings.emulator.as_ref().map(|_| "CLOUD_TASKS_EMULATOR_HOST"),
        project: Some(project.to_owned()),
        api: "cloudtasks.googleapis.com",
        grant: format!(
            "grant roles/cloudtasks.enqueuer and roles/cloudtasks.viewer on the queue {name} to the function's account{act}"
        ),
        make: format!(
            "correct cloud.queue and cloud.location (AFTERWORD_CLOUD_QUEUE, AFTERWORD_CLOUD_LOCATION), or make it: gcloud \
             tasks queues create {name} --location={location} --project={project}"
        ),
    }
}

#[async_trait]
impl Queue for CloudTasks {
    async fn enqueue(&self, task: NewTask) -> Result<()> {
        let name = task.name();
        let request = &self.creating.request(&task, self.clock.now());
        let made = self.tries.run(&*self.clock, &*self.random, |limit| async move {
            let client = self.client().await?;
            let call = client.create_task().with_request(request.clone());
            match retry::bounded(call, limit).send().await {
                Ok(_) => Ok(()),
                Err(error) if error::is_already_there(&error) => Ok(()),
                Err(error) => Err(Failure::of(&error)),
            }
        });
        made.await.map_err(|failure| self.failed("queue.enqueue", Some(&name), failure))
    }

    async fn exists(&self, name: &TaskName) -> Result<bool> {
        let found = self.tries.run(&*self.clock, &*self.random, |limit| async move {
            let client = self.client().await?;
            // The view is said: the full one would need another permission, and would send the secret back.
            let call = client.get_task().set_name(self.task(name)).set_response_view(View::Basic);
            match retry::bounded(call, limit).send().await {
                Ok(_) => Ok(true),
                Err(error) if error::is_not_there(&error) => Ok(false),
                Err(error) => Err(Failure::of(&error)),
            }
        });
        found.await.map_err(|failure| self.failed("queue.exists", Some(name), failure))
    }

    /// Needs `cloudtasks.queues.get`. A paused queue is ready: it takes tasks.
    async fn ready(&self) -> Result<()> {
        let looked = self.tries.run(&*self.clock, &*self.random, |limit| async move {
            let client = self.client().await?;
            let call = client.get_queue().set_name(&self.settings.queue);
            retry::bounded(call, limit).send().await.map(drop).map_err(|error| Failure::of(&error))
        });
        looked.await.map_err(|failure| self.failed("queue.ready", None, failure))
    }
}

#[cfg(test)]
mod tests;
