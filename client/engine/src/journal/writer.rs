//! Writes frames as they come.

use std::io;
use std::path::Path;
use std::time::Duration;

use domain::Sha256Hex;
use sha2::{Digest, Sha256};

use super::{entry, sidecar_of};
use crate::index::Finished;
use crate::mistakes::{self, Mistake};
use crate::ports::{Disk, FileWriter};

/// An open journal. After an error of [`append`](Self::append) its files may end in the middle of a frame: then the chunk is
/// recovered like one that was cut off.
pub struct JournalWriter {
    audio: Box<dyn FileWriter>,
    sidecar: Box<dyn FileWriter>,
    digest: Sha256,
    crc32c: u32,
    bytes: u64,
    frames: u64,
    /// The frames that the live socket took.
    live: u64,
    /// How many of them stand at the beginning.
    prefix: u64,
    unsynced: u64,
    synced_at: Duration,
    syncs: u64,
}

impl JournalWriter {
    /// Creates both files durably. `now` is the monotonic time.
    pub fn create(disk: &dyn Disk, file: &Path, now: Duration) -> io::Result<Self> {
        let audio = disk.create(file)?;
        let sidecar = disk.create(&sidecar_of(file))?;
        if let Some(folder) = file.parent() {
            disk.sync_folder(folder)?;
        }
        Ok(Self {
            audio,
            sidecar,
            digest: Sha256::new(),
            crc32c: 0,
            bytes: 0,
            frames: 0,
            live: 0,
            prefix: 0,
            unsynced: 0,
            synced_at: now,
            syncs: 0,
        })
    }

    /// Appends a frame.
    pub fn append(&mut self, frame: &[u8], is_live: bool) -> io::Result<()> {
        let length = u32::try_from(frame.len()).map_err(|_| io::ErrorKind::InvalidInput)?.to_le_bytes();
        let record = [&length, frame].concat();
        self.audio.append(&record)?;
        self.sidecar.append(&entry(length, frame, is_live))?;
        self.digest.update(&record);
        self.crc32c = crc32c::crc32c_append(self.crc32c, &record);
        self.bytes += record.len() as u64;
        if is_live && self.prefix == self.frames {
            self.prefix += 1;
        }
        self.frames += 1;
        self.live += u64::from(is_live);
        self.unsynced += 1;
        Ok(())
    }

    /// Makes everything durable: two fsyncs.
    pub fn sync(&mut self, now: Duration) -> io::Result<()> {
        if self.unsynced > 0 {
            self.sidecar.sync()?;
            self.audio.sync()?;
            (self.unsynced, self.synced_at) = (0, now);
            self.syncs += 2;
        }
        Ok(())
    }

    /// Whether frames are not durable yet and the last sync is at least this long ago.
    pub fn is_sync_due(&self, now: Duration, at_risk: Duration) -> bool {
        self.unsynced > 0 && now.saturating_sub(self.synced_at) >= at_risk
    }

    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// The frames that the live socket did not take.
    pub fn frames_not_live(&self) -> u64 {
        self.frames - self.live
    }

    pub fn unsynced_frames(&self) -> u64 {
        self.unsynced
    }

    /// Makes the audio durable for good. The sidecar is not needed any more once the index knows the digest.
    pub fn finish(mut self, frame_ms: impl Fn(u64) -> u64) -> io::Result<Finished> {
        if !mistakes::is_planted(Mistake::NoFsyncBeforePending) {
            self.audio.sync()?;
        }
        let Self { digest, crc32c, bytes, frames, prefix, .. } = self;
        let sha256 = Sha256Hex(digest.finalize().into());
        Ok(Finished { frames, synced_prefix: prefix, duration_ms: frame_ms(frames), bytes, sha256, crc32c })
    }
}
