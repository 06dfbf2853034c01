//! Builds a message for FCM v1. It is data only: nothing is shown, and the app decides what to do.

use flow::ports::PushMessage;
use serde::Serialize;
use serde_json::{Value, json};

/// A device that was offline gets only the last of these messages: any of them makes the app look for
/// changes. A device keeps only four collapse keys, so all messages share one.
const COLLAPSE_KEY: &str = "sync";

#[derive(Serialize)]
struct Request<'a> {
    message: Message<'a>,
}

#[derive(Serialize)]
struct Message<'a> {
    token: &'a str,
    data: &'a std::collections::BTreeMap<String, String>,
    android: Value,
    apns: Value,
    webpush: Value,
}

/// Each platform reads its own part. All parts are sent, because what a device said about its platform
/// may be wrong.
pub fn body<'a>(token: &'a str, message: &'a PushMessage) -> impl Serialize + 'a {
    let message = Message { token, data: &message.data, android: android(), apns: apns(), webpush: webpush() };
    Request { message }
}

/// At normal priority a sleeping phone gets the message hours later.
fn android() -> Value {
    json!({"priority": "high", "collapseKey": COLLAPSE_KEY})
}

/// A background push: Apple refuses it with any priority other than 5.
fn apns() -> Value {
    json!({
        "headers": {"apns-push-type": "background", "apns-priority": "5", "apns-collapse-id": COLLAPSE_KEY},
        "payload": {"aps": {"content-available": 1}},
    })
}

/// A topic replaces the waiting message with the same topic (RFC 8030).
fn webpush() -> Value {
    json!({"headers": {"Urgency": "high", "Topic": COLLAPSE_KEY}})
}
