//! Silent pushes by Firebase Cloud Messaging, HTTP v1: one request for one device.

mod answer;
mod message;
mod settings;
mod token;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use flow::ports::{Clock, Device, Push, PushMessage, PushOutcome};
use flow::{Error, Kind, Result};
use reqwest::{Client, Response};
use secrecy::ExposeSecret;

use answer::Heard;
pub use settings::{FcmSettings, UnfitFcm};
pub use token::{AccessToken, GivenToken, GoogleToken};

const OPERATION: &str = "push.send";
/// An answer has less than one KiB; a proxy's error page may have more, and is not wanted.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

pub struct Fcm {
    settings: FcmSettings,
    url: String,
    token: Arc<dyn AccessToken>,
    clock: Arc<dyn Clock>,
    /// Made with the first push: TLS roots are read, and a function starts without them.
    client: OnceLock<Client>,
}

impl Fcm {
    pub fn new(
        settings: FcmSettings,
        token: Arc<dyn AccessToken>,
        clock: Arc<dyn Clock>,
    ) -> std::result::Result<Self, UnfitFcm> {
        let url = settings.url()?;
        Ok(Self { settings, url, token, clock, client: OnceLock::new() })
    }

    fn client(&self) -> std::result::Result<&Client, reqwest::Error> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = Client::builder()
            .connect_timeout(self.settings.connect)
            .timeout(self.settings.total)
            // The token of a device and ours go to this address and to no other.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(self.client.get_or_init(|| client))
    }

    async fn ask(&self, device: &Device, message: &PushMessage) -> Result<Heard> {
        let failed = |kind| Error::new(kind, OPERATION, &device.id);
        let bearer = self.token.bearer().await.map_err(|error| Error { subject: device.id.to_string(), ..error })?;
        let client = self.client().map_err(|error| failed(Kind::Misconfigured).because(error))?;
        let request = client.post(&self.url).bearer_auth(bearer.expose_secret());
        let sent = request.json(&message::body(&device.token, message)).send().await;
        // The address names the project and no secret; but nobody needs it in every line.
        let response = sent.map_err(|error| failed(kind(&error)).because(error.without_url()))?;
        let (status, wait) = (response.status(), answer::retry_after(response.headers(), self.clock.now()));
        let body = read(response).await.map_err(|error| failed(Kind::Unknown).because(error.without_url()))?;
        Ok(Heard { status, wait, body })
    }
}

#[async_trait]
impl Push for Fcm {
    async fn send(&self, device: &Device, message: &PushMessage) -> Result<PushOutcome> {
        // The client has its own limit; the credentials before it have none.
        let limit = self.settings.total + Duration::from_secs(1);
        let late = |_| Err(Error::new(Kind::Unknown, OPERATION, &device.id).because("there was no answer in time"));
        let heard = tokio::time::timeout(limit, self.ask(device, message)).await.unwrap_or_else(late)?;
        if heard.is_about_us() {
            // Ours may be over, or withdrawn. The push is not: it is sent again with another one.
            self.token.was_refused();
            return Err(Error::new(Kind::Misconfigured, OPERATION, &device.id).because("our access token is not taken"));
        }
        heard.outcome(&device.token).map_err(|why| Error::new(Kind::Unknown, OPERATION, &device.id).because(why))
    }
}

/// Whether the message may have been sent.
fn kind(error: &reqwest::Error) -> Kind {
    match error {
        error if error.is_connect() => Kind::Unavailable,
        error if error.is_builder() => Kind::Misconfigured,
        _ => Kind::Unknown,
    }
}

/// What comes, up to a limit: the rest is not waited for.
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
