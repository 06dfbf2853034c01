//! A recording is amplified by its own levels, in the same way in every delivery.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use domain::levels::{Mix, Stretch};
use domain::planning::FilePlan;
use domain::{Gain, Levels, Status};
use flow::process::Outcome;
use speech::RetryClass;
use testkit::build::{self, T0};
use tests::Recording;

use crate::harness::{Stage, ann, soon};
use crate::script::{Reply, Script};

/// The bytes of a frame's length, and of the frame.
const RECORD: usize = 4 + 320;

/// The clip at a sixteenth of its level.
fn low() -> Recording {
    let Recording { name, bytes, .. } = Recording::speech(T0.millis() / 1000 - 86_400);
    let mut low = bytes.to_vec();
    for sample in low.chunks_exact_mut(RECORD).flat_map(|record| record[4..].as_chunks_mut().0) {
        *sample = (i16::from_le_bytes(*sample) / 16).to_le_bytes();
    }
    Recording::new(name, Bytes::from(low))
}

/// The samples of each call.
type Samples = Arc<Mutex<Vec<Vec<f32>>>>;

/// An engine, and the samples that it was given.
fn recording_engine(reply: Reply) -> (Arc<Script>, Samples) {
    let heard = Samples::default();
    let given = Arc::clone(&heard);
    let script = Script::new(move |audio| {
        given.lock().unwrap().push(audio.samples.to_vec());
        reply
    });
    (Arc::new(script), heard)
}

/// The first delivery cuts the audio that it kept, the second one audio that it reads again.
#[tokio::test]
async fn later_delivery_sends_the_same_amplified_samples_as_the_first() {
    let (stage, low) = (Stage::new(), low());
    let task = stage.accept(&low.name, &low.bytes).await;
    let (busy, first) = recording_engine(Reply::Fails(RetryClass::Later { after: None }));
    let put_back = soon(Box::pin(stage.worker_with(&busy).0.run(&task))).await.unwrap();
    assert!(matches!(put_back, Outcome::Rescheduled { .. }), "{put_back:?}");
    stage.clock.advance(Duration::from_secs(3_600));
    let (healthy, second) = recording_engine(Reply::Text);
    let done = soon(Box::pin(stage.worker_with(&healthy).0.run(&task))).await.unwrap();
    assert_eq!(done, Outcome::Done(Status::Completed));

    let taken = |given: Samples| std::mem::take(&mut *given.lock().unwrap());
    let (first, second) = (taken(first), taken(second));
    assert_eq!((first.len(), first == second), (1, true), "the same samples, to the last bit");
    let loudest = first[0].iter().fold(0.0, |loudest: f32, sample| loudest.max(sample.abs()));
    assert!(loudest > 0.5, "the audio was amplified: {loudest}");
    let job = stage.job(task.job_id).await;
    let recording =
        stage.services.store.recordings(&ann(), &[job.files[0].recording]).await.unwrap().remove(0).unwrap();
    assert_eq!((recording.facts.gain, recording.facts.heard_by), (Gain::ONE, Levels::RULES));
    let levels = stage.services.store.levels(&ann(), recording.id).await.unwrap().unwrap();
    assert!(levels.stretches().iter().all(|stretch| stretch.factor() > 16.0), "{levels:?}");
    let peaks = stage.services.store.peaks(&ann(), recording.id).await.unwrap().unwrap();
    // The recording has 11.92 seconds.
    assert_eq!(peaks.pairs().count(), 596);
    assert!(peaks.pairs().any(|(_, high)| high > 63), "the peaks are amplified like the audio");
}

/// The input that an engine with Opus support gets for a recording that another delivery planned with these levels:
/// packets, or a number of samples.
async fn given(levels: Levels) -> Vec<Option<usize>> {
    let (stage, clip) = (Stage::new(), Recording::opus(T0.millis() / 1000 - 86_400));
    let task = stage.accept(&clip.name, &clip.bytes).await;
    let mut harness = testkit::Harness::new(stage.store.clone());
    harness.clock = stage.clock.clone();
    let job = harness.claim(task.job_id).await;
    let plan = FilePlan { levels, ..build::plan(&job, 0, build::speech(&[(200, 2_800)])) };
    harness.write_plan(&job, &plan).await;
    stage.clock.advance(Duration::from_secs(3_600));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let given = Arc::clone(&heard);
    let engine = Script::new(move |audio| {
        given.lock().unwrap().push(audio.frames.is_none().then_some(audio.samples.len()));
        Reply::Text
    });
    let worker = stage.worker_with(&Arc::new(engine.taking_opus())).0;
    assert_eq!(soon(Box::pin(worker.run(&task))).await.unwrap(), Outcome::Done(Status::Completed));
    std::mem::take(&mut *heard.lock().unwrap())
}

#[tokio::test]
async fn packets_are_sent_unchanged_only_if_levels_are_near_one() {
    let samples = Some(2_600 * 16);
    assert_eq!(given(Levels::of([Stretch::new(0, 2.0, Mix::Mid)])).await, [None]);
    assert_eq!(given(Levels::of([Stretch::new(0, 20.0, Mix::Mid)])).await, [samples], "too quiet for any engine");
    let loud_at_last = [Stretch::new(0, 1.0, Mix::Mid), Stretch::new(2_000, 0.1, Mix::Mid)];
    assert_eq!(given(Levels::of(loud_at_last)).await, [samples]);
    assert_eq!(given(Levels::of([Stretch::new(0, 1.0, Mix::Side)])).await, [samples], "its channels cancel each other");
}

/// A plan without levels comes from the previous version, which amplified the whole recording by one gain.
#[tokio::test]
async fn plan_without_levels_uses_the_single_gain_of_its_facts() {
    let low = low();
    let mut loudest = Vec::new();
    for factor in [1.0, 8.0] {
        let stage = Stage::new();
        let task = stage.accept(&low.name, &low.bytes).await;
        let mut harness = testkit::Harness::new(stage.store.clone());
        harness.clock = stage.clock.clone();
        let job = harness.claim(task.job_id).await;
        let mut plan = FilePlan { levels: Levels::default(), ..build::plan(&job, 0, build::speech(&[(200, 2_800)])) };
        (plan.facts.gain, plan.facts.heard_by) = (Gain::of(factor), 0);
        let (_, recording) = harness.write_plan(&job, &plan).await;
        assert_eq!(stage.services.store.levels(&ann(), recording.id).await.unwrap(), None);
        stage.clock.advance(Duration::from_secs(3_600));
        let (engine, given) = recording_engine(Reply::Text);
        let done = soon(Box::pin(stage.worker_with(&engine).0.run(&task))).await.unwrap();
        assert_eq!(done, Outcome::Done(Status::Completed));
        let samples = std::mem::take(&mut *given.lock().unwrap()).concat();
        loudest.push(samples.iter().fold(0.0, |loudest: f32, sample| loudest.max(sample.abs())));
    }
    assert!((loudest[1] / loudest[0] - 8.0).abs() < 0.1, "{loudest:?}");
}
