//! Judges answers: what was asked for, or a message that says what to do.

use domain::Timestamp;
use engine::ports::Answer;
use serde::Deserialize;
use serde_json::Value;
use terminal::plain;

use crate::clock;
use crate::messages::Message;

/// A detail that is longer comes from no server of ours.
const LONGEST_DETAIL: usize = 500;

/// The body of an error.
#[derive(Deserialize)]
struct Problem {
    code: String,
    #[serde(default)]
    detail: String,
    request_id: Option<String>,
}

/// The JSON of an answer that is a success. Everything else is a message, and texts of the server are made harmless.
pub fn judge(server: &str, path: &str, answer: &Answer) -> Result<Value, Message> {
    let server = server.to_owned();
    if (200..300).contains(&answer.status) {
        // No page of something between us and the server is taken for an answer.
        let read = serde_json::from_slice::<Value>(&answer.body).ok().filter(Value::is_object);
        return read.ok_or_else(|| not_afterword(server, path, answer));
    }
    let problem = serde_json::from_slice::<Problem>(&answer.body).ok().filter(|problem| !problem.code.is_empty());
    if answer.status / 100 == 3 {
        let to = plain(answer.header("location").unwrap_or("nowhere"));
        return Err(Message::Redirected { server, to: short(&to) });
    }
    let Some(problem) = problem else {
        let what = format!("status {} without a code", answer.status);
        return Err(match answer.status {
            429 | 503 => waits(server, "it is busy".to_owned(), what, answer),
            408 | 500.. => Message::ServerFault { server, what, request_id: request_id(answer, None) },
            _ => not_afterword(server, path, answer),
        });
    };
    let (code, detail) = (short(&plain(&problem.code)), short(&plain(&problem.detail)));
    let detail = detail.trim_end_matches('.').to_owned();
    Err(match answer.status {
        401 => Message::TokenRefused { server, detail },
        403 => Message::Forbidden { server, detail, code },
        429 | 503 => waits(server, detail, code, answer),
        408 | 500.. => Message::ServerFault { server, what: code, request_id: request_id(answer, problem.request_id) },
        _ => Message::Refused { server, detail, code },
    })
}

fn not_afterword(server: String, path: &str, answer: &Answer) -> Message {
    let kind = answer.header("content-type").unwrap_or_default();
    let kind = short(&plain(kind.split(';').next().unwrap_or_default()));
    let kind = if kind.is_empty() { String::new() } else { format!(" with {kind}") };
    let path = path.split('?').next().unwrap_or_default().to_owned();
    Message::NotAfterword { server, path, what: format!("{}{kind}", answer.status) }
}

fn waits(server: String, detail: String, code: String, answer: &Answer) -> Message {
    Message::AsksToWait { server, detail, code, seconds: answer.header("retry-after").and_then(pause) }
}

/// `Retry-After` in seconds, or as the date that a server in between may write.
fn pause(text: &str) -> Option<u64> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(seconds);
    }
    let at = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    let at = Timestamp::from_millis(i64::try_from(at.as_millis()).ok()?);
    Some(clock::now().until(at).as_secs())
}

fn request_id(answer: &Answer, told: Option<String>) -> Option<String> {
    let id = told.or_else(|| answer.header("x-request-id").map(str::to_owned))?;
    Some(short(&plain(&id))).filter(|id| !id.is_empty())
}

fn short(text: &str) -> String {
    text.chars().take(LONGEST_DETAIL).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    fn answer(status: u16, kind: &str, body: &str) -> Answer {
        let headers = vec![
            ("content-type".to_owned(), kind.to_owned()),
            ("retry-after".to_owned(), "90".to_owned()),
            ("location".to_owned(), "http://elsewhere/\u{1b}[2J".to_owned()),
        ];
        Answer { status, headers, body: body.as_bytes().to_vec() }
    }

    fn message(status: u16, kind: &str, body: &str) -> Message {
        judge("http://home", "/v2/limits?x=1", &answer(status, kind, body)).unwrap_err()
    }

    #[test]
    fn every_answer_that_is_no_success_is_told_with_its_exit_code() {
        let problem = |code: &str| format!(r#"{{"code":"{code}","detail":"It is so.","request_id":"7"}}"#);
        for (status, body, words, exit) in [
            (401, problem("unauthenticated"), "refuses the token: It is so. Log in again", Exit::Failed),
            (403, problem("not_your_job"), "does not allow this: It is so (not_your_job)", Exit::Failed),
            (409, problem("not_retryable"), "refuses: It is so (not_retryable)", Exit::Failed),
            (429, problem("rate_limited"), "asks to wait 1 min 30 s: It is so (rate_limited)", Exit::Waiting),
            (503, problem("backend_busy"), "asks to wait 1 min 30 s: It is so (backend_busy)", Exit::Waiting),
            (503, "<html>".to_owned(), "asks to wait 1 min 30 s: it is busy (status 503", Exit::Waiting),
            (500, problem("internal_error"), "has a fault (internal_error)", Exit::Waiting),
            (502, "<html>".to_owned(), "has a fault (status 502 without a code)", Exit::Waiting),
            (404, "<html>".to_owned(), "is no Afterword server: GET /v2/limits answered 404", Exit::Failed),
            (200, "<html>".to_owned(), "is no Afterword server: GET /v2/limits answered 200", Exit::Failed),
            (200, "{\"jobs\":".to_owned(), "is no Afterword server", Exit::Failed),
            (200, "[]".to_owned(), "is no Afterword server", Exit::Failed),
            (302, String::new(), "sends its callers elsewhere, to http://elsewhere/[2J;", Exit::Failed),
        ] {
            let told = message(status, "text/html; charset=utf-8", &body);
            assert!(told.to_string().contains(words), "{status}: {told}");
            assert_eq!(told.exit(), exit, "{status}: {told}");
        }
    }

    #[test]
    fn texts_of_the_server_are_harmless_and_short() {
        let body = format!(r#"{{"code":"\u001b[31mred","detail":"\u001b]0;t\u0007{}"}}"#, "long ".repeat(1000));
        let told = message(409, "application/problem+json", &body).to_string();
        assert!(told.chars().all(|c| !c.is_control()) && told.len() < 1200, "{told}");
    }
}
