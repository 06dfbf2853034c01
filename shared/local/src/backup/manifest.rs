//! The list of what a backup folder holds. Replacing it is the moment in which a new state counts.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::folder::{durable, private};

pub const MANIFEST: &str = "manifest";
const NEXT: &str = "manifest.next";
/// Written into each list, so that a later version recognises what an earlier one wrote.
const FORMAT: u32 = 1;

/// A file in the folder, named by the digest of its content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Content {
    pub sha256: String,
    pub bytes: u64,
}

/// A file of the data folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its path in the data folder.
    pub path: String,
    /// Nanoseconds since 1970. The age of a blob is the time it was written.
    pub modified: u64,
    #[serde(flatten)]
    pub content: Content,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    format: u32,
    /// The server whose data this is, as [`server_id`](crate::secret::server_id) names it.
    #[serde(default)]
    pub server: String,
    pub page_bytes: u64,
    /// The number of pages of the store.
    pub pages: u32,
    /// Files of pages; a page in a later file replaces the one in an earlier file.
    pub layers: Vec<Content>,
    /// What the pages are recognised by.
    pub sums: Option<Content>,
    pub entries: Vec<Entry>,
}

#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("the list of this backup is damaged")]
    Damaged,
    #[error("a later version of the program wrote this backup (format {0}, this one knows {FORMAT})")]
    Newer(u32),
    #[error(transparent)]
    Unread(#[from] io::Error),
}

impl Manifest {
    /// An empty list of this server's data.
    pub fn of(server: String) -> Self {
        Self { server, ..Self::default() }
    }

    /// `None` if no backup has ever been completed in the folder.
    pub fn read(folder: &Path) -> Result<Option<Self>, ManifestError> {
        let text = match fs::read_to_string(folder.join(MANIFEST)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(ManifestError::Damaged),
            text => text?,
        };
        // The list is one line, and the digest of that line is the next one.
        let (list, digest) = text.trim_end().split_once('\n').ok_or(ManifestError::Damaged)?;
        if digest != sha256(list.as_bytes()) {
            return Err(ManifestError::Damaged);
        }
        let read: Self = serde_json::from_str(list).map_err(|_| ManifestError::Damaged)?;
        if read.format > FORMAT { Err(ManifestError::Newer(read.format)) } else { Ok(Some(read)) }
    }

    /// Writes the list beside the previous one. If that fails, nothing is left of it.
    pub fn prepare(&mut self, folder: &Path) -> io::Result<()> {
        self.format = FORMAT;
        let list = serde_json::to_string(self)?;
        let next = folder.join(NEXT);
        drop(fs::remove_file(&next));
        let mut file: File = private::make_file(&next)?;
        file.write_all(format!("{list}\n{}\n", sha256(list.as_bytes())).as_bytes())
            .and_then(|()| file.sync_all())
            .inspect_err(|_| drop(fs::remove_file(&next)))
    }

    /// Replaces the list by the prepared one. Everything that it names must be durable.
    pub fn publish(folder: &Path) -> io::Result<()> {
        fs::rename(folder.join(NEXT), folder.join(MANIFEST))?;
        durable::sync(folder)
    }

    /// Everything in the folder that the list names.
    pub fn contents(&self) -> impl Iterator<Item = &Content> {
        self.layers.iter().chain(&self.sums).chain(self.entries.iter().map(|entry| &entry.content))
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
