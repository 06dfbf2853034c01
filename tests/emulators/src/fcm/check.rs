//! Checks whether FCM would accept a request.

use std::collections::BTreeMap;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Uri};
use serde::Deserialize;
use serde_json::Value;

/// The limit of FCM for the data, keys and values together.
const MAX_DATA_BYTES: usize = 4096;

pub struct Refusal {
    pub status: u16,
    pub why: String,
}

fn refuse(status: u16, why: impl Into<String>) -> Result<(), Refusal> {
    Err(Refusal { status, why: why.into() })
}

pub fn head(method: &Method, uri: &Uri, headers: &HeaderMap, project: &str, access_token: &str) -> Result<(), Refusal> {
    let path = format!("/v1/projects/{project}/messages:send");
    if method != Method::POST || uri.path() != path || uri.query().is_some() {
        return refuse(404, format!("{method} {uri} is no address of this service"));
    }
    let bearer = headers.get_all(AUTHORIZATION).iter().map(|value| value.to_str().unwrap_or_default());
    if bearer.collect::<Vec<_>>() != [format!("Bearer {access_token}")] {
        return refuse(401, "the access token is not the one of this test");
    }
    match headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) {
        Some("application/json") => Ok(()),
        kind => refuse(400, format!("the body is {kind:?}")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    message: Message,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    token: String,
    data: BTreeMap<String, String>,
    android: Option<Android>,
    apns: Option<Apns>,
    webpush: Option<Webpush>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Android {
    collapse_key: Option<String>,
    priority: Option<String>,
    #[serde(rename = "ttl")]
    _ttl: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Apns {
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    payload: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Webpush {
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

pub fn body(text: &str) -> Result<(), Refusal> {
    let request: Request = match serde_json::from_str(text) {
        Ok(request) => request,
        Err(why) => return refuse(400, format!("Invalid JSON payload received. {why}")),
    };
    let Message { token, data, android, apns, webpush } = request.message;
    if token.is_empty() {
        return refuse(400, "the message has no target");
    }
    self::data(&data)?;
    if let Some(android) = android {
        self::android(&android)?;
    }
    if let Some(apns) = apns {
        self::apns(&apns)?;
    }
    webpush.map_or(Ok(()), |webpush| self::webpush(&webpush))
}

fn data(data: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let reserved = |key: &str| {
        ["from", "message_type", "collapse_key"].contains(&key)
            || ["google", "gcm"].iter().any(|it| key.starts_with(it))
    };
    if let Some(key) = data.keys().find(|key| reserved(key)) {
        return refuse(400, format!("Invalid data payload key: {key}"));
    }
    let bytes: usize = data.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > MAX_DATA_BYTES {
        return refuse(400, format!("Android message is too big: {bytes} bytes"));
    }
    Ok(())
}

fn android(android: &Android) -> Result<(), Refusal> {
    let priority = android.priority.as_deref().unwrap_or("normal");
    if !["normal", "high"].contains(&priority.to_ascii_lowercase().as_str()) {
        return refuse(400, format!("Invalid value at 'message.android.priority': {priority}"));
    }
    if android.collapse_key.as_ref().is_some_and(String::is_empty) {
        return refuse(400, "the collapse key is empty");
    }
    Ok(())
}

/// Apple's rules for a push that only wakes the app.
fn apns(apns: &Apns) -> Result<(), Refusal> {
    let background = apns.payload.get("aps").is_some_and(|aps| *aps == serde_json::json!({"content-available": 1}));
    let header = |name: &str| apns.headers.get(name).map(String::as_str);
    if !background {
        return refuse(400, "the payload for Apple is not that of a background push");
    }
    if header("apns-push-type") != Some("background") || header("apns-priority") != Some("5") {
        return refuse(400, "a background push has its type, and priority 5");
    }
    if header("apns-collapse-id").is_some_and(|id| id.len() > 64) {
        return refuse(400, "a collapse id has at most 64 bytes");
    }
    let known = ["apns-push-type", "apns-priority", "apns-collapse-id", "apns-expiration", "apns-topic"];
    match apns.headers.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => refuse(400, format!("Apple knows no header {name}")),
        None => Ok(()),
    }
}

/// RFC 8030, 5.2 to 5.4.
fn webpush(webpush: &Webpush) -> Result<(), Refusal> {
    for (name, value) in &webpush.headers {
        let fits = match name.as_str() {
            "TTL" => value.parse::<u32>().is_ok(),
            "Urgency" => ["very-low", "low", "normal", "high"].contains(&value.as_str()),
            "Topic" => value.len() <= 32 && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)),
            _ => false,
        };
        if !fits {
            return refuse(400, format!("no push service takes {name}: {value}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fine() -> Value {
        json!({"message": {
            "token": "x",
            "data": {"type": "y"},
            "android": {"priority": "HIGH", "collapseKey": "z", "ttl": "60s"},
            "apns": {
                "headers": {"apns-push-type": "background", "apns-priority": "5"},
                "payload": {"aps": {"content-available": 1}},
            },
            "webpush": {"headers": {"TTL": "60", "Urgency": "normal", "Topic": "z"}},
        }})
    }

    /// Otherwise a message that Google refuses would pass here.
    #[test]
    fn requests_that_google_refuses_are_refused() {
        assert!(body(&fine().to_string()).is_ok());
        let wrong = [
            ("/message/token", json!("")),
            ("/message/token", json!(null)),
            ("/message/data/type", json!(1)),
            ("/message/data", json!({"from": "x"})),
            ("/message/data", json!({"google.x": "x"})),
            ("/message/data", json!({"x": "x".repeat(4096)})),
            ("/message/android/priority", json!("urgent")),
            ("/message/android", json!({"colapseKey": "z"})),
            ("/message/apns/headers/apns-priority", json!("10")),
            ("/message/apns/headers/apns-priority", json!(5)),
            ("/message/apns/payload/aps", json!({"content-available": 1, "alert": "x"})),
            ("/message/apns/payload", json!({})),
            ("/message/webpush/headers/Urgency", json!("urgent")),
            ("/message/webpush/headers/Topic", json!("a b")),
            ("/message/webpush/headers/TTL", json!("soon")),
            ("/message", json!({"token": "x", "data": {}, "notification": {"title": "x"}})),
        ];
        for (path, value) in wrong {
            let mut request = fine();
            *request.pointer_mut(path).unwrap() = value.clone();
            assert!(body(&request.to_string()).is_err(), "{path}: {value}");
        }
    }
}
