//! A recording is heard at its own level, by every delivery alike.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use afterword_tests::Recording;
use bytes::Bytes;
use domain::{Gain, Levels, Status};
use flow::process::Outcome;
use speech::Retry;
use testkit::build::T0;

use crate::script::{Script, Told};
use crate::stage::{Stage, ann, soon};

/// Bytes of a frame's length, and of the frame.
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
type Given = Arc<Mutex<Vec<Vec<f32>>>>;

/// An engine, and what it was given.
fn ear(told: Told) -> (Arc<Script>, Given) {
    let heard = Given::default();
    let given = Arc::clone(&heard);
    let script = Script::new(move |audio| {
        given.lock().unwrap().push(audio.samples.to_vec());
        told
    });
    (Arc::new(script), heard)
}

/// The first delivery cuts what it kept, the second what it fetches again.
#[tokio::test]
async fn a_later_delivery_hears_what_the_first_heard_as_loud_as_it_is_to_be() {
    let (stage, low) = (Stage::new(), low());
    let task = stage.accept(&low.name, &low.bytes).await;
    let (busy, first) = ear(Told::Fails(Retry::Later { after: None }));
    let put_back = soon(Box::pin(stage.worker_with(&busy).0.run(&task))).await.unwrap();
    assert!(matches!(put_back, Outcome::Rescheduled { .. }), "{put_back:?}");
    stage.clock.advance(Duration::from_secs(3_600));
    let (healthy, second) = ear(Told::Text);
    let done = soon(Box::pin(stage.worker_with(&healthy).0.run(&task))).await.unwrap();
    assert_eq!(done, Outcome::Done(Status::Completed));

    let taken = |given: Given| std::mem::take(&mut *given.lock().unwrap());
    let (first, second) = (taken(first), taken(second));
    assert_eq!((first.len(), first == second), (1, true), "the same samples, to the last bit");
    let loudest = first[0].iter().fold(0.0, |loudest: f32, sample| loudest.max(sample.abs()));
    assert!(loudest > 0.5, "it was brought to its level: {loudest}");
    let job = stage.job(task.job_id).await;
    let recording = stage.world.store.recordings(&ann(), &[job.files[0].recording]).await.unwrap().remove(0).unwrap();
    assert_eq!((recording.facts.gain, recording.facts.heard_by), (Gain::ONE, Levels::RULES));
    let levels = stage.world.store.levels(&ann(), recording.id).await.unwrap().unwrap();
    assert!(levels.stretches().iter().all(|stretch| stretch.factor() > 16.0), "{levels:?}");
    let peaks = stage.world.store.peaks(&ann(), recording.id).await.unwrap().unwrap();
    assert_eq!(peaks.pairs().count(), 1_000);
    assert!(peaks.pairs().any(|(_, high)| high > 63), "it is drawn as loud as it is heard");
}
