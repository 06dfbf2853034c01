//! Upload sessions on disk. The bytes of an unfinished file lie in a folder of their own, which neither
//! readers nor the clean-up of orphaned blobs look into. The file becomes a blob by a rename when its
//! last byte has arrived.
//!
//! Below the root are `partial/<uid>/<job>/<file>.part` and, beside it, `<file>.mark`. A backup leaves
//! them out: a restored server reports that nothing has arrived, and the client sends the file again.

mod appender;
mod mark;
mod part;
mod partials;
mod upload_locks;

use std::fs::{self, File};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::UploadUrl;
use flow::ports::{BlobName, Expected, IncomingUpload, Progress, Random, ReceivesUploads, Uploads};
use flow::{Error, Kind, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::disk::{blocking, fault, is_absent};
use super::folders::Folders;
use super::name::{BlobPath, UPLOADS};
use super::{DiskBlobs, PARTIAL, list};
use appender::Appender;
use mark::Mark;
use part::{Part, PartPaths};
use partials::{DATA, MARK, PartialUploads};
use upload_locks::UploadLocks;

/// The most files that are received at once. Each of them holds two descriptors besides its socket; the
/// usual soft limit is 1,024, and HTTP/2 brings many requests over one connection. A further request is
/// refused with `Retry-After`.
const MAX_CONCURRENT: usize = 256;
/// The `Retry-After` of a refused request. A request takes seconds to minutes.
const RETRY_AFTER: Duration = Duration::from_secs(10);

pub struct DiskUploads {
    partials: Arc<PartialUploads>,
    upload_locks: UploadLocks,
    random: Arc<dyn Random>,
}

impl DiskUploads {
    /// Opens the upload sessions beside the blobs, on the same disk, so that a complete file becomes a blob
    /// by a rename.
    pub fn beside(blobs: &DiskBlobs, random: Arc<dyn Random>) -> Self {
        let parts = blobs.shared.root.join(PARTIAL);
        let folders = Folders::new(parts.clone());
        let permits = Arc::new(Semaphore::new(MAX_CONCURRENT));
        Self {
            partials: Arc::new(PartialUploads { shared: Arc::clone(&blobs.shared), parts, folders, permits }),
            upload_locks: UploadLocks::default(),
            random,
        }
    }

    /// Removes the empty folders of finished sessions. Call it at the start, while nothing is being
    /// written.
    pub fn prune(&self) -> Result<()> {
        self.partials.folders.prune_all().map_err(|error| fault("uploads.prune", "", error))
    }
}

impl PartialUploads {
    fn progress(&self, name: &BlobName, place: &BlobPath, expected: Expected) -> Result<Progress> {
        let failed = |error| fault("uploads.progress", name, error);
        let paths = PartPaths::of(self, place);
        let length = match fs::metadata(&paths.data) {
            Err(error) if is_absent(&error) => 0,
            about => about.map_err(failed)?.len(),
        };
        let marked = read_mark(&paths).map_err(failed)?.unwrap_or_default();
        // The blob is looked for last: a file that is completed in the meantime leaves `partial/`, and must
        // not be missed in both places.
        if let Some(whole) = self.whole(name, &paths, expected)? {
            return Ok(whole);
        }
        // All bytes may have arrived without the final rename. The offset then stays below the size, so that
        // the client sends the last byte again and completes the file.
        let most = expected.size.saturating_sub(1);
        Ok(Progress::Open { offset: marked.offset.min(length).min(most) })
    }

    /// The blob, if it is there. It is then as durable as a blob that was written in one go.
    fn whole(&self, name: &BlobName, paths: &PartPaths, expected: Expected) -> Result<Option<Progress>> {
        let failed = |error| fault("uploads.progress", name, error);
        let size = match fs::metadata(&paths.blob) {
            Err(error) if is_absent(&error) => return Ok(None),
            about => about.map_err(failed)?.len(),
        };
        if size != expected.size {
            return Err(Error::new(Kind::Conflict, "uploads.progress", name).because("a blob of another size is there"));
        }
        // A crash may have happened between the rename and its sync.
        let fresh = self.shared.folders.make_around(&paths.blob).map_err(failed)?;
        self.shared.folders.make_durable(&paths.blob, fresh).map_err(failed)?;
        let marked = read_mark(paths).map_err(failed)?.filter(|mark| mark.offset == size);
        let crc32c = match marked {
            Some(mark) => mark.crc32c,
            // A restored backup has no marks, so the checksum is computed from the file.
            None => File::open(&paths.blob).and_then(|blob| part::sum(&blob, size)).map_err(failed)?.crc32c,
        };
        Ok(Some(Progress::Whole { size, crc32c }))
    }

    /// Takes a permit to receive a file. It never waits: a request that hangs would delay all that come
    /// after it.
    fn place(&self, name: &BlobName) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).try_acquire_owned().map_err(|_| {
            let error = Error::new(Kind::Throttled, "uploads.append", name).after(RETRY_AFTER);
            error.because("too many files are taken in at once")
        })
    }

    fn list(&self, after: Option<&BlobName>, limit: usize) -> Result<Vec<(BlobName, Duration)>> {
        let after = after.map(|name| BlobName::listed(format!("{}{DATA}", relocated(name.as_str(), UPLOADS, PARTIAL))));
        let now = self.shared.clock.now();
        // Each upload has two files.
        let page =
            list::Page { folder: PARTIAL, prefix: "", after: after.as_ref(), limit: limit.saturating_mul(2), now };
        let found = list::list(&self.shared.root, &page).map_err(|error| fault("uploads.list", "", error))?;
        let mut listed: Vec<(BlobName, Duration)> = Vec::new();
        for (file, age) in found {
            let Some(name) = file.as_str().strip_suffix(DATA).or_else(|| file.as_str().strip_suffix(MARK)) else {
                continue;
            };
            let name = BlobName::listed(relocated(name, PARTIAL, UPLOADS));
            match listed.last_mut().filter(|(last, _)| *last == name) {
                Some((_, youngest)) => *youngest = age.min(*youngest),
                None => listed.push((name, age)),
            }
        }
        listed.truncate(limit);
        Ok(listed)
    }
}

fn read_mark(paths: &PartPaths) -> std::io::Result<Option<Mark>> {
    match File::open(&paths.mark) {
        Err(error) if is_absent(&error) => Ok(None),
        file => Ok(Mark::read(&file?)?.map(|(mark, _)| mark)),
    }
}

/// Moves a name from one folder below the root to another.
fn relocated(name: &str, from: &str, to: &str) -> String {
    name.strip_prefix(from).map_or_else(|| name.to_owned(), |below| format!("{to}{below}"))
}

#[async_trait]
impl Uploads for DiskUploads {
    /// The session id is two random UUIDs: 244 random bits. The folder is created when the first bytes
    /// come.
    async fn start(&self, _: &BlobName, _: Expected) -> Result<UploadUrl> {
        Ok(UploadUrl::new(format!("{}{}", self.random.uuid().simple(), self.random.uuid().simple())))
    }

    async fn progress(&self, name: &BlobName, _: &UploadUrl, expected: Expected) -> Result<Progress> {
        let place = BlobPath::of("uploads.progress", name)?;
        let (partials, name) = (Arc::clone(&self.partials), name.clone());
        blocking("uploads.progress", move || partials.progress(&name, &place, expected)).await
    }

    async fn abandon(&self, name: &BlobName, _: Option<&UploadUrl>) -> Result<()> {
        let place = BlobPath::of("uploads.abandon", name)?;
        let taken = self.upload_locks.take("uploads.abandon", name, &*self.partials.shared.clock).await?;
        let (partials, name) = (Arc::clone(&self.partials), name.clone());
        blocking("uploads.abandon", move || {
            let paths = PartPaths::of(&partials, &place);
            part::remove(&paths).map_err(|error| fault("uploads.abandon", &name, error))?;
            partials.folders.prune_around(&paths.data);
            drop(taken);
            Ok(())
        })
        .await
    }

    async fn list(&self, after: Option<&BlobName>, limit: usize) -> Result<Vec<(BlobName, Duration)>> {
        let (partials, after) = (Arc::clone(&self.partials), after.cloned());
        blocking("uploads.list", move || partials.list(after.as_ref(), limit)).await
    }

    async fn room(&self) -> Result<()> {
        self.partials.shared.temporary_files.room("uploads.room", "")
    }
}

#[async_trait]
impl ReceivesUploads for DiskUploads {
    async fn append(&self, name: &BlobName, expected: Expected) -> Result<IncomingUpload> {
        let place = BlobPath::of("uploads.append", name)?;
        let taken = self.upload_locks.take("uploads.append", name, &*self.partials.shared.clock).await?;
        let displaced = taken.displaced();
        let (partials, blob) = (Arc::clone(&self.partials), name.clone());
        let opened = blocking("uploads.append", move || open(&partials, &blob, &place, expected, taken)).await?;
        Ok(match opened {
            Ok(whole) => whole,
            Err(part) => IncomingUpload::Open(Box::new(Appender::new(name.clone(), expected.size, part, displaced))),
        })
    }
}

type Opened = std::result::Result<IncomingUpload, Box<Part>>;

fn open(
    partials: &Arc<PartialUploads>,
    name: &BlobName,
    place: &BlobPath,
    expected: Expected,
    taken: upload_locks::UploadGuard,
) -> Result<Opened> {
    if let Some(Progress::Whole { size, crc32c }) = partials.whole(name, &PartPaths::of(partials, place), expected)? {
        return Ok(Ok(IncomingUpload::Whole { size, crc32c }));
    }
    partials.shared.temporary_files.room("uploads.append", name)?;
    Ok(Err(Box::new(Part::open(partials, name, place, expected, taken)?)))
}

#[cfg(test)]
mod tests;
