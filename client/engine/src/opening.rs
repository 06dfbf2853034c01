//! Opens the folder of an engine: the lock, the index, and the recordings that were cut off.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::Uid;

use crate::chunk::ChunkId;
use crate::core::Core;
use crate::folders::{is_claimed, is_own_recording};
use crate::index::{Index, IndexError};
use crate::index_files;
use crate::ports::{Lock, Ports};
use crate::recorder::recover_chunk;
use crate::settings::Config;

/// Journals that are recovered together.
const PAGE: usize = 1000;

/// Why an engine cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("another process has {} open: end it first", .0.display())]
    InUse(PathBuf),
    /// The folder cannot be used.
    #[error("{} cannot be used: {why}", .folder.display())]
    #[expect(missing_docs, reason = "the sentence says it")]
    Folder { folder: PathBuf, why: io::Error },
    /// The index cannot be used.
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// Creates the folder, and locks it for this process.
pub fn lock_folder(config: &Config, ports: &Ports) -> Result<Box<dyn Lock>, OpenError> {
    let folder = |why| OpenError::Folder { folder: config.folder.clone(), why };
    ports.disk.create_folder(&config.folder).map_err(folder)?;
    let lock = ports.disk.lock(&config.folder.join("engine.lock")).map_err(folder)?;
    lock.ok_or_else(|| OpenError::InUse(config.folder.clone()))
}

/// Locks the folder and opens the index.
pub fn open(config: &Config, ports: &Ports) -> Result<(Box<dyn Lock>, Index), OpenError> {
    let lock = lock_folder(config, ports)?;
    index_files::complete(config, ports).map_err(|why| OpenError::Folder { folder: config.folder.clone(), why })?;
    let disk = Arc::clone(&ports.disk);
    let index = Index::open(&config.index, Box::new(move || disk.before_commit()))?;
    // An index that was removed, or that a version before this one left behind when its `rebuild` was killed. To go on would be
    // to forget the recordings; whether all of them are uploaded again is for a person to decide.
    if index.is_empty()?
        && let Some(folder) = folder_with_recordings(config, ports)
    {
        let path = config.index.display().to_string();
        return Err(IndexError::Empty { path, folder: folder.display().to_string() }.into());
    }
    Ok((lock, index))
}

/// A folder of an account that holds recordings. A folder that cannot be read for now says nothing.
fn folder_with_recordings(config: &Config, ports: &Ports) -> Option<PathBuf> {
    let names = ports.disk.list(&config.folder).unwrap_or_default();
    let mut folders = names.into_iter().map(|name| config.folder.join(name));
    folders.find(|folder| {
        let names = ports.disk.list(folder).unwrap_or_default();
        names.iter().any(|name| is_own_recording(name)) && is_claimed(&*ports.disk, folder)
    })
}

/// Recovers every recording that was cut off. One whose file cannot be read for now stays for a later pass.
pub fn recover(core: &Core) -> Result<(), IndexError> {
    let account = core.account().map(|account| (core.folder_of(&account), account));
    let mut folders: BTreeMap<PathBuf, Uid> = account.into_iter().collect();
    let mut after = ChunkId(0);
    while let (page, Some(last)) = core.left_over(after, PAGE)? {
        for chunk in &page {
            let _ = recover_chunk(core, chunk);
            folders.insert(core.folder_of(&chunk.owner), chunk.owner.clone());
        }
        after = last;
    }
    folders.iter().for_each(|(folder, owner)| remove_sidecars(core, folder, owner));
    Ok(())
}

/// Removes sidecars that a kill left behind after their chunk was durable.
fn remove_sidecars(core: &Core, folder: &Path, owner: &Uid) {
    let Ok(names) = core.ports.disk.list(folder) else { return };
    for name in names.iter().filter(|name| name.ends_with(".journal")) {
        // What is not known is not removed.
        let is_unfinished = core.index().is_unfinished(owner, name.trim_end_matches(".journal"));
        if matches!(is_unfinished, Ok(false)) {
            let _ = core.ports.disk.remove(&folder.join(name));
        }
    }
}
