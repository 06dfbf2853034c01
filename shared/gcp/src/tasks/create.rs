//! Builds the requests that create tasks.

use std::time::Duration;

use domain::Timestamp;
use flow::ports::NewTask;
use google_cloud_tasks_v2::model::task::View;
use google_cloud_tasks_v2::model::{CreateTaskRequest, HttpMethod, HttpRequest, OidcToken, Task};
use google_cloud_wkt as wkt;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use super::settings::CloudTasksSettings;

/// The route of the process function; `shared/api/src/process.rs` has a constant of the same name.
pub const TASK_PATH: &str = "/v2/sync/process";
pub(super) const SECRET: &str = "X-Task-Secret";
/// Cloud Tasks accepts no task for more than 720 hours ahead; one hour is left for clocks that differ.
/// A task that comes too early is harmless: the job knows when it is due, and creates the next task.
const FARTHEST: Duration = Duration::from_secs(719 * 3600);

pub struct Creating {
    queue: String,
    url: String,
    secret: SecretString,
    oidc: Option<OidcToken>,
    dispatch_deadline: wkt::Duration,
}

impl Creating {
    pub fn new(settings: &CloudTasksSettings) -> Self {
        let oidc = settings.oidc.as_ref();
        let whole_seconds = i64::try_from(settings.dispatch_deadline.as_secs()).unwrap_or(i64::MAX);
        Self {
            queue: settings.queue.clone(),
            url: format!("{}{TASK_PATH}", settings.process_url.trim_end_matches('/')),
            secret: settings.secret.clone(),
            oidc: oidc.map(|oidc| {
                OidcToken::new().set_service_account_email(&oidc.service_account).set_audience(&oidc.audience)
            }),
            dispatch_deadline: wkt::Duration::clamp(whole_seconds, 0),
        }
    }

    pub fn request(&self, task: &NewTask, now: Timestamp) -> CreateTaskRequest {
        let made = Task::new()
            .set_name(format!("{}/tasks/{}", self.queue, task.name()))
            .set_http_request(self.http(task))
            .set_dispatch_deadline(self.dispatch_deadline)
            .set_or_clear_schedule_time(task.schedule.map(|at| moment(at.min(now + FARTHEST))));
        // Otherwise the answer may contain the headers, and the secret with them.
        CreateTaskRequest::new().set_parent(&self.queue).set_task(made).set_response_view(View::Basic)
    }

    fn http(&self, task: &NewTask) -> HttpRequest {
        let mut headers = vec![("Content-Type", "application/json"), (SECRET, self.secret.expose_secret())];
        // The value came from outside: if it is not a valid header, it is left out, and the task is created
        // all the same.
        if let Some(parent) = task.traceparent.as_deref().filter(|text| HeaderValue::from_str(text).is_ok()) {
            headers.push(("traceparent", parent));
        }
        let body = serde_json::json!({
            "job_id": task.body.job_id,
            "uid": task.body.uid,
            "dispatch": task.body.dispatch,
        });
        let request = HttpRequest::new()
            .set_url(&self.url)
            .set_http_method(HttpMethod::Post)
            .set_headers(headers)
            .set_body(body.to_string());
        match &self.oidc {
            Some(oidc) => request.set_oidc_token(oidc.clone()),
            None => request,
        }
    }
}

fn moment(at: Timestamp) -> wkt::Timestamp {
    let nanos = i32::try_from(at.millis().rem_euclid(1000) * 1_000_000).unwrap_or(0);
    wkt::Timestamp::clamp(at.millis().div_euclid(1000), nanos)
}
