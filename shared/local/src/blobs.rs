//! Stores staged audio on disk: one file for each blob, which is complete and durable before it is
//! visible under its name.
//!
//! Below the root are `uploads/<uid>/<job>/<file>`, `tmp/` for files that are being written, `partial/`
//! for upload sessions, and `hold`, a file that a backup locks so that nothing it is about to copy is
//! deleted. The whole tree belongs to one server.

mod backup_lock;
mod direct;
mod disk;
mod folders;
mod list;
mod name;
mod piece;
mod read;
mod temporary;
mod uploads;
mod writer;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use flow::Result;
use flow::ports::{BlobName, BlobWriter, Blobs, Clock};
use futures_util::stream::BoxStream;

use backup_lock::Hold;
use disk::{blocking, fault};
use folders::Folders;
use name::{BlobPath, UPLOADS};
use piece::Spare;
use temporary::TemporaryFiles;
pub use uploads::DiskUploads;

use crate::folder::durable;

const TEMPORARY: &str = "tmp";
const PARTIAL: &str = "partial";
const HOLD: &str = "hold";

pub struct DiskBlobs {
    shared: Arc<Shared>,
}

/// State that is shared with the blocking threads.
struct Shared {
    root: PathBuf,
    folders: Folders,
    temporary_files: TemporaryFiles,
    spare: Spare,
    hold: Hold,
    clock: Arc<dyn Clock>,
}

impl DiskBlobs {
    /// Opens the folder, or creates it. `reserve_bytes` of the disk stay free for everything else.
    pub fn open(root: &Path, reserve_bytes: u64, clock: Arc<dyn Clock>) -> Result<Self> {
        let failed = |error| fault("blobs.open", root.display(), error);
        for folder in [root.to_owned(), root.join(UPLOADS), root.join(TEMPORARY), root.join(PARTIAL)] {
            folders::make_private(&folder).map_err(failed)?;
        }
        durable::sync(root).map_err(failed)?;
        if let Some(parent) = root.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            durable::sync(parent).map_err(failed)?;
        }
        let shared = Shared {
            root: root.to_owned(),
            folders: Folders::new(root.join(UPLOADS)),
            temporary_files: TemporaryFiles::new(root.join(TEMPORARY), reserve_bytes),
            spare: Spare::default(),
            hold: Hold::open(&root.join(HOLD)).map_err(failed)?,
            clock,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Removes the files of interrupted writes and returns how many there were. Call it at the start, while
    /// nothing is being written.
    pub fn sweep_temporary(&self) -> Result<usize> {
        let failed = |error| fault("blobs.sweep_temporary", "", error);
        self.shared.folders.prune_all().map_err(failed)?;
        let mut removed = 0;
        for entry in fs::read_dir(self.shared.root.join(TEMPORARY)).map_err(failed)? {
            fs::remove_file(entry.map_err(failed)?.path()).map_err(failed)?;
            removed += 1;
        }
        Ok(removed)
    }
}

impl Shared {
    fn remove(&self, name: &BlobName) -> Result<()> {
        let place = BlobPath::of("blobs.delete", name)?;
        let _held = self.hold.against_backups("blobs.delete", name)?;
        let file = self.root.join(place.path());
        match fs::remove_file(&file) {
            Err(error) if !disk::is_absent(&error) => return Err(fault("blobs.delete", name, error)),
            _ => self.folders.prune_around(&file),
        }
        Ok(())
    }
}

#[async_trait]
impl Blobs for DiskBlobs {
    async fn create(&self, name: &BlobName) -> Result<Box<dyn BlobWriter>> {
        let place = BlobPath::of("blobs.create", name)?;
        // This check runs on the async thread: the kernel answers it from memory, and so a small file needs
        // one blocking call only, in `finish`.
        self.shared.temporary_files.room("blobs.create", name)?;
        Ok(Box::new(writer::Writer::new(Arc::clone(&self.shared), name.clone(), place)))
    }

    async fn read(&self, name: &BlobName, offset: u64) -> Result<BoxStream<'static, Result<Bytes>>> {
        let place = BlobPath::of("blobs.read", name)?;
        read::read(self.shared.root.join(place.path()), name.clone(), offset).await
    }

    async fn delete(&self, name: &BlobName) -> Result<()> {
        let (shared, name) = (Arc::clone(&self.shared), name.clone());
        blocking("blobs.delete", move || shared.remove(&name)).await
    }

    async fn list(&self, prefix: &str, after: Option<&BlobName>, limit: usize) -> Result<Vec<(BlobName, Duration)>> {
        let (shared, prefix, after) = (Arc::clone(&self.shared), prefix.to_owned(), after.cloned());
        blocking("blobs.list", move || {
            let now = shared.clock.now();
            list::list(
                &shared.root,
                &list::Page { folder: UPLOADS, prefix: &prefix, after: after.as_ref(), limit, now },
            )
            .map_err(|error| fault("blobs.list", prefix, error))
        })
        .await
    }

    async fn ready(&self) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        blocking("blobs.ready", move || {
            shared.temporary_files.room("blobs.ready", "")?;
            shared.temporary_files.try_out().map_err(|error| fault("blobs.ready", "", error))
        })
        .await
    }
}

#[cfg(test)]
mod tests;
