//! Which calls a task route accepts, and which it refuses.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use axum::routing::post;
use flow::ports::Denied;
use serde_json::Value;

use super::*;
use crate::testing::Site;

const CURRENT: &str = "now-0123456789-0123456789-0123456789";
const PREVIOUS: &str = "before-0123456789-0123456789-0123456789";

fn secret(text: &str) -> Option<SecretString> {
    Some(SecretString::from(text))
}

async fn site(previous: Option<SecretString>) -> Site {
    let secret = Arc::new(TaskSecret::new(secret(CURRENT), previous).unwrap());
    let pages = Router::new().route("/task", post(|_: TaskCaller, body: String| async { body }));
    Site::start(for_tasks(pages, secret, None)).await
}

#[test]
fn invalid_secret_is_refused_at_start_with_one_clear_sentence() {
    let refusal = |current, previous| TaskSecret::new(current, previous).unwrap_err().to_string();
    for (current, why) in [
        (None, "is not set"),
        (secret(""), "is empty"),
        (secret(&"x".repeat(31)), "has 31 bytes, at least 32 are needed"),
        (secret(&format!("{CURRENT}\n")), "white space"),
        (secret(&format!(" {CURRENT}")), "white space"),
        (secret(&"ä".repeat(32)), "characters"),
    ] {
        let text = refusal(current, None);
        assert!(text.starts_with("tasks.secret (environment: AFTERWORD_TASKS_SECRET) "), "{text}");
        assert!(text.contains(why) && !text.contains('\n'), "{text}");
    }
    let text = refusal(secret(CURRENT), secret(""));
    assert!(text.starts_with("tasks.previous_secret") && text.contains("is empty"), "{text}");
    assert!(TaskSecret::new(secret(&"x".repeat(32)), None).is_ok());
}

#[test]
fn debug_output_does_not_contain_the_secret() {
    let secret = TaskSecret::new(secret(CURRENT), secret(PREVIOUS)).unwrap();
    assert_eq!(format!("{secret:?}"), "TaskSecret");
    assert_eq!(secret.expose_for_sending(), CURRENT);
}

#[tokio::test]
async fn both_secrets_of_a_rotation_are_accepted() {
    let site = site(secret(PREVIOUS)).await;
    for given in [CURRENT, PREVIOUS] {
        let request = site.client.post(site.url("/task")).header(TASK_SECRET_HEADER, given);
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn every_other_secret_gets_the_same_403_before_the_body_is_read() {
    let site = site(None).await;
    let cases: [&[&str]; 7] = [
        &[],
        &[""],
        &["wrong"],
        &[PREVIOUS],
        &[&CURRENT[1..]],
        &[CURRENT, CURRENT],
        &["now-0123456789-0123456789-012345678X"],
    ];
    for values in cases {
        let request = site.client.post(site.url("/task")).body(vec![b'x'; 100]);
        let request = values.iter().fold(request, |request, value| request.header(TASK_SECRET_HEADER, *value));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 403, "{values:?}");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["code"], "forbidden");
        assert_eq!(body["detail"], "This route is for the task queue only.");
    }
}

/// Accepts the token `good`; for the token `down` its keys cannot be reached.
#[derive(Default)]
struct Account {
    asked: AtomicUsize,
}

#[async_trait]
impl TaskIdentity for Account {
    async fn verify(&self, token: &str) -> flow::Result<Result<(), Denied>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        match token {
            "good" => Ok(Ok(())),
            "down" => Err(flow::Error::new(flow::Kind::Unavailable, "identity.keys", "keys.example")),
            _ => Ok(Err(Denied { detail: "the token has expired".to_owned() })),
        }
    }
}

async fn call(site: &Site, secret: &str, bearer: &[&str]) -> (u16, Value) {
    let request = site.client.post(site.url("/task")).header(TASK_SECRET_HEADER, secret);
    let request = bearer.iter().fold(request, |request, value| request.header("authorization", *value));
    let answer = request.body("x").send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

#[tokio::test]
async fn secret_without_a_valid_token_is_refused_where_an_identity_is_required() {
    let account = Arc::new(Account::default());
    let secret = Arc::new(TaskSecret::new(secret(CURRENT), None).unwrap());
    let pages = Router::new().route("/task", post(|_: TaskCaller| async { "in" }));
    let site = Site::start(for_tasks(pages, secret, Some(account.clone()))).await;
    assert_eq!(call(&site, CURRENT, &["Bearer good"]).await.0, 200);
    for bearer in [&[][..], &["Bearer"], &["Bearer bad"], &["Basic good"], &["Bearer good", "Bearer good"]] {
        let (status, body) = call(&site, CURRENT, bearer).await;
        assert_eq!((status, &body["code"]), (403, &"forbidden".into()), "{bearer:?}");
        assert_eq!(body["detail"], "This route is for the task queue only.");
    }
    let (status, body) = call(&site, CURRENT, &["Bearer down"]).await;
    assert_eq!(status, 503);
    assert!(!body.to_string().contains("keys.example"), "{body}");
    // Without the secret the token is not even checked.
    let asked = account.asked.load(Ordering::Relaxed);
    assert_eq!(call(&site, "wrong", &["Bearer good"]).await.0, 403);
    assert_eq!(account.asked.load(Ordering::Relaxed), asked);
}
