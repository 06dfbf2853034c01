//! Writes one blob. Small blobs are buffered in memory and written with one blocking call, large ones
//! are streamed.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use flow::ports::{BlobName, BlobWriter, Checksum, StoredBlob};
use flow::{Error, Kind, Result};

use super::Shared;
use super::disk::{blocking, fault};
use super::folders::Fresh;
use super::name::BlobPath;
use super::piece::{PIECE, Piece};
use super::temporary::Temporary;

/// How often a folder may disappear under a writer, because the last other blob in it was deleted,
/// before the write fails.
const MAX_TRIES: usize = 64;

pub struct Writer {
    shared: Arc<Shared>,
    name: BlobName,
    place: BlobPath,
    /// The bytes that are not on disk yet.
    piece: Piece,
    file: OnDisk,
}

enum OnDisk {
    NotYet,
    Here(Temporary),
    /// The file is on another thread. It stays there when a write failed or its caller was cancelled: the
    /// blob is lost.
    Away,
}

impl Writer {
    pub fn new(shared: Arc<Shared>, name: BlobName, place: BlobPath) -> Self {
        let piece = shared.spare.take();
        Self { shared, name, place, piece, file: OnDisk::NotYet }
    }

    fn take_file(&mut self, operation: &'static str) -> Result<Option<Temporary>> {
        match std::mem::replace(&mut self.file, OnDisk::Away) {
            OnDisk::NotYet => Ok(None),
            OnDisk::Here(file) => Ok(Some(file)),
            OnDisk::Away => Err(Error::new(Kind::Unavailable, operation, &self.name)
                .because("an earlier write failed or was cancelled")),
        }
    }

    async fn write_piece(&mut self) -> Result<()> {
        let file = self.take_file("blobs.write")?;
        let (shared, name, mut piece) = (Arc::clone(&self.shared), self.name.clone(), std::mem::take(&mut self.piece));
        let (file, piece) = blocking("blobs.write", move || {
            let failed = |error| fault("blobs.write", &name, error);
            let mut file = file.map_or_else(|| shared.temporary_files.large_file(), Ok).map_err(failed)?;
            file.write(piece.bytes()).map_err(failed)?;
            if file.is_space_check_due() {
                shared.temporary_files.room("blobs.write", &name)?;
            }
            piece.clear();
            Ok((file, piece))
        })
        .await?;
        (self.file, self.piece) = (OnDisk::Here(file), piece);
        Ok(())
    }
}

#[async_trait]
impl BlobWriter for Writer {
    async fn write(&mut self, mut bytes: Bytes) -> Result<()> {
        while self.piece.take(&mut bytes) {
            self.write_piece().await?;
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<StoredBlob> {
        let file = self.take_file("blobs.finish")?;
        let shared = Arc::clone(&self.shared);
        let (name, place, rest) = (self.name.clone(), self.place.clone(), std::mem::take(&mut self.piece));
        blocking("blobs.finish", move || {
            let stored = finish(&shared, &name, &place, file, rest.bytes());
            shared.spare.give(rest);
            stored
        })
        .await
    }

    async fn abort(mut self: Box<Self>) {
        if let Ok(Some(file)) = self.take_file("blobs.abort") {
            // Freeing a large file takes time. If it fails, a temporary file stays, which the next start removes.
            let _ = tokio::task::spawn_blocking(move || drop(file)).await;
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let OnDisk::Here(file) = std::mem::replace(&mut self.file, OnDisk::Away)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            drop(runtime.spawn_blocking(move || drop(file)));
        }
    }
}

fn finish(
    shared: &Shared,
    name: &BlobName,
    place: &BlobPath,
    file: Option<Temporary>,
    rest: &[u8],
) -> Result<StoredBlob> {
    let failed = |error| fault("blobs.finish", name, error);
    let mut file = file.map_or_else(|| shared.temporary_files.file(), Ok).map_err(failed)?;
    file.write(rest).map_err(failed)?;
    let stored = file.make_durable(shared.clock.now()).map_err(failed)?;
    let to = shared.root.join(place.path());
    let placed = put(shared, &to, |to| file.place(to), |at| is_stored(at, &stored));
    let (fresh, found) = placed.inspect_err(|_| shared.folders.prune_around(&to)).map_err(failed)?;
    if found == Found::Other {
        return Err(Error::new(Kind::Conflict, "blobs.finish", name));
    }
    // The blob is visible, but a power failure might still lose it. So this is neither a success nor a
    // failure that may be cleaned up.
    let unsure = |error| Error::new(Kind::Unknown, "blobs.finish", name).because(error);
    shared.folders.make_durable(&to, fresh).map_err(unsure)?;
    Ok(stored)
}

/// What has the name in the end.
#[derive(Clone, Copy, PartialEq)]
pub enum Found {
    /// Our bytes, placed just now or by an earlier write that succeeded.
    Ours,
    Other,
}

/// Gives a durable file its name, unless something else has that name.
pub fn put(
    shared: &Shared,
    to: &Path,
    mut place: impl FnMut(&Path) -> io::Result<()>,
    is_ours: impl Fn(&Path) -> io::Result<bool>,
) -> io::Result<(Vec<Fresh>, Found)> {
    let mut last = io::Error::from(ErrorKind::NotFound);
    for _ in 0..MAX_TRIES {
        // A deletion may remove the folders at any moment until the file is in them.
        let tried = shared.folders.make_around(to).and_then(|fresh| match place(to) {
            Ok(()) => Ok((fresh, Found::Ours)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                Ok((fresh, if is_ours(to)? { Found::Ours } else { Found::Other }))
            }
            Err(error) => Err(error),
        });
        match tried {
            Err(error) if error.kind() == ErrorKind::NotFound => last = error,
            done => return done,
        }
        shared.folders.forget_around(to);
    }
    Err(last)
}

fn is_stored(at: &Path, stored: &StoredBlob) -> io::Result<bool> {
    let mut file = File::open(at)?;
    if file.metadata()?.len() != stored.size {
        return Ok(false);
    }
    let (mut sum, mut piece) = (Checksum::default(), vec![0; PIECE]);
    loop {
        match file.read(&mut piece)? {
            0 => break,
            read => sum.add(&piece[..read]),
        }
    }
    // The whole checksum is compared: other bytes with the same CRC are easily made.
    Ok(sum.stored() == *stored)
}
