//! Feeds the recorder from a thread of its own: reading standard input blocks, and an upload must not delay the audio.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use engine::{RecordError, Recorder};
use tokio::sync::oneshot;

use super::frames::{FrameError, Frames, Layout};

/// Why no more audio comes, apart from its end.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error(transparent)]
    Frames(#[from] FrameError),
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl SourceError {
    /// Whether everything that came was recorded, apart from the rest of a frame.
    pub fn is_torn_end(&self) -> bool {
        matches!(self, Self::Frames(FrameError::Cut { .. }))
    }
}

/// A recorder that is fed.
pub struct Source {
    recorder: Arc<Mutex<Option<Recorder>>>,
    frames: Arc<AtomicU64>,
    /// Given when the audio ends.
    pub ended: oneshot::Receiver<Result<(), SourceError>>,
}

impl Source {
    /// Begins to record standard input.
    pub fn start(recorder: Recorder, layout: Layout) -> io::Result<Self> {
        let (end, ended) = oneshot::channel();
        let source = Self { recorder: Arc::new(Mutex::new(Some(recorder))), frames: Arc::default(), ended };
        let (recorder, count) = (Arc::clone(&source.recorder), Arc::clone(&source.frames));
        // It is not waited for: a read that nobody ends ends with the process.
        thread::Builder::new().name("standard-input".to_owned()).spawn(move || {
            let _ = end.send(feed(layout, &recorder, &count));
        })?;
        Ok(source)
    }

    /// The frames so far.
    pub fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// Ends the recording: what came is durable when this returns, and what comes later is not taken.
    pub fn finalize(&self) -> Result<(), RecordError> {
        let recorder = lock(&self.recorder).take();
        recorder.map_or(Ok(()), |mut recorder| recorder.finalize())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn feed(layout: Layout, recorder: &Mutex<Option<Recorder>>, count: &AtomicU64) -> Result<(), SourceError> {
    let mut frames = Frames::new(io::stdin().lock(), layout);
    while let Some(frame) = frames.next()? {
        let mut recorder = lock(recorder);
        let Some(recorder) = recorder.as_mut() else { return Ok(()) };
        recorder.record(&frame, false)?;
        count.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
