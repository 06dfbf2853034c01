use emulators::receiver::{Call, Receiver};
use flow::ports::Queue;
use flow::{Error, Kind, Result};

use super::*;

/// Plays the service: the test answers each call.
struct Site {
    service: Receiver,
    queue: Arc<CloudTasks>,
    clock: Arc<TestClock>,
}

async fn site() -> Site {
    site_with(|_| ()).await
}

async fn site_with(change: impl FnOnce(&mut CloudTasksSettings)) -> Site {
    let (service, clock) = (Receiver::start().await, TestClock::automatic(wall()));
    let mut settings = settings(&service.url, "https://process.test");
    change(&mut settings);
    let queue = open(settings, clock.clone());
    Site { service, queue, clock }
}

impl Site {
    /// Enqueues a task while the service gives these answers.
    async fn enqueue(&mut self, answers: &[Answer<'_>]) -> Result<()> {
        let queue = self.queue.clone();
        let task = tokio::spawn(async move { queue.enqueue(new(1)).await });
        for answer in answers {
            answer.give(self.service.call().await);
        }
        let ended = emulators::soon("the end", task).await.unwrap();
        assert_eq!(self.service.waiting(), 0, "it was tried once more than expected");
        ended
    }

    async fn refused(&mut self, answers: &[Answer<'_>]) -> Error {
        self.enqueue(answers).await.unwrap_err()
    }
}

enum Answer<'a> {
    Task,
    /// An error as Google reports it: HTTP status and code.
    Google(u16, &'a str),
    /// The same, with a header `Retry-After`.
    Later(u16, &'a str, &'a str),
    /// An error as a proxy reports it.
    Html(u16),
    /// A successful response with another body.
    Garbage,
    Nothing,
}
use Answer::{Garbage, Google, Html, Later, Nothing, Task};

fn error_body(status: u16, code: &str) -> String {
    format!(r#"{{"error":{{"code":{status},"message":"It is said to be {code}.","status":"{code}"}}}}"#)
}

const JSON: (&str, &str) = ("content-type", "application/json");

impl Answer<'_> {
    fn give(&self, call: Call) {
        match self {
            Task => call.answer_with(200, &[JSON], r#"{"name":"x"}"#),
            Google(status, code) => call.answer_with(*status, &[JSON], &error_body(*status, code)),
            Later(status, code, wait) => {
                call.answer_with(*status, &[JSON, ("retry-after", wait)], &error_body(*status, code));
            }
            Html(status) => {
                let page = format!("<html>{}</html>", "x".repeat(5000));
                call.answer_with(*status, &[("content-type", "text/html")], &page);
            }
            Garbage => call.answer_with(200, &[JSON], "<html>"),
            Nothing => drop(call),
        }
    }
}

#[tokio::test]
async fn transient_errors_are_retried() {
    let mut site = site().await;
    let answers = [Google(503, "UNAVAILABLE"), Google(429, "RESOURCE_EXHAUSTED"), Google(500, "INTERNAL"), Task];
    site.enqueue(&answers).await.unwrap();
    site.enqueue(&[Google(504, "DEADLINE_EXCEEDED"), Html(502), Task]).await.unwrap();
}

#[tokio::test]
async fn existing_or_recently_used_name_is_success() {
    let mut site = site().await;
    site.enqueue(&[Google(409, "ALREADY_EXISTS")]).await.unwrap();
    site.enqueue(&[Google(503, "UNAVAILABLE"), Google(409, "ALREADY_EXISTS")]).await.unwrap();
}

#[tokio::test]
async fn tries_are_limited_and_last_error_is_returned() {
    let mut site = site().await;
    for (answer, kind) in [
        (|| Google(503, "UNAVAILABLE"), Kind::Unavailable),
        (|| Html(502), Kind::Unavailable),
        (|| Google(429, "RESOURCE_EXHAUSTED"), Kind::Throttled),
        (|| Html(429), Kind::Throttled),
        (|| Google(504, "DEADLINE_EXCEEDED"), Kind::Unknown),
        (|| Google(500, "INTERNAL"), Kind::Unknown),
        (|| Garbage, Kind::Unknown),
    ] as [(fn() -> Answer<'static>, Kind); 7]
    {
        let error = site.refused(&[answer(), answer(), answer(), answer()]).await;
        assert_eq!(
            (error.kind, error.operation, error.subject.as_str()),
            (kind, "queue.enqueue", new(1).name().as_str())
        );
        assert!(error.may_pass());
        assert!(error.to_string().len() < 500, "{error}");
    }
}

#[tokio::test]
async fn outcome_stays_unknown_after_later_failure() {
    let mut site = site().await;
    let away = || Google(503, "UNAVAILABLE");
    let error = site.refused(&[Google(504, "DEADLINE_EXCEEDED"), away(), away(), away()]).await;
    assert_eq!(error.kind, Kind::Unknown);
}

#[tokio::test]
async fn permanent_error_is_not_retried_and_names_the_queue() {
    let mut site = site().await;
    for answer in [
        Google(403, "PERMISSION_DENIED"),
        Google(404, "NOT_FOUND"),
        Google(401, "UNAUTHENTICATED"),
        Google(400, "FAILED_PRECONDITION"),
        Html(403),
    ] {
        let error = site.refused(&[answer]).await;
        assert_eq!((error.kind, error.subject.as_str()), (Kind::Misconfigured, QUEUE));
        assert!(!error.may_pass());
    }
    let error = site.refused(&[Google(400, "INVALID_ARGUMENT")]).await;
    assert_eq!((error.kind, error.subject.as_str()), (Kind::Invalid, new(1).name().as_str()));
    assert!(error.to_string().contains("It is said to be INVALID_ARGUMENT."), "{error}");
}

#[tokio::test]
async fn requested_wait_is_observed_or_passed_on() {
    let mut site = site().await;
    let before = site.clock.now();
    site.enqueue(&[Later(429, "RESOURCE_EXHAUSTED", "2"), Task]).await.unwrap();
    assert!(before.until(site.clock.now()) >= Duration::from_secs(2));
    // Longer than a request may take, so the caller decides what to do.
    let error = site.refused(&[Later(503, "UNAVAILABLE", "120")]).await;
    assert_eq!((error.kind, error.retry_after), (Kind::Unavailable, Some(Duration::from_secs(120))));
}

#[tokio::test]
async fn request_without_answer_times_out() {
    let attempt = Duration::from_millis(400);
    let mut site = site_with(|settings| settings.attempt = attempt).await;
    let error = site.refused(&[Nothing, Nothing, Nothing, Nothing]).await;
    assert_eq!(error.kind, Kind::Unknown);
}

#[tokio::test]
async fn all_tries_end_at_the_deadline() {
    let deadline = Duration::from_millis(900);
    let mut site = site_with(|settings| (settings.attempt, settings.deadline) = (deadline, deadline)).await;
    // The first pause alone would exceed the deadline.
    let answers = [Later(503, "UNAVAILABLE", "1")];
    assert_eq!(site.refused(&answers).await.kind, Kind::Unavailable);
}

#[tokio::test]
async fn unreachable_service_is_unavailable() {
    let (listener, address) = emulators::listen().await;
    drop(listener);
    let queue = open(settings(&format!("http://{address}"), "https://process.test"), TestClock::automatic(wall()));
    assert_eq!(queue.enqueue(new(1)).await.unwrap_err().kind, Kind::Unavailable);
    assert_eq!(queue.ready().await.unwrap_err().kind, Kind::Unavailable);
    assert_eq!(queue.exists(&new(1).name()).await.unwrap_err().kind, Kind::Unavailable);
}

#[tokio::test]
async fn exists_distinguishes_missing_task_from_unclear_answer() {
    let mut site = site().await;
    for (answer, expected) in [
        (Google(404, "NOT_FOUND"), Ok(false)),
        (Task, Ok(true)),
        (Google(403, "PERMISSION_DENIED"), Err(Kind::Misconfigured)),
        // An error page says nothing about a task.
        (Html(404), Err(Kind::Misconfigured)),
    ] {
        let queue = site.queue.clone();
        let request = tokio::spawn(async move { queue.exists(&new(1).name()).await });
        let call = site.service.call().await;
        assert_eq!(call.uri.path(), format!("/v2/{QUEUE}/tasks/{}", new(1).name()));
        assert!(call.uri.query().unwrap().contains("responseView=1"), "{}", call.uri);
        answer.give(call);
        assert_eq!(request.await.unwrap().map_err(|error| error.kind), expected);
    }
}

#[tokio::test]
async fn readiness_check_requests_the_queue() {
    let mut site = site().await;
    for (answer, expected) in [(Task, Ok(())), (Google(404, "NOT_FOUND"), Err(Kind::Misconfigured))] {
        let queue = site.queue.clone();
        let request = tokio::spawn(async move { queue.ready().await });
        let call = site.service.call().await;
        assert_eq!((call.method.as_str(), call.uri.path()), ("GET", format!("/v2/{QUEUE}").as_str()));
        answer.give(call);
        assert_eq!(request.await.unwrap().map_err(|error| error.kind), expected);
    }
}

#[tokio::test]
async fn errors_and_log_do_not_contain_the_secret() {
    let (lines, _guard) = emulators::log::caught("trace");
    let mut site = site().await;
    site.enqueue(&[Google(503, "UNAVAILABLE"), Task]).await.unwrap();
    assert_eq!(lines.with("trying again").len(), 1, "{}", lines.text());
    for answer in [Google(400, "INVALID_ARGUMENT"), Google(403, "PERMISSION_DENIED"), Html(404)] {
        let error = site.refused(&[answer]).await;
        assert!(!format!("{error} {error:?}").contains(SECRET), "{error:?}");
    }
    assert!(!lines.text().contains(SECRET));
}
