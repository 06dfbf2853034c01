//! Sends silent push messages by Firebase Cloud Messaging, HTTP v1: one request for one device.

mod answer;
mod message;
mod settings;
mod token;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use domain::DeviceId;
use flow::ports::{Clock, Device, Push, PushMessage, PushOutcome};
use flow::{Error, Kind, Result};
use reqwest::{Client, Response};
use secrecy::ExposeSecret;

use crate::diagnosis::{Cause, Service, causes, token_words};
use crate::invalid_setting::InvalidSetting;
use flow::patience::TimedCall;

use answer::FcmAnswer;
pub use settings::FcmSettings;
pub use token::{AccessToken, GivenToken, GoogleToken};

const OPERATION: &str = "push.send";
/// The most bytes of an answer that are read. An answer has less than one KiB; only a proxy's error
/// page may be longer.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// The client's own time limit ends first, because its error says more.
const MARGIN: Duration = Duration::from_millis(100);

pub struct Fcm {
    settings: FcmSettings,
    url: String,
    service: Service,
    token: Arc<dyn AccessToken>,
    clock: Arc<dyn Clock>,
    /// Created with the first push, because it reads the TLS root certificates and a function starts faster
    /// without.
    client: OnceLock<Client>,
}

impl Fcm {
    pub fn new(
        settings: FcmSettings,
        token: Arc<dyn AccessToken>,
        clock: Arc<dyn Clock>,
    ) -> std::result::Result<Self, InvalidSetting> {
        let url = settings.url()?;
        Ok(Self { service: service(&settings), settings, url, token, clock, client: OnceLock::new() })
    }

    fn client(&self) -> std::result::Result<&Client, reqwest::Error> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = Client::builder()
            .connect_timeout(self.settings.connect)
            .timeout(self.settings.total)
            // The tokens of the device and of the server go to this address only.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(self.client.get_or_init(|| client))
    }

    async fn ask(&self, device: &Device, message: &PushMessage) -> Result<FcmAnswer> {
        let failed = |kind| Error::new(kind, OPERATION, &device.id);
        let bearer = self.token.bearer().await.map_err(|error| self.no_token(&device.id, error))?;
        let client = self.client().map_err(|error| failed(Kind::Misconfigured).because(error))?;
        let request = client.post(&self.url).bearer_auth(bearer.expose_secret());
        let sent = request.json(&message::body(&device.token, message)).send().await;
        let response = sent.map_err(|error| self.unanswered(&device.id, error))?;
        let (status, wait) = (response.status(), answer::retry_after(response.headers(), self.clock.now()));
        let body = read(response).await.map_err(|error| self.unanswered(&device.id, error))?;
        Ok(FcmAnswer { status, wait, body })
    }
}

impl Fcm {
    /// The address contains the project and no secret, but it is noise in every log line.
    fn unanswered(&self, device: &DeviceId, error: reqwest::Error) -> Error {
        let (kind, said) = (kind(&error), causes(&error.without_url()));
        let diagnosis = match kind {
            Kind::Unavailable => self.service.unreachable(said),
            _ => self.service.diagnosis(Cause::Away, said),
        };
        Error::new(kind, OPERATION, device).because(diagnosis)
    }

    fn no_token(&self, device: &DeviceId, error: Error) -> Error {
        let said = error.source.as_ref().map(|source| token_words(&**source)).unwrap_or_default();
        Error::new(error.kind, error.operation, device).because(self.service.no_token(said))
    }
}

/// Describes the service in error messages and remedies.
fn service(settings: &FcmSettings) -> Service {
    let project = &settings.project;
    Service {
        what: format!("push messages of project {project}"),
        address: settings.endpoint.clone(),
        emulated_by: None,
        project: Some(project.clone()),
        api: "fcm.googleapis.com",
        grant: format!(
            "grant roles/firebasecloudmessaging.admin on the project to the function's account: gcloud projects \
             add-iam-policy-binding {project} --member=serviceAccount:<account> \
             --role=roles/firebasecloudmessaging.admin"
        ),
        make: format!("add Firebase to the project: firebase projects:addfirebase {project}"),
    }
}

#[async_trait]
impl Push for Fcm {
    async fn send(&self, device: &Device, message: &PushMessage) -> Result<PushOutcome> {
        // The client has its own time limit, but getting the credentials before the request has none.
        let timed = TimedCall::begin(self.settings.total);
        let sent = self.send_within(timed.limit + MARGIN, device, message).await;
        timed.ended(&sent);
        sent
    }
}

impl Fcm {
    async fn send_within(&self, limit: Duration, device: &Device, message: &PushMessage) -> Result<PushOutcome> {
        let timed_out = |_| {
            let why = self.service.diagnosis(Cause::Away, "there was no answer in time");
            Err(Error::new(Kind::Unknown, OPERATION, &device.id).because(why))
        };
        let answer = tokio::time::timeout(limit, self.ask(device, message)).await.unwrap_or_else(timed_out)?;
        if answer.refuses_our_token() {
            // The access token may have expired or been revoked. The push is sent again later with another one.
            self.token.was_refused();
        }
        let outcome = answer.outcome(&device.token, &self.service);
        outcome.map_err(|(kind, why)| Error::new(kind, OPERATION, &device.id).because(why))
    }
}

/// The kind depends on whether the message may have been sent.
fn kind(error: &reqwest::Error) -> Kind {
    match error {
        error if error.is_connect() => Kind::Unavailable,
        error if error.is_builder() => Kind::Misconfigured,
        _ => Kind::Unknown,
    }
}

/// Reads the answer up to a limit; the rest is ignored.
async fn read(mut response: Response) -> std::result::Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        let room = MAX_ANSWER_BYTES - body.len();
        body.extend_from_slice(&piece[..piece.len().min(room)]);
        if body.len() == MAX_ANSWER_BYTES {
            break;
        }
    }
    Ok(body)
}

#[cfg(test)]
mod tests;
