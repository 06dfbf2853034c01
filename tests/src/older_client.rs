//! A shipped client as `docs/API.md` describes its routes: it stands for phones that cannot be updated. It knows nothing
//! of the server but its answers.

use crate::client::{Answer, Client};
use crate::recordings::Recording;
use crate::wait::{PATIENCE, eventually_or};

const ROUTE: &str = "/v2/sync-local-files";
/// The number of failed jobs after which a file is given up.
const MAX_RETRIES: u32 = 3;
/// The largest number of files in a request; shipped clients send 1 to 20.
const BATCH: usize = 20;
/// The pause after a 429 without `Retry-After`.
const LONG_PAUSE_SECONDS: u64 = 30 * 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The file is on the phone, to be uploaded or waited for.
    Kept,
    Deleted,
    /// The file is on the phone, and is never uploaded again.
    GivenUp,
    Refused,
    TooLarge,
    TooOld,
}

#[derive(Clone, Debug)]
pub struct LocalFile {
    pub recording: Recording,
    pub state: State,
    pub job_id: Option<String>,
    pub retries: u32,
}

pub struct OlderClient {
    pub client: Client,
    pub files: Vec<LocalFile>,
    /// The pause in seconds for the whole account since the last upload.
    pub paused: Option<u64>,
    /// How often it was told that the service is busy, or has failed.
    pub busy: u32,
}

impl OlderClient {
    pub fn new(client: Client, recordings: &[Recording]) -> Self {
        let kept = |recording: &Recording| LocalFile {
            recording: recording.clone(),
            state: State::Kept,
            job_id: None,
            retries: 0,
        };
        Self { client, files: recordings.iter().map(kept).collect(), paused: None, busy: 0 }
    }

    /// The app is opened: it uploads all files without a job.
    pub async fn upload(&mut self) {
        let waiting = |file: &LocalFile| file.state == State::Kept && file.job_id.is_none();
        let due: Vec<usize> = (0..self.files.len()).filter(|index| waiting(&self.files[*index])).collect();
        for batch in due.chunks(BATCH) {
            let recordings: Vec<_> = batch.iter().map(|index| self.files[*index].recording.clone()).collect();
            // A missing answer is treated like any other fault: the app tries later.
            if let Ok(answer) = self.client.try_post(ROUTE, &recordings).await {
                self.uploaded(batch, &answer);
            }
        }
    }

    fn uploaded(&mut self, batch: &[usize], answer: &Answer) {
        self.paused = None;
        let reason = answer.header("x-omi-rate-limit-reason");
        match answer.status {
            200 => self.mark(batch, State::Deleted),
            202 => {
                let job_id = answer.body["job_id"].as_str().filter(|id| !id.is_empty());
                let job_id = job_id.expect("an empty job_id is an error to them").to_owned();
                batch.iter().for_each(|index| self.files[*index].job_id = Some(job_id.clone()));
            }
            400 => self.mark(batch, State::Refused),
            413 => self.mark(batch, State::TooLarge),
            422 if answer.code() == "backfill_lookback_exceeded" => self.mark(batch, State::TooOld),
            429 => self.paused = Some(answer.header("retry-after").parse().unwrap_or(LONG_PAUSE_SECONDS)),
            503 if reason == "backfill_capacity" => self.busy += 1,
            _ => {}
        }
    }

    fn mark(&mut self, files: &[usize], state: State) {
        files.iter().for_each(|index| self.files[*index].state = state);
    }

    /// Polls every job once; returns true when there is no job left to poll.
    pub async fn poll(&mut self) -> bool {
        let mut jobs: Vec<_> = self.files.iter().filter_map(|file| file.job_id.clone()).collect();
        jobs.sort();
        jobs.dedup();
        for job_id in jobs {
            let request = self.client.request(reqwest::Method::GET, &format!("{ROUTE}/{job_id}"));
            if let Ok(answer) = self.client.try_send(request).await {
                self.polled(&job_id, &answer);
            }
        }
        self.files.iter().all(|file| file.job_id.is_none())
    }

    fn polled(&mut self, job_id: &str, answer: &Answer) {
        let body = &answer.body;
        let died = body["error"].as_str().is_some_and(|error| error.contains("background worker likely died"));
        let end = match (answer.status, body["status"].as_str().unwrap_or("")) {
            // The job is lost: the app uploads the file again.
            (403 | 404, _) => |_: &mut LocalFile| (),
            (200, "completed") => |file: &mut LocalFile| file.state = State::Deleted,
            (200, "failed") if body["reason_code"] == "sync_invalid_audio" => {
                |file: &mut LocalFile| file.state = State::GivenUp
            }
            (200, "failed") if body["reason_code"].is_null() && died => {
                self.busy += 1;
                |_: &mut LocalFile| ()
            }
            (200, "failed" | "partial_failure") => LocalFile::count,
            _ => return,
        };
        for file in self.files.iter_mut().filter(|file| file.job_id.as_deref() == Some(job_id)) {
            file.job_id = None;
            end(file);
        }
    }

    /// Polls until there is no job left to poll.
    pub async fn wait(&mut self) {
        eventually_or("the older client has no job left", PATIENCE, async || {
            if self.poll().await { Ok(()) } else { Err(format!("{:?}", self.states())) }
        })
        .await;
    }

    /// Uploads once and waits.
    pub async fn sync(&mut self) {
        self.upload().await;
        self.wait().await;
    }

    pub fn states(&self) -> Vec<State> {
        self.files.iter().map(|file| file.state).collect()
    }

    pub fn retries(&self) -> Vec<u32> {
        self.files.iter().map(|file| file.retries).collect()
    }

    pub fn deleted(&self) -> impl Iterator<Item = &Recording> {
        self.files.iter().filter(|file| file.state == State::Deleted).map(|file| &file.recording)
    }
}

impl LocalFile {
    fn count(&mut self) {
        self.retries += 1;
        if self.retries >= MAX_RETRIES {
            self.state = State::GivenUp;
        }
    }
}
