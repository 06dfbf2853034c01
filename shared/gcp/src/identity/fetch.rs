//! Fetches a set of public keys over HTTP, within limits of size and time.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use http::HeaderMap;
use http::header::{AGE, CACHE_CONTROL};
use jsonwebtoken::DecodingKey;
use reqwest::{Client, Response};
use serde::Deserialize;
use url::Url;

use crate::diagnosis::causes;
use crate::invalid_setting::InvalidSetting;

/// The longest answer that is read. Google's sets have two or three keys and less than 3 KiB.
const MAX_BODY_BYTES: usize = 64 * 1024;
const MAX_KEYS: usize = 64;
const CONNECT: Duration = Duration::from_secs(2);
/// Keys are kept at least this long: fetching them with every request would make us as slow as their
/// server.
const MIN_FRESH: Duration = Duration::from_secs(60);
/// Keys are kept at most this long, whatever their server says, so that a revoked key is dropped some
/// day.
const MAX_FRESH: Duration = Duration::from_secs(24 * 3600);
/// How long keys are kept if their server says nothing.
const DEFAULT_FRESH: Duration = Duration::from_secs(3600);

pub struct Source {
    url: String,
    /// The time limit of one fetch, from its first byte to its last.
    limit: Duration,
    client: OnceLock<Client>,
}

pub struct Fetched {
    pub keys: HashMap<String, DecodingKey>,
    pub fresh_for: Duration,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Jwk>,
}

/// Other kinds of keys and unknown fields are ignored.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Jwk {
    kty: String,
    kid: String,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    n: String,
    e: String,
}

impl Source {
    /// Whoever can change the keys on their way can impersonate anybody, so only this machine may be asked
    /// over plain HTTP.
    pub fn new(url: String, limit: Duration) -> Result<Self, InvalidSetting> {
        let parsed =
            Url::parse(&url).map_err(|why| InvalidSetting::new("keys_url", format!("is no address ({why})")))?;
        let loopback = matches!(parsed.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        let fits = parsed.scheme() == "https" || parsed.scheme() == "http" && loopback;
        if !fits || !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(InvalidSetting::new(
                "keys_url",
                "has to begin with https:// and have neither user nor password",
            ));
        }
        if limit.is_zero() {
            return Err(InvalidSetting::new("keys_limit", "has to be above zero"));
        }
        Ok(Self { url, limit, client: OnceLock::new() })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Fetches the keys. An error is a text for the log.
    pub async fn fetch(&self) -> Result<Fetched, String> {
        let no_answer = |error: reqwest::Error| format!("no answer: {}", causes(&error.without_url()));
        let response = self.client().map_err(no_answer)?.get(&self.url).send().await.map_err(no_answer)?;
        if !response.status().is_success() {
            return Err(format!("the answer is {}", response.status()));
        }
        let fresh_for = fresh_for(response.headers());
        let body = read(response).await?;
        Ok(Fetched { keys: keys(&body)?, fresh_for })
    }

    fn client(&self) -> Result<&Client, reqwest::Error> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = Client::builder()
            .connect_timeout(CONNECT.min(self.limit))
            .timeout(self.limit)
            // A redirect is not followed, because only the configured address is trusted to name the keys.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(self.client.get_or_init(|| client))
    }
}

async fn read(mut response: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| format!("it broke off: {}", error.without_url()))? {
        if body.len() + piece.len() > MAX_BODY_BYTES {
            return Err(format!("the answer has more than {MAX_BODY_BYTES} bytes"));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn keys(body: &[u8]) -> Result<HashMap<String, DecodingKey>, String> {
    let set: KeySet = serde_json::from_slice(body).map_err(|_| "the answer is no set of keys".to_owned())?;
    let fits = |key: &Jwk| {
        let is = |field: &Option<String>, wanted| field.as_deref().is_none_or(|value| value == wanted);
        key.kty == "RSA" && !key.kid.is_empty() && is(&key.alg, "RS256") && is(&key.usage, "sig")
    };
    let usable = set.keys.into_iter().filter(fits).take(MAX_KEYS);
    let usable = usable.filter_map(|key| Some((key.kid, DecodingKey::from_rsa_components(&key.n, &key.e).ok()?)));
    let keys: HashMap<_, _> = usable.collect();
    if keys.is_empty() { Err("the answer has no key that can be used".to_owned()) } else { Ok(keys) }
}

/// How long the keys are fresh: `Cache-Control` and `Age` (RFC 9111), within our own limits.
fn fresh_for(headers: &HeaderMap) -> Duration {
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let directives = text(CACHE_CONTROL).unwrap_or_default().to_ascii_lowercase();
    let mut directives = directives.split(',').map(str::trim);
    let age = text(AGE).and_then(|age| age.trim().parse().ok()).unwrap_or(0);
    let max_age = directives.find_map(|directive| match directive.split_once('=') {
        Some(("max-age", seconds)) => seconds.trim_matches('"').parse::<u64>().ok(),
        _ => matches!(directive, "no-store" | "no-cache").then_some(0),
    });
    let fresh_for = max_age.map_or(DEFAULT_FRESH, |seconds| Duration::from_secs(seconds.saturating_sub(age)));
    fresh_for.clamp(MIN_FRESH, MAX_FRESH)
}
