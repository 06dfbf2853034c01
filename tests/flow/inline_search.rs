//! Small batches are searched for speech before they are accepted: proven silence is completed at once, and in any
//! other case the batch is left to the worker.

use std::sync::Arc;
use std::time::Duration;

use domain::{FileStatus, Job, Status};
use flow::accept::{Accepted, BatchOptions, Intake, PartHeaders, Search};
use flow::settings::UploadLimits;
use flow::{Services, Settings};

use crate::harness::{Stage, ann};

struct InlineSearch {
    stage: Stage,
    search: Search,
}

impl InlineSearch {
    fn new() -> Self {
        Self { stage: Stage::new(), search: Search::with_permits(1) }
    }

    fn with(upload: UploadLimits) -> Self {
        let mut search = Self::new();
        let settings = Arc::new(Settings { upload, ..Settings::default() });
        search.stage.services = Services { settings, ..search.stage.services };
        search
    }

    async fn accept(&self, files: &[(&str, Vec<u8>)]) -> Accepted {
        let mut intake = Intake::begin(&self.stage.services, ann(), BatchOptions::default()).await.unwrap();
        for (name, bytes) in files {
            intake.start_file(name, PartHeaders::default()).await.unwrap();
            intake.write(bytes.clone().into()).await.unwrap();
            intake.end_file().await.unwrap();
        }
        intake.search(&self.search).await;
        intake.commit(None).await.unwrap()
    }

    async fn job(&self, files: &[(&str, Vec<u8>)]) -> Job {
        self.accept(files).await.job
    }
}

const ONE: &str = "audio_phone_pcm16_16000_1_fs160_1748300000.bin";
const TWO: &str = "audio_phone_pcm16_16000_1_fs160_1748300100.bin";

fn frames(frame: &[u8], count: usize) -> Vec<u8> {
    let length = u32::try_from(frame.len()).unwrap().to_le_bytes();
    [&length, frame].concat().repeat(count)
}

fn silence(seconds: usize) -> Vec<u8> {
    frames(&[0; 320], seconds * 100)
}

/// Half a second of a square wave between two seconds of silence.
fn loud() -> Vec<u8> {
    let wave: Vec<u8> = (0..160).flat_map(|n| if n % 40 < 20 { 9000_i16 } else { -9000 }.to_le_bytes()).collect();
    [silence(1), frames(&wave, 50), silence(1)].concat()
}

#[tokio::test]
async fn silent_batch_is_completed_at_upload_and_stores_no_blob() {
    let search = InlineSearch::new();
    let accepted = search.accept(&[(ONE, silence(2)), (TWO, silence(1))]).await;
    assert!(!accepted.deduplicated && accepted.is_silent());
    let job = &accepted.job;
    assert_eq!(job.status, Status::Completed);
    assert_eq!(job.files.iter().map(|file| file.facts.duration_ms).collect::<Vec<_>>(), [2_000, 1_000]);
    assert_eq!(search.stage.blobs.names(), []);
    let stored = search.stage.services.store.job(job.id).await.unwrap().unwrap();
    assert!(stored.files.iter().all(|file| file.status == FileStatus::Silent));
}

#[tokio::test]
async fn speech_or_damage_in_one_file_leaves_the_whole_batch_to_the_worker() {
    let lost_middle = [silence(1), 70_000_u32.to_le_bytes().to_vec(), silence(1)].concat();
    for other in [loud(), lost_middle, vec![0x7F; 4_000], frames(&[0; 3], 100)] {
        let search = InlineSearch::new();
        let accepted = search.accept(&[(ONE, silence(1)), (TWO, other)]).await;
        assert!(!accepted.is_silent());
        let job = accepted.job;
        assert_eq!((job.status, job.attempt), (Status::Queued, 0));
        assert!(job.files.iter().all(|file| file.status == FileStatus::Queued));
        assert_eq!(search.stage.blobs.names().len(), 2, "the worker needs the blobs");
    }
}

#[tokio::test]
async fn audio_above_the_limit_is_not_searched() {
    let limited =
        |ms| InlineSearch::with(UploadLimits { inline_audio: Duration::from_millis(ms), ..UploadLimits::default() });
    let files = [(ONE, silence(2)), (TWO, silence(1))];
    assert_eq!(limited(3_000).job(&files).await.status, Status::Completed);
    assert_eq!(limited(2_999).job(&files).await.status, Status::Queued);
    assert_eq!(limited(0).job(&files).await.status, Status::Queued, "zero disables the search");
}

#[tokio::test]
async fn batch_does_not_wait_for_a_search_permit() {
    let search = InlineSearch::new();
    let full = InlineSearch { search: Search::with_permits(0), ..InlineSearch::new() };
    assert_eq!(full.job(&[(ONE, silence(1))]).await.status, Status::Queued);
    // The only permit is free again after each search.
    for (index, name) in [ONE, TWO].into_iter().enumerate() {
        assert_eq!(search.job(&[(name, silence(1))]).await.status, Status::Completed, "{index}");
    }
}

#[tokio::test]
async fn search_is_given_up_at_its_time_limit() {
    let search = InlineSearch::with(UploadLimits { inline_search: Duration::ZERO, ..UploadLimits::default() });
    assert_eq!(search.job(&[(ONE, silence(1))]).await.status, Status::Queued);
}

#[tokio::test]
async fn known_recording_is_not_searched_again() {
    let search = InlineSearch::new();
    let first = search.job(&[(ONE, silence(1))]).await;
    let again = search.accept(&[(ONE, silence(1))]).await;
    assert_eq!((again.job.id, again.deduplicated, again.is_silent()), (first.id, true, false));
}
