//! The server's API as the commands use it: a request, and an answer that is either what was asked for or a message.

mod answer;
pub mod conversations;
pub mod jobs;
pub mod limits;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use engine::ports::{Answer, Body, Http, HttpError, Method, Request};
use serde_json::Value;
use sha2::{Digest, Sha256};

pub use answer::judge;
pub use tokens::{Claims, Tokens, checked};

use crate::messages::Message;

/// The limit of a whole request. A page of conversations may be several megabytes on a slow line.
const TIMEOUT: Duration = Duration::from_secs(120);
/// The most bytes of an answer: 5,000 lines with the times of each word take about 20 MB.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// A request that only reads is sent once more if the connection broke: the server may have been restarted.
const READ_ATTEMPTS: usize = 2;

/// A server, and the way to it.
pub struct Api {
    http: Arc<dyn Http>,
    /// The address without a slash at its end.
    server: String,
    tokens: Arc<Tokens>,
}

impl Api {
    pub fn new(http: Arc<dyn Http>, server: String, tokens: Tokens) -> Self {
        Self { http, server, tokens: Arc::new(tokens) }
    }

    /// What the device engine shares with these requests: connections and tokens.
    pub fn shared(&self) -> (Arc<dyn Http>, Arc<Tokens>) {
        (Arc::clone(&self.http), Arc::clone(&self.tokens))
    }

    pub fn server(&self) -> &str {
        &self.server
    }

    /// Who the token says that the user is.
    pub async fn claims(&self) -> Result<Claims, Message> {
        Ok(Claims::of(&self.tokens.current().await?))
    }

    /// Stands for a token that names no user.
    pub async fn token_digest(&self) -> Result<String, Message> {
        let digest = Sha256::digest(self.tokens.current().await?.as_bytes());
        Ok(digest[..8].iter().map(|byte| format!("{byte:02x}")).collect())
    }

    pub async fn get(&self, path: &str) -> Result<Value, Message> {
        self.call(Method::Get, path).await
    }

    pub async fn call(&self, method: Method, path: &str) -> Result<Value, Message> {
        let answer = self.answer(method, path).await?;
        judge(&self.server, path, &answer)
    }

    /// The answer, whatever its status. A token that is refused is replaced once, if there is a way to another one.
    async fn answer(&self, method: Method, path: &str) -> Result<Answer, Message> {
        let token = self.tokens.current().await?;
        let answer = self.send(method, path, Some(&token)).await?;
        if answer.status != 401 {
            return Ok(answer);
        }
        match self.tokens.another().await? {
            Some(token) => self.send(method, path, Some(&token)).await,
            None => Ok(answer),
        }
    }

    /// A request without a token, for the routes of operation.
    pub async fn open(&self, path: &str) -> Result<Answer, Message> {
        self.send(Method::Get, path, None).await
    }

    async fn send(&self, method: Method, path: &str, token: Option<&str>) -> Result<Answer, Message> {
        let attempts = if method == Method::Get { READ_ATTEMPTS } else { 1 };
        for left in (0..attempts).rev() {
            match self.http.send(self.request(method, path, token)).await {
                Err(HttpError::Broken(_)) if left > 0 => {}
                sent => return sent.map_err(|error| self.no_answer(error)),
            }
        }
        Err(Message::Timeout { server: self.server.clone() })
    }

    fn request(&self, method: Method, path: &str, token: Option<&str>) -> Request {
        let mut headers = vec![("accept", "application/json".to_owned())];
        headers.extend(token.map(|token| ("authorization", format!("Bearer {token}"))));
        Request {
            method,
            url: format!("{}{path}", self.server),
            headers,
            body: Body::empty(),
            timeout: TIMEOUT,
            max_answer_bytes: MAX_ANSWER_BYTES,
        }
    }

    fn no_answer(&self, error: HttpError) -> Message {
        let server = self.server.clone();
        match error {
            HttpError::Connect(why) => Message::Unreachable { server, why },
            HttpError::Timeout => Message::Timeout { server },
            HttpError::Certificate(why) => Message::Certificate { server, why },
            HttpError::Broken(why) => Message::Broken { server, why },
            // Only requests with a body read a file.
            HttpError::Source(error) => Message::Broken { server, why: error.to_string() },
        }
    }
}

/// Text as it stands in a query or a path.
pub fn escaped(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
