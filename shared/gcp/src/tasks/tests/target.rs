//! Who is asked whether it is the process function, and who gets to see the secret.

use emulators::receiver::Receiver;
use testkit::build::T0;

use super::*;
use crate::tasks::Target;

const JSON: (&str, &str) = ("content-type", "application/json");

/// Status, headers and body.
type Reply<'a> = (u16, &'a [(&'static str, &'a str)], &'a str);

/// Asks a server that gives these answers, and returns what was found out, with the secrets that the server saw.
async fn asked(answers: &[Reply<'_>]) -> (Target, Vec<String>) {
    let mut server = Receiver::start().await;
    let queue = open(settings("http://127.0.0.1:9", &server.url), TestClock::at(T0));
    let asking = tokio::spawn(async move { queue.target().await });
    let mut seen = Vec::new();
    for (status, headers, body) in answers {
        let call = server.call().await;
        assert_eq!((call.method.as_str(), call.uri.path()), ("GET", "/v2/sync/process"));
        seen.push(call.header("x-task-secret").to_owned());
        call.answer_with(*status, headers, body);
    }
    (asking.await.unwrap(), seen)
}

#[tokio::test]
async fn secret_is_sent_to_no_stranger() {
    for (status, headers, body) in [
        (200, &[][..], "<html>hello</html>"),
        (200, &[JSON], r#"{"function":"elsewhere"}"#),
        (302, &[("location", "/v2/sync/process")], ""),
        (401, &[], "<html>Unauthorized</html>"),
        (403, &[], "<html>Forbidden</html>"),
        (403, &[("content-type", "text/plain")], r#"{"code":"forbidden"}"#),
        (404, &[JSON], r#"{"error":"no such page"}"#),
        (500, &[], "oops"),
    ] {
        let (found, seen) = asked(&[(status, headers, body)]).await;
        assert!(!matches!(found, Target::Process { .. } | Target::OtherSecret), "{status} {body}: {found:?}");
        assert_eq!(seen, [""], "{status} {body}: it saw the secret");
    }
}

#[tokio::test]
async fn secret_is_sent_to_a_function_that_refuses_requests_without_it() {
    let refusal = (403, &[JSON][..], r#"{"code":"forbidden"}"#);
    let (found, seen) = asked(&[refusal, (200, &[JSON], r#"{"function":"process","needs_token":true}"#)]).await;
    assert_eq!((found, seen), (Target::Process { needs_token: true }, vec![String::new(), SECRET.to_owned()]));
    let (found, seen) = asked(&[refusal, refusal]).await;
    assert_eq!((found, seen.len()), (Target::OtherSecret, 2));
}
