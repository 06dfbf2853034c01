use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use emulators::fcm::Answer;
use serde_json::json;

use super::*;

async fn after(answer: Answer) -> Result<PushOutcome> {
    let site = site().await;
    site.service.answer_next(answer);
    let outcome = site.send().await;
    assert_eq!(site.service.wrong(), [""; 0]);
    outcome
}

async fn rejected(answer: Answer) -> String {
    let PushOutcome::Rejected(why) = after(answer).await.unwrap() else { panic!("it is refused") };
    is_silent_about_secrets(&why);
    why
}

#[tokio::test]
async fn unregistered_token_is_reported() {
    let dead = [
        Answer::unregistered(),
        Answer::invalid_token(),
        Answer::invalid_field("message.token", "Invalid registration token"),
    ];
    for answer in dead {
        assert_eq!(after(answer).await.unwrap(), PushOutcome::Unregistered);
    }
}

/// Otherwise one wrong setting would delete the tokens of all users.
#[tokio::test]
async fn refusal_not_about_the_token_keeps_it() {
    let refused = |status, rpc, code| Answer::refused(status, rpc, code, "Some words.");
    let cases = [
        (refused(404, "NOT_FOUND", ""), "404 Not Found NOT_FOUND: Some words."),
        (Answer::text(404, "text/html", "<html>no such page</html>"), "404 Not Found, and not from FCM"),
        (refused(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"), "400 Bad Request INVALID_ARGUMENT: Some words."),
        (Answer::invalid_field("message.data", "Invalid"), "400 Bad Request INVALID_ARGUMENT: Request contains"),
        (refused(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"), "403 Forbidden SENDER_ID_MISMATCH: Some words."),
        (refused(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"), "401 Unauthorized THIRD_PARTY_AUTH_ERROR"),
        (Answer::json(400, &json!([])), "400 Bad Request, and not from FCM"),
        (Answer::text(302, "text/html", "").header("location", "http://127.0.0.1:1/"), "302 Found"),
    ];
    for (answer, wanted) in cases {
        let why = rejected(answer).await;
        assert!(why.starts_with(wanted), "{why}");
    }
}

#[tokio::test]
async fn refusal_of_our_credentials_is_misconfigured_and_blames_no_device() {
    let refused = |status, rpc, words| Answer::refused_with(status, rpc, words, json!([]));
    for (answer, remedy) in [
        (refused(401, "UNAUTHENTICATED", "Some words."), "GOOGLE_APPLICATION_CREDENTIALS"),
        (refused(403, "PERMISSION_DENIED", "Some words."), "roles/firebasecloudmessaging.admin"),
        (refused(403, "PERMISSION_DENIED", "It has not been used in project 1."), "services enable fcm.googleapis.com"),
    ] {
        let site = site().await;
        site.service.answer_next(answer);
        let error = site.send().await.unwrap_err();
        assert_eq!(kind(&error), Kind::Misconfigured);
        assert!(error.to_string().contains(remedy), "{error}");
    }
}

#[tokio::test]
async fn rejection_reason_is_short_and_does_not_contain_the_token() {
    let words = format!("The sender of {TOKEN} is another. {}", "x".repeat(5000));
    let why = rejected(Answer::refused(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH", &words)).await;
    assert!(why.contains("<token>") && why.len() < 300, "{why}");
}

#[tokio::test]
async fn transient_refusal_is_retried_later_after_the_requested_wait() {
    let in_two_minutes = "Fri, 20 Nov 2026 10:02:00 GMT";
    let cases = [
        (Answer::quota_exceeded().retry_after("60"), Some(60)),
        (Answer::unavailable().retry_after(in_two_minutes), Some(120)),
        // A time in the past, a wait above one hour, and a text that is not a time.
        (Answer::unavailable().retry_after("Fri, 20 Nov 2026 09:59:00 GMT"), Some(0)),
        (Answer::unavailable().retry_after("999999"), Some(3600)),
        (Answer::unavailable().retry_after("Sat, 20 Nov 2027 10:00:00 GMT"), Some(3600)),
        (Answer::unavailable().retry_after("soon"), None),
        (Answer::unavailable().retry_after("-1"), None),
        (Answer::internal(), None),
        (Answer::quota_exceeded(), None),
        (Answer::text(502, "text/html", &"<html>bad gateway</html>".repeat(10_000)), None),
        (Answer::text(504, "text/html", ""), None),
    ];
    for (answer, seconds) in cases {
        let text = format!("{answer:?}").chars().take(300).collect::<String>();
        assert_eq!(after(answer).await.unwrap(), PushOutcome::Later(seconds.map(Duration::from_secs)), "{text}");
    }
}

#[tokio::test]
async fn unparsable_answer_leaves_outcome_unknown() {
    for answer in [
        Answer::text(200, "text/html", "<html>welcome to this network</html>"),
        Answer::json(200, &json!({"id": "x"})),
        Answer::text(200, "application/json", ""),
        Answer::text(200, "application/json", &"[".repeat(1_000_000)),
        Answer::json(200, &json!({"name": "x".repeat(1000)})).cut_off(),
    ] {
        assert_eq!(kind(&after(answer).await.unwrap_err()), Kind::Unknown);
    }
}

#[tokio::test]
async fn end_of_long_answer_is_not_awaited() {
    let page = "<html>bad gateway</html>".repeat(100);
    let answer = Answer::text(502, "text/html", &page).endless();
    assert_eq!(emulators::soon("the outcome", after(answer)).await.unwrap(), PushOutcome::Later(None));
}

#[tokio::test]
async fn request_without_answer_times_out() {
    let service = emulators::fcm::Fcm::start().await;
    service.answer_next(Answer::never());
    let fcm = open(FcmSettings { total: Duration::from_millis(100), ..settings(&service.url) });
    assert_eq!(kind(&fcm.send(&phone(), &finished()).await.unwrap_err()), Kind::Unknown);
}

#[tokio::test]
async fn unreachable_service_is_unavailable() {
    let (listener, address) = emulators::listen().await;
    drop(listener);
    let fcm = open(settings(&format!("http://{address}")));
    assert_eq!(kind(&fcm.send(&phone(), &finished()).await.unwrap_err()), Kind::Unavailable);
}

/// Credentials that cannot be obtained, for this reason.
struct NoToken(Kind);

#[async_trait]
impl AccessToken for NoToken {
    async fn bearer(&self) -> Result<SecretString> {
        match self.0 {
            Kind::Unknown => std::future::pending().await,
            kind => Err(Error::new(kind, "push.send", "")),
        }
    }
}

#[tokio::test]
async fn missing_credentials_are_reported_within_time_limit() {
    let service = emulators::fcm::Fcm::start().await;
    for wanted in [Kind::Unavailable, Kind::Misconfigured, Kind::Unknown] {
        let settings = FcmSettings { total: Duration::from_millis(1), ..settings(&service.url) };
        let fcm = Fcm::new(settings, Arc::new(NoToken(wanted)), TestClock::at(T0)).unwrap();
        assert_eq!(kind(&fcm.send(&phone(), &finished()).await.unwrap_err()), wanted);
    }
    assert!(service.requests().is_empty());
}

#[tokio::test]
async fn each_device_has_its_own_outcome() {
    let site = site().await;
    site.service.answer_token("dead", Answer::unregistered());
    let (dead, alive) = (device(&uid("ann"), "old", "dead"), phone());
    assert_eq!(site.fcm.send(&dead, &finished()).await.unwrap(), PushOutcome::Unregistered);
    assert_eq!(site.fcm.send(&alive, &finished()).await.unwrap(), PushOutcome::Sent);
}

#[tokio::test]
async fn log_contains_no_token() {
    let (lines, _guard) = emulators::log::caught("trace");
    let site = site().await;
    let words = format!("The sender of {TOKEN} is another.");
    site.service.answer_next(Answer::refused(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH", &words));
    site.service.answer_next(Answer::text(200, "text/html", TOKEN));
    assert!(matches!(site.send().await, Ok(PushOutcome::Rejected(_))));
    assert_eq!(kind(&site.send().await.unwrap_err()), Kind::Unknown);
    assert_eq!(site.send().await.unwrap(), PushOutcome::Sent);
    assert_eq!(lines.with("push accepted by FCM").len(), 1, "{}", lines.text());
    is_silent_about_secrets(&lines.text());
}

/// Counts how often the token was refused.
#[derive(Default)]
struct Refused(AtomicU32);

#[async_trait]
impl AccessToken for Refused {
    async fn bearer(&self) -> Result<SecretString> {
        Ok(SecretString::from(ACCESS_TOKEN))
    }

    fn was_refused(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn push_is_resent_with_new_access_token_after_refusal() {
    let site = site().await;
    let token = Arc::new(Refused::default());
    let fcm = Fcm::new(settings(&site.service.url), token.clone(), TestClock::at(T0)).unwrap();
    site.service.answer_next(Answer::refused(401, "UNAUTHENTICATED", "", "Request had invalid credentials."));
    let error = fcm.send(&phone(), &finished()).await.unwrap_err();
    assert_eq!((kind(&error), token.0.load(Ordering::SeqCst)), (Kind::Misconfigured, 1));
    // The access token is not to blame for what Apple refuses either.
    site.service.answer_next(Answer::refused(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR", "Some words."));
    assert!(matches!(fcm.send(&phone(), &finished()).await.unwrap(), PushOutcome::Rejected(_)));
    assert_eq!(
        (fcm.send(&phone(), &finished()).await.unwrap(), token.0.load(Ordering::SeqCst)),
        (PushOutcome::Sent, 1)
    );
}
