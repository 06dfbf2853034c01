//! Asks whoever answers at the address of the process function whether it is the process function, and knows the secret.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::CloudTasks;
use super::create::{SECRET, TASK_PATH};
use crate::diagnosis::{causes, one_line};

const CONNECT: Duration = Duration::from_secs(5);
/// The first call may have to wait until an instance has started.
const ANSWER: Duration = Duration::from_secs(20);
/// The most characters of a foreign answer that are shown.
const SHOWN: usize = 120;

/// Who answers at `process_url`.
#[derive(Debug, PartialEq, Eq)]
pub enum Target {
    /// The process function, which accepts the secret. `needs_token`: it requires signed tokens too.
    Process {
        needs_token: bool,
    },
    /// A function of afterword refuses the secret.
    OtherSecret,
    /// A program of afterword without the route of tasks.
    OtherFunction,
    /// Something before the function lets nobody through who has no token of Google's, so that nothing is known of it.
    Closed {
        status: u16,
    },
    /// Another program.
    Stranger {
        status: u16,
        said: String,
    },
    /// The process function cannot say, for instance because it starts.
    Away {
        status: u16,
        said: String,
    },
    Unreachable(String),
}

#[derive(Deserialize)]
struct About {
    function: String,
    #[serde(default)]
    needs_token: bool,
}

#[derive(Deserialize)]
struct Problem {
    code: String,
}

impl CloudTasks {
    pub async fn target(&self) -> Target {
        let url = format!("{}{TASK_PATH}", self.settings.process_url.trim_end_matches('/'));
        let mut client = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            // A redirect would take the secret elsewhere, and Cloud Tasks does not follow one either.
            .redirect(reqwest::redirect::Policy::none());
        if url.starts_with("http://") {
            client = client.no_proxy();
        }
        let client = match client.build() {
            Ok(client) => client,
            Err(why) => return Target::Unreachable(one_line(&causes(&why))),
        };
        // The secret is sent only to a function that refuses whoever does not know it: another program may show or log what
        // it gets.
        match answer_of(client.get(&url)).await {
            Target::OtherSecret => {
                answer_of(client.get(&url).header(SECRET, self.settings.secret.expose_secret())).await
            }
            other => other,
        }
    }
}

async fn answer_of(request: reqwest::RequestBuilder) -> Target {
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(why) => return Target::Unreachable(one_line(&causes(&why.without_url()))),
    };
    let status = answer.status().as_u16();
    let is_json =
        answer.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.to_str().is_ok_and(|kind| kind.contains("json")));
    let text = beginning(answer).await;
    judge(status, is_json, &text)
}

/// The first bytes of an answer: ours are short.
async fn beginning(mut answer: reqwest::Response) -> String {
    const READ: usize = 16 * 1024;
    let mut bytes = Vec::new();
    while let Ok(Some(piece)) = answer.chunk().await {
        bytes.extend_from_slice(&piece);
        if bytes.len() > READ {
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn judge(status: u16, is_json: bool, text: &str) -> Target {
    let said = || one_line(text).chars().take(SHOWN).collect::<String>();
    let about = serde_json::from_str::<About>(text).ok().filter(|_| is_json && status == 200);
    if let Some(About { function, needs_token }) = about {
        return match function.as_str() {
            "process" => Target::Process { needs_token },
            _ => Target::OtherFunction,
        };
    }
    let problem = serde_json::from_str::<Problem>(text).ok().filter(|_| is_json);
    match (status, problem.as_ref().map(|problem| problem.code.as_str())) {
        (403, Some("forbidden")) => Target::OtherSecret,
        (404, Some("not_found")) | (405, Some("method_not_allowed")) => Target::OtherFunction,
        (500.., Some(_)) | (502..=504, None) => Target::Away { status, said: said() },
        (401 | 403, None) => Target::Closed { status },
        _ => Target::Stranger { status, said: said() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_answers_is_told_apart() {
        let of = |status, text| judge(status, true, text);
        assert_eq!(of(200, r#"{"function":"process","needs_token":true}"#), Target::Process { needs_token: true });
        assert_eq!(of(403, r#"{"code":"forbidden"}"#), Target::OtherSecret);
        assert_eq!(of(404, r#"{"code":"not_found"}"#), Target::OtherFunction);
        assert_eq!(of(405, r#"{"code":"method_not_allowed"}"#), Target::OtherFunction);
        assert!(matches!(of(503, r#"{"code":"clock_not_set"}"#), Target::Away { .. }));
        assert_eq!(judge(403, false, "<html>Forbidden</html>"), Target::Closed { status: 403 });
        assert!(matches!(judge(200, false, "<html>hello</html>"), Target::Stranger { status: 200, .. }));
        assert!(matches!(of(404, r#"{"error":"no such page"}"#), Target::Stranger { status: 404, .. }));
        assert!(matches!(judge(302, false, ""), Target::Stranger { status: 302, .. }));
    }
}
