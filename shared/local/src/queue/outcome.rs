//! What an answer means for its task: the task is done, is retried, or is given up.

use std::time::Duration;

use domain::Timestamp;
use http::StatusCode;

use super::backoff;
use super::call::Answer;
use super::settings::QueueSettings;
use super::task::Task;

#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Again(Task),
    GivenUp,
}

pub fn of(settings: &QueueSettings, task: &Task, answer: &Answer, now: Timestamp, unit: f64) -> Outcome {
    let (status, retry_after) = match answer {
        Answer::Done => return Outcome::Done,
        Answer::Refused { status, retry_after, .. } => (Some(*status), *retry_after),
        Answer::Unanswered(_) => (None, None),
    };
    let failures = task.retries.saturating_add(1);
    if failures >= settings.max_attempts {
        log_end(task, failures, answer);
        return Outcome::GivenUp;
    }
    let wait =
        backoff::requested_wait(settings, retry_after).unwrap_or_else(|| backoff::wait(settings, failures, unit));
    log_failure(task, status, answer, wait);
    let answers = task.answers.saturating_add(u32::from(status.is_some()));
    Outcome::Again(Task { due: now + wait, retries: failures, answers, ..task.clone() })
}

fn log_end(task: &Task, attempts: u32, answer: &Answer) {
    tracing::error!(
        task = task.name,
        attempts,
        ?answer,
        remedy = "see in the lines `delivery failed` of this task why; the sweep creates it again",
        "task given up"
    );
}

/// The worker's own logs say more; this one shows how often a delivery failed, and what the answer said.
fn log_failure(task: &Task, status: Option<StatusCode>, answer: &Answer, wait: Duration) {
    let status = status.map_or(0, |status| status.as_u16());
    let why = match answer {
        Answer::Unanswered(why) | Answer::Refused { why, .. } => why.as_str(),
        Answer::Done => "",
    };
    tracing::info!(task = task.name, retries = task.retries, status, why, ?wait, "delivery failed");
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use secrecy::SecretString;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn settings() -> QueueSettings {
        QueueSettings { max_attempts: 3, ..QueueSettings::new("http://127.0.0.1/", SecretString::from("")) }
    }

    fn task(retries: u32) -> Task {
        Task { id: 1, name: "n".into(), due: NOW, retries, answers: 0, body: Bytes::new(), traceparent: None }
    }

    fn refused(status: u16, retry_after: Option<u64>) -> Answer {
        let status = StatusCode::from_u16(status).unwrap();
        Answer::Refused { status, retry_after: retry_after.map(Duration::from_secs), why: String::new() }
    }

    #[test]
    fn answered_failure_counts_as_execution_and_missing_answer_does_not() {
        let again = |answer: &Answer| match of(&settings(), &task(0), answer, NOW, 0.0) {
            Outcome::Again(task) => (task.retries, task.answers, NOW.until(task.due).as_secs()),
            other => panic!("{other:?}"),
        };
        assert_eq!(again(&refused(500, None)), (1, 1, 5));
        assert_eq!(again(&refused(503, Some(60))), (1, 1, 60));
        assert_eq!(again(&refused(503, Some(4000))), (1, 1, 300));
        assert_eq!(again(&Answer::Unanswered("refused".into())), (1, 0, 5));
    }

    #[test]
    fn task_is_given_up_after_last_attempt() {
        let failed = refused(500, None);
        assert!(matches!(of(&settings(), &task(1), &failed, NOW, 0.0), Outcome::Again(_)));
        assert_eq!(of(&settings(), &task(2), &failed, NOW, 0.0), Outcome::GivenUp);
        assert_eq!(of(&settings(), &task(2), &Answer::Done, NOW, 0.0), Outcome::Done);
    }
}
