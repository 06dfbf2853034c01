//! A stream of server-sent events, read one by one.

use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::wait::PATIENCE;

pub struct Events {
    answer: reqwest::Response,
    text: String,
}

/// One block of the stream: the lines between two empty ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    pub name: String,
    pub id: String,
    /// Null when there is no data.
    pub data: Value,
    /// `retry`, in milliseconds.
    pub retry: String,
    pub comment: bool,
}

impl Event {
    fn of(block: &str) -> Self {
        let mut event = Self::default();
        for line in block.lines() {
            match line.split_once(": ") {
                Some(("event", name)) => event.name = name.to_owned(),
                Some(("id", id)) => event.id = id.to_owned(),
                Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
                Some(("retry", wait)) => event.retry = wait.to_owned(),
                Some(("", _)) => event.comment = true,
                _ => panic!("no line of an event: {line}"),
            }
        }
        event
    }

    pub fn job_id(&self) -> &str {
        self.data["job_id"].as_str().unwrap_or("")
    }

    pub fn status(&self) -> &str {
        self.data["status"].as_str().unwrap_or("")
    }
}

impl Events {
    pub fn of(answer: reqwest::Response) -> Self {
        assert_eq!(answer.status(), 200);
        Self { answer, text: String::new() }
    }

    pub fn headers(&self) -> &HeaderMap {
        self.answer.headers()
    }

    /// The next event or comment; `None` when the stream has ended, also by a broken connection.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let event = Event::of(block);
                self.text = rest.to_owned();
                return Some(event);
            }
            let chunk = tokio::time::timeout(PATIENCE, self.answer.chunk()).await.expect("the stream is silent");
            self.text.push_str(std::str::from_utf8(&chunk.ok()??).unwrap());
        }
    }

    /// The next event of a job.
    pub async fn job(&mut self) -> Event {
        loop {
            let event = self.next().await.expect("the stream has ended");
            if event.name == "job" {
                assert_eq!(event.data["updated_at"], event.id.as_str());
                return event;
            }
        }
    }

    /// Reads to the first event of this job with this status; returns all events up to it.
    pub async fn until(&mut self, job_id: &str, status: &str) -> Vec<Event> {
        let mut seen = Vec::new();
        loop {
            let event = self.job().await;
            let is_it = event.job_id() == job_id && event.status() == status;
            seen.push(event);
            if is_it {
                return seen;
            }
        }
    }

    /// All remaining events, to the end of the stream.
    pub async fn rest(&mut self) -> Vec<Event> {
        let mut rest = Vec::new();
        while let Some(event) = self.next().await {
            rest.push(event);
        }
        rest
    }
}
