//! An incomplete file: append-only, with a mark beside it that records how many of its bytes are
//! durable.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use flow::ports::{BlobName, Expected, Progress};
use flow::{Error, Kind, Result};
use tokio::sync::OwnedSemaphorePermit;

use super::mark::Mark;
use super::partials::{DATA, MARK, PartialUploads};
use super::upload_locks::UploadGuard;
use crate::blobs::disk::{fault, is_absent};
use crate::blobs::name::BlobPath;
use crate::blobs::piece::PIECE;
use crate::blobs::writer::{Found, put};
use crate::folder::durable::rename_without_replacing;

/// The most bytes that have to be sent again after a crash.
const SYNC_EVERY: u64 = 4 * 1024 * 1024;
/// How many bytes are written before the free space is checked again.
const CHECK_SPACE_EVERY: u64 = 8 * 1024 * 1024;
/// How often the folder may disappear, because the last other file in it was removed, before the write
/// fails.
const MAX_TRIES: usize = 64;

/// The paths of one upload's files.
#[derive(Clone)]
pub struct PartPaths {
    pub data: PathBuf,
    pub mark: PathBuf,
    pub blob: PathBuf,
}

impl PartPaths {
    pub fn of(partials: &PartialUploads, place: &BlobPath) -> Self {
        let below = place.path().split_once('/').map_or("", |(_, below)| below);
        let part = partials.parts.join(below);
        let with = |ending: &str| PathBuf::from(format!("{}{ending}", part.display()));
        Self { data: with(DATA), mark: with(MARK), blob: partials.shared.root.join(place.path()) }
    }
}

pub struct Part {
    partials: Arc<PartialUploads>,
    name: BlobName,
    paths: PartPaths,
    expected: Expected,
    data: File,
    mark: File,
    slot: usize,
    /// The size and checksum of what is in the file.
    written: Mark,
    /// How many of these bytes are durable and recorded in the mark.
    durable: u64,
    next_space_check: u64,
    /// The file has become a blob or was removed, or the disk failed: the mark is not written any more.
    is_over: bool,
    _place: OwnedSemaphorePermit,
    /// Declared last, so that it is dropped after everything above.
    _taken: UploadGuard,
}

impl Part {
    /// Continues where the last request ended. After a crash that is the mark's offset, or the end of the
    /// file if the file is shorter.
    pub fn open(
        partials: &Arc<PartialUploads>,
        name: &BlobName,
        place: &BlobPath,
        expected: Expected,
        taken: UploadGuard,
    ) -> Result<Self> {
        let failed = |error| fault("uploads.append", name, error);
        let paths = PartPaths::of(partials, place);
        let place = partials.place(name)?;
        let (data, mark) = open_files(partials, &paths).map_err(failed)?;
        let (written, slot) = reconcile(&data, &mark).map_err(failed)?;
        let (partials, name) = (Arc::clone(partials), name.clone());
        let (durable, next_space_check) = (written.offset, written.offset + CHECK_SPACE_EVERY);
        Ok(Self {
            partials,
            name,
            paths,
            expected,
            data,
            mark,
            slot,
            written,
            durable,
            next_space_check,
            is_over: false,
            _place: place,
            _taken: taken,
        })
    }

    pub fn offset(&self) -> u64 {
        self.written.offset
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let failed = |error| fault("uploads.write", &self.name, error);
        self.data.write_all_at(bytes, self.written.offset).map_err(failed)?;
        self.written.offset += bytes.len() as u64;
        self.written.crc32c = crc32c::crc32c_append(self.written.crc32c, bytes);
        if self.written.offset - self.durable >= SYNC_EVERY {
            self.save_progress()?;
        }
        if self.written.offset >= self.next_space_check {
            self.next_space_check = self.written.offset + CHECK_SPACE_EVERY;
            self.partials.shared.temporary_files.room("uploads.write", &self.name)?;
        }
        Ok(())
    }

    /// Makes the bytes durable first, then the mark that counts them.
    fn save_progress(&mut self) -> Result<()> {
        if self.written.offset == self.durable {
            return Ok(());
        }
        let synced = self.data.sync_data().and_then(|()| self.written.write(&self.mark, self.slot));
        // After a failed sync it is unknown which bytes are on the disk, and a second sync may wrongly report
        // success.
        self.is_over |= synced.is_err();
        self.slot = synced.map_err(|error| fault("uploads.sync", &self.name, error))?;
        self.durable = self.written.offset;
        Ok(())
    }

    pub fn flush(mut self) -> Result<Progress> {
        self.save_progress()?;
        if self.written.offset < self.expected.size {
            return Ok(Progress::Open { offset: self.written.offset });
        }
        if self.expected.crc32c.is_some_and(|crc32c| crc32c != self.written.crc32c) {
            self.is_over = true;
            remove(&self.paths).map_err(|error| fault("uploads.discard", &self.name, error))?;
            let why = "the bytes are not the ones that were announced";
            return Err(Error::new(Kind::Corrupt, "uploads.finish", &self.name).because(why));
        }
        self.finish()
    }

    /// Gives the file the blob's name. The mark stays until the clean-up, because it holds the checksum.
    fn finish(&mut self) -> Result<Progress> {
        let failed = |error| fault("uploads.finish", &self.name, error);
        let (shared, Mark { offset: size, crc32c }) = (&self.partials.shared, self.written);
        let since_1970 = Duration::from_millis(u64::try_from(shared.clock.now().millis()).unwrap_or(0));
        self.data.set_modified(SystemTime::UNIX_EPOCH + since_1970).map_err(failed)?;
        self.data.sync_all().map_err(failed)?;
        let from = &self.paths.data;
        let ours = |at: &Path| Ok(sum(&File::open(at)?, u64::MAX)? == self.written);
        let (fresh, found) =
            put(shared, &self.paths.blob, |to| rename_without_replacing(from, to), ours).map_err(failed)?;
        if found == Found::Other {
            return Err(Error::new(Kind::Conflict, "uploads.finish", &self.name));
        }
        let unsure = |error| Error::new(Kind::Unknown, "uploads.finish", &self.name).because(error);
        shared.folders.make_durable(&self.paths.blob, fresh).map_err(unsure)?;
        self.is_over = true;
        Ok(Progress::Whole { size, crc32c })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_over
            && let Err(error) = self.save_progress()
        {
            tracing::warn!(blob = %self.name, %error, "the last bytes of an interrupted upload must be sent again");
        }
    }
}

fn open_files(partials: &PartialUploads, paths: &PartPaths) -> io::Result<(File, File)> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o600);
    let mut last = io::Error::from(ErrorKind::NotFound);
    for _ in 0..MAX_TRIES {
        let opened = partials.folders.make_around(&paths.data).and_then(|fresh| {
            let (data, mark) = (options.open(&paths.data)?, options.open(&paths.mark)?);
            // The names have to be durable before the first mark counts any bytes.
            if mark.metadata()?.len() == 0 {
                partials.folders.make_durable(&paths.data, fresh)?;
            }
            Ok((data, mark))
        });
        match opened {
            Err(error) if error.kind() == ErrorKind::NotFound => last = error,
            done => return done,
        }
        partials.folders.forget_around(&paths.data);
    }
    Err(last)
}

/// Makes file and mark agree on the smaller of the two lengths.
fn reconcile(data: &File, mark: &File) -> io::Result<(Mark, usize)> {
    let length = data.metadata()?.len();
    let (marked, slot) = Mark::read(mark)?.unwrap_or((Mark::default(), 0));
    if length >= marked.offset {
        // The bytes behind the mark's offset may be anything.
        data.set_len(marked.offset)?;
        return Ok((marked, slot));
    }
    let left = sum(data, length)?;
    mark.set_len(0)?;
    Ok((left, left.write(mark, slot)?))
}

/// The size and checksum of the first `most` bytes of a file.
pub fn sum(file: &File, most: u64) -> io::Result<Mark> {
    let (mut sum, mut piece) = (Mark::default(), vec![0; PIECE]);
    while sum.offset < most {
        let wanted = usize::try_from(most - sum.offset).map_or(PIECE, |left| left.min(PIECE));
        let read = file.read_at(&mut piece[..wanted], sum.offset)?;
        if read == 0 {
            break;
        }
        sum.offset += read as u64;
        sum.crc32c = crc32c::crc32c_append(sum.crc32c, &piece[..read]);
    }
    Ok(sum)
}

/// Removes the mark first: bytes without a mark are ignored, but a mark without bytes might be
/// believed.
pub fn remove(paths: &PartPaths) -> io::Result<()> {
    for path in [&paths.mark, &paths.data] {
        match fs::remove_file(path) {
            Err(error) if !is_absent(&error) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
