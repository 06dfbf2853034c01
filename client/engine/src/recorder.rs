//! Records frames into chunks (R1 to R6).

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::{FrameFormat, Timestamp, Uid};

use crate::chunk::{Chunk, ChunkId, Place, State, Transfer};
use crate::coordinator::Event;
use crate::core::{Core, OpenChunk, Unsynced};
use crate::events::EventKind;
use crate::folders::{can_list, claim};
use crate::housekeeping::make_room;
use crate::index::IndexError;
use crate::journal::{JournalWriter, MAX_FRAME_BYTES, recover, sidecar_of};
use crate::lock::lock;
use crate::rules::{naming, store_gate};

/// Why a frame is not recorded. What was recorded before is kept and becomes durable.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The free space is below the reserve. Nothing that waits for its upload is deleted to make room.
    #[error("only {free_bytes} bytes are free, and {reserve_bytes} are kept in reserve: make room, then record again")]
    #[expect(missing_docs, reason = "the sentence says it")]
    NoSpace { free_bytes: u64, reserve_bytes: u64 },
    /// The disk refuses to write.
    #[error("the recording cannot be written: {0}")]
    Disk(#[from] io::Error),
    /// The index refuses to write.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A frame is empty, or longer than the server reads.
    #[error("a frame has 1 to {MAX_FRAME_BYTES} bytes, this one has {0}")]
    Frame(usize),
}

/// What is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// How the frames are encoded.
    pub format: FrameFormat,
    /// The device that records, such as `phonemic`.
    pub device: String,
    /// The session that the chunks belong to: what one press of the record button began.
    pub session: String,
}

/// Takes the frames of one session. Dropping it is like ending the process: the chunk is recovered at the next start. Call
/// [`finalize`](Self::finalize) to end it properly.
pub struct Recorder {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    core: Arc<Core>,
    owner: Uid,
    stream: Stream,
    open: Option<Open>,
    /// The time of day and the monotonic time of the first frame: a clock that is set meanwhile moves no chunk.
    anchor: Option<(Timestamp, Duration)>,
}

struct Open {
    chunk: OpenChunk,
    file: std::path::PathBuf,
    journal: JournalWriter,
    unsynced_since: Option<Duration>,
}

/// The length of this many frames.
pub fn frames_ms(format: FrameFormat, frames: u64) -> u64 {
    (u128::from(frames) * u128::from(format.frame_samples) * 1000 / u128::from(format.rate.max(1)))
        .try_into()
        .unwrap_or(u64::MAX)
}

impl Recorder {
    pub(crate) fn new(core: &Arc<Core>, owner: Uid, stream: Stream) -> Self {
        let inner = Inner { core: Arc::clone(core), owner, stream, open: None, anchor: None };
        let inner = Arc::new(Mutex::new(inner));
        let weak = Arc::downgrade(&inner);
        core.add_recorder(weak);
        Self { inner }
    }

    /// Records a frame. `is_live` says that the live socket took it already.
    ///
    /// The frame survives the end of the process from now on, and that of the device within [`Config::at_risk`].
    ///
    /// [`Config::at_risk`]: crate::Config::at_risk
    pub fn record(&mut self, frame: &[u8], is_live: bool) -> Result<(), RecordError> {
        if frame.is_empty() || frame.len() > MAX_FRAME_BYTES {
            return Err(RecordError::Frame(frame.len()));
        }
        lock(&self.inner).record(frame, is_live)
    }

    /// The frames that follow are encoded like this. If that differs, the open chunk is finalised.
    pub fn set_format(&mut self, format: FrameFormat) -> Result<(), RecordError> {
        let mut inner = lock(&self.inner);
        if inner.stream.format != format {
            inner.finalize()?;
            inner.stream.format = format;
        }
        Ok(())
    }

    /// Ends the open chunk and makes it durable. A chunk that the live socket took is not kept.
    pub fn finalize(&mut self) -> Result<(), RecordError> {
        lock(&self.inner).finalize()
    }
}

impl Inner {
    fn record(&mut self, frame: &[u8], is_live: bool) -> Result<(), RecordError> {
        let now = self.core.ports.clock.monotonic();
        if self.open.is_none() {
            self.begin(now)?;
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        if let Err(error) = open.journal.append(frame, is_live) {
            self.cut_off();
            return Err(error.into());
        }
        open.unsynced_since.get_or_insert(now);
        let length = frames_ms(self.stream.format, open.journal.frames());
        if u128::from(length) >= self.core.config.chunk.as_millis() {
            return self.finalize();
        }
        if open.journal.is_sync_due(now, self.core.config.at_risk) {
            self.sync(now)?;
            return self.check_space();
        }
        Ok(())
    }

    fn sync(&mut self, now: Duration) -> Result<(), RecordError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        open.journal.sync(now)?;
        open.unsynced_since = None;
        Ok(())
    }

    /// Begins a chunk: first its row, then its files.
    fn begin(&mut self, now: Duration) -> Result<(), RecordError> {
        self.check_space()?;
        let (at, since) = *self.anchor.get_or_insert((self.core.now(), now));
        let captured_at = at + now.saturating_sub(since);
        let core = Arc::clone(&self.core);
        let folder = core.folder_of(&self.owner);
        core.ports.disk.create_folder(&folder)?;
        claim(&*core.ports.disk, &folder, &self.owner)?;
        let (chunk, file) = {
            let mut index = core.index();
            let mut failed = None;
            let is_taken = |name: &str| match index.has_name(&self.owner, name) {
                Ok(taken) => taken,
                Err(error) => {
                    failed = Some(error);
                    false
                }
            };
            let Stream { format, device, .. } = &self.stream;
            let named = naming::free_name(*format, device, captured_at, is_taken);
            if let Some(error) = failed {
                return Err(error.into());
            }
            let (name, captured_at) = named.ok_or_else(|| io::Error::from(io::ErrorKind::AlreadyExists))?;
            let path = format!("{}/{name}", self.owner.path_part());
            let file = core.config.folder.join(&path);
            let id = index.insert(&self.row(name, path, captured_at))?;
            (core.open_chunk(id), file)
        };
        let journal = match JournalWriter::create(&*core.ports.disk, &file, now) {
            Ok(journal) => journal,
            Err(error) => {
                // Nothing is in it. If the row cannot be removed either, the next start does it.
                let _ = core.index().discard(chunk.id);
                return Err(error.into());
            }
        };
        self.open = Some(Open { chunk, file, journal, unsynced_since: None });
        Ok(())
    }

    fn row(&self, name: String, path: String, captured_at: Timestamp) -> Chunk {
        Chunk {
            id: ChunkId(0),
            owner: self.owner.clone(),
            name,
            place: Place::Own(path),
            captured_at,
            sends_captured_at: false,
            format: Some(self.stream.format),
            duration_ms: 0,
            frames: 0,
            synced_prefix: 0,
            device: self.stream.device.clone(),
            session: self.stream.session.clone(),
            conversation_id: None,
            bytes: 0,
            sha256: None,
            crc32c: 0,
            transfer: Transfer { state: State::Recording, ..Transfer::pending() },
        }
    }

    fn check_space(&mut self) -> Result<(), RecordError> {
        let reserve_bytes = self.core.config.reserve_bytes;
        let core = Arc::clone(&self.core);
        let free = || core.ports.disk.free_bytes(&core.config.folder);
        let mut free_bytes = free()?;
        if free_bytes < reserve_bytes {
            make_room(&core, reserve_bytes - free_bytes)?;
            free_bytes = free()?;
        }
        if free_bytes >= reserve_bytes {
            return Ok(());
        }
        self.finalize()?;
        self.core.note(EventKind::RecordingRefused { free_bytes, reserve_bytes });
        Err(RecordError::NoSpace { free_bytes, reserve_bytes })
    }

    fn finalize(&mut self) -> Result<(), RecordError> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let format = self.stream.format;
        let not_live = Duration::from_millis(frames_ms(format, open.journal.frames_not_live()));
        let config = &self.core.config;
        if open.journal.frames() == 0 || !store_gate::is_kept(not_live, config.min_unsynced, config.keep_everything) {
            drop(open.journal);
            return Ok(discard(&self.core, open.chunk.id, &open.file)?);
        }
        let finished = open.journal.finish(|frames| frames_ms(format, frames))?;
        self.core.index().finish(open.chunk.id, &finished)?;
        // A sidecar that stays behind is removed at the next start.
        let _ = self.core.ports.disk.remove(&sidecar_of(&open.file));
        self.core.changed();
        self.core.post(Event::Recorded);
        Ok(())
    }

    /// A write failed: what is whole is kept, as after the end of the process.
    fn cut_off(&mut self) {
        let Some(open) = self.open.take() else { return };
        drop(open.journal);
        let recovered = self.core.index().chunk(open.chunk.id);
        if let Ok(Some(chunk)) = recovered {
            // If that fails too, the row stays as it is, and the next start recovers it.
            let _ = recover_chunk(&self.core, &chunk);
        }
    }
}

impl Unsynced for Mutex<Inner> {
    fn sync_if_due(&self) {
        let mut inner = lock(self);
        let now = inner.core.ports.clock.monotonic();
        let at_risk = inner.core.config.at_risk;
        if inner.open.as_ref().is_some_and(|open| open.journal.is_sync_due(now, at_risk)) {
            // The next frame finds out what is wrong with the disk, and tells the one who records.
            let _ = inner.sync(now);
        }
    }

    fn at_risk(&self) -> Duration {
        let inner = lock(self);
        let frames = inner.open.as_ref().map_or(0, |open| open.journal.unsynced_frames());
        Duration::from_millis(frames_ms(inner.stream.format, frames))
    }
}

/// Forgets a chunk that is not kept: first its files, then its row, so that no file is ever without a row.
fn discard(core: &Core, id: ChunkId, file: &std::path::Path) -> Result<(), DiscardError> {
    for file in [file, &sidecar_of(file)] {
        match core.ports.disk.remove(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    // The names are gone for good before the row is: a file without a row would look like a recording that nobody knows.
    if let Some(folder) = file.parent() {
        core.ports.disk.sync_folder(folder)?;
    }
    Ok(core.index().discard(id)?)
}

#[derive(Debug, thiserror::Error)]
pub enum DiscardError {
    #[error(transparent)]
    Disk(#[from] io::Error),
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl From<DiscardError> for RecordError {
    fn from(error: DiscardError) -> Self {
        match error {
            DiscardError::Disk(error) => Self::Disk(error),
            DiscardError::Index(error) => Self::Index(error),
        }
    }
}

/// Recovers a chunk whose recording was cut off. An error of the disk leaves it as it is, for the next time.
pub fn recover_chunk(core: &Core, chunk: &Chunk) -> Result<(), DiscardError> {
    let (Some(file), Some(format)) = (core.path_of(&chunk.place), chunk.format) else {
        return Ok(core.index().discard(chunk.id)?);
    };
    let recovered = match recover(&*core.ports.disk, &file, |frames| frames_ms(format, frames)) {
        Ok(recovered) => recovered,
        // Its files were never durable: nothing of it can be lost.
        Err(error) if error.kind() == io::ErrorKind::NotFound && can_list(&*core.ports.disk, &file) => {
            return discard(core, chunk.id, &file);
        }
        Err(error) => return Err(error.into()),
    };
    let not_live = Duration::from_millis(frames_ms(format, recovered.frames_not_live));
    let (frames, torn_bytes) = (recovered.finished.frames, recovered.torn_bytes);
    core.note(EventKind::Recovered { id: chunk.id, frames, torn_bytes });
    let config = &core.config;
    if recovered.finished.bytes == 0 || !store_gate::is_kept(not_live, config.min_unsynced, config.keep_everything) {
        return discard(core, chunk.id, &file);
    }
    core.index().finish(chunk.id, &recovered.finished)?;
    let _ = core.ports.disk.remove(&sidecar_of(&file));
    Ok(())
}
