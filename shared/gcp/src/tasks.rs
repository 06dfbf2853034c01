//! Wakes the process function by tasks of Cloud Tasks.
//!
//! A task contains ids only. It has a name, so that creating it twice wakes the function once; a name
//! stays taken for about an hour after its task has run. Responses 429 and 503 slow down the whole
//! queue, so the retry schedule is kept in the job and not in the queue.

mod create;
mod error;
mod last_refusal;
mod settings;
mod target;
mod trial;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flow::ports::{Clock, NewTask, Queue, Random, TaskName};
use flow::{Error, Kind, Result};
use google_cloud_auth::credentials::anonymous;
use google_cloud_gax::retry_policy::NeverRetry;
use google_cloud_tasks_v2::client::CloudTasks as Client;
use google_cloud_tasks_v2::model::task::View;

use create::Creating;
use error::Failure;
use last_refusal::LastRefusal;
pub use settings::{CloudTasksSettings, TaskOidc};
pub use target::Target;
pub use trial::Trial;

use crate::diagnosis::Service;
use crate::invalid_setting::InvalidSetting;
use crate::reconnect::Reconnect;
use crate::retry_policy::{CallPolicy, RetryPolicy, Retrying, TimeoutError};

const PRODUCTION: &str = "https://cloudtasks.googleapis.com";

/// The most tries, including the first.
const TRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

pub struct CloudTasks {
    settings: CloudTasksSettings,
    service: Service,
    creating: Creating,
    policy: CallPolicy,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// Created with the first call, so that a function starts without Google.
    client: Reconnect<Client>,
    last_refusal: LastRefusal,
}

impl CloudTasks {
    pub fn new(
        settings: CloudTasksSettings,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> std::result::Result<Self, InvalidSetting> {
        settings.check()?;
        let creating = Creating::new(&settings);
        let retry = RetryPolicy {
            tries: TRIES,
            total: settings.deadline,
            first_pause: FIRST_PAUSE,
            longest_pause: settings.deadline,
        };
        let policy = CallPolicy { attempt: settings.attempt, retry };
        Ok(Self {
            service: service(&settings),
            settings,
            creating,
            policy,
            clock,
            random,
            client: Reconnect::default(),
            last_refusal: LastRefusal::default(),
        })
    }

    async fn client(&self) -> std::result::Result<Arc<Client>, Failure> {
        // Google's libraries may read the metadata server or a file here. That does not count towards the time
        // of a try.
        let made = tokio::time::timeout(self.settings.attempt, self.client.get(async || self.connect().await));
        made.await.unwrap_or_else(|_| Err(Failure::new(Kind::Unavailable, "the credentials were not found in time")))
    }

    async fn connect(&self) -> std::result::Result<Client, Failure> {
        // Retries are our own, with one deadline for all tries and a limit for each.
        let mut builder = Client::builder().with_retry_policy(NeverRetry);
        if let Some(endpoint) = &self.settings.emulator {
            builder = builder.with_endpoint(endpoint).with_credentials(anonymous::Builder::new().build());
        }
        builder.build().await.map_err(|error| Failure::of_client(&error))
    }

    fn task(&self, name: &TaskName) -> String {
        format!("{}/tasks/{name}", self.settings.queue)
    }

    async fn create(&self, call: &Call<'_>, task: &NewTask) -> Result<()> {
        let request = self.creating.request(task, self.clock.now());
        let make = || async {
            let client = call.client().await?;
            match client.create_task().with_request(request.clone()).send().await {
                Ok(_) => Ok(()),
                Err(error) if error::is_already_there(&error) => Ok(()),
                Err(error) => Err(call.refused(&client, &error)),
            }
        };
        self.tries().run(call, make).await
    }

    fn tries(&self) -> Retrying<'_> {
        Retrying { policy: &self.policy, clock: &*self.clock, random: &*self.random }
    }

    fn call<'a>(&'a self, operation: &'static str, task: Option<&'a TaskName>) -> Call<'a> {
        Call { queue: self, operation, task }
    }
}

/// The operation that a request belongs to.
#[derive(Clone, Copy)]
struct Call<'a> {
    queue: &'a CloudTasks,
    operation: &'static str,
    task: Option<&'a TaskName>,
}

impl Call<'_> {
    /// Builds the error for callers. A problem that only a person can solve concerns the whole queue, so
    /// the error then names the queue instead of the task.
    fn failed(&self, failure: Failure) -> Error {
        let service = &self.queue.service;
        match self.task {
            Some(name) if failure.kind != Kind::Misconfigured => failure.at(self.operation, name, service),
            _ => failure.at(self.operation, &self.queue.settings.queue, service),
        }
    }

    async fn client(&self) -> Result<Arc<Client>> {
        self.queue.client().await.map_err(|failure| self.failed(failure))
    }

    /// Converts an error of Google's library. A client never renews credentials that failed permanently, so
    /// it is dropped and the next call creates another one.
    fn refused(&self, client: &Arc<Client>, error: &google_cloud_gax::error::Error) -> Error {
        if error::is_about_credentials(error) {
            self.queue.client.give_up(client);
        }
        self.failed(Failure::of(error))
    }
}

impl TimeoutError for Call<'_> {
    fn timed_out(&self, _: Duration) -> Error {
        self.failed(Failure::new(Kind::Unknown, "there was no answer in time"))
    }
}

/// Describes the queue in error messages and remedies.
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
        let made = self.create(&self.call("queue.enqueue", Some(&task.name())), &task).await;
        self.last_refusal.note(&made, self.clock.now());
        made
    }

    async fn exists(&self, name: &TaskName) -> Result<bool> {
        let call = self.call("queue.exists", Some(name));
        let find = || async {
            let client = call.client().await?;
            // The basic view is requested: the full one would need another permission and would return the secret.
            match client.get_task().set_name(self.task(name)).set_response_view(View::Basic).send().await {
                Ok(_) => Ok(true),
                Err(error) if error::is_not_there(&error) => Ok(false),
                Err(error) => Err(call.refused(&client, &error)),
            }
        };
        self.tries().run(&call, find).await
    }

    /// Needs `cloudtasks.queues.get`. A paused queue is ready, because it accepts tasks. A queue that has lately refused to
    /// create a task is not.
    async fn ready(&self) -> Result<()> {
        let call = self.call("queue.ready", None);
        let look = || async {
            let client = call.client().await?;
            let looked = client.get_queue().set_name(&self.settings.queue).send().await;
            looked.map(drop).map_err(|error| call.refused(&client, &error))
        };
        self.tries().run(&call, look).await?;
        match self.last_refusal.since(self.clock.now()) {
            Some(why) => Err(Error::new(Kind::Misconfigured, "queue.enqueue", &self.settings.queue).because(why)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
