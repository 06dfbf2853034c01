//! A message as FCM v1 takes it: data only, so that nothing is shown and the app decides.

use flow::ports::PushMessage;
use serde::Serialize;
use serde_json::{Value, json};

/// A device that was away gets the last of these messages and not each: any one makes the app look. A device keeps only
/// four keys, so there is one.
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

/// Each platform reads its own part. All are sent: what a device said of itself may be wrong, its token is not.
pub fn body<'a>(token: &'a str, message: &'a PushMessage) -> impl Serialize + 'a {
    let message = Message { token, data: &message.data, android: android(), apns: apns(), webpush: webpush() };
    Request { message }
}

/// At normal priority a sleeping phone gets it hours later.
fn android() -> Value {
    json!({"priority": "high", "collapseKey": COLLAPSE_KEY})
}

/// A background push: Apple refuses any other priority than 5 for it.
fn apns() -> Value {
    json!({
        "headers": {"apns-push-type": "background", "apns-priority": "5", "apns-collapse-id": COLLAPSE_KEY},
        "payload": {"aps": {"content-available": 1}},
    })
}

/// RFC 8030: a topic replaces what still waits of the same topic.
fn webpush() -> Value {
    json!({"headers": {"Urgency": "high", "Topic": COLLAPSE_KEY}})
}
