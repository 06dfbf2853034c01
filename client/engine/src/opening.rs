//! Opens the folder of an engine: the lock, the index, and the recordings that were cut off.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::core::Core;
use crate::index::{Index, IndexError};
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
    let disk = Arc::clone(&ports.disk);
    let index = Index::open(&config.index, Box::new(move || disk.before_commit()))?;
    Ok((lock, index))
}

/// Recovers every recording that was cut off. One whose file cannot be read for now stays for a later pass.
pub fn recover(core: &Core) -> Result<(), IndexError> {
    let unfinished = core.index().unfinished(PAGE)?;
    for chunk in &unfinished {
        let _ = recover_chunk(core, chunk);
    }
    remove_sidecars(core, unfinished.iter().filter_map(|chunk| core.path_of(&chunk.place)).collect());
    Ok(())
}

/// Removes sidecars that a kill left behind after their chunk was durable.
fn remove_sidecars(core: &Core, cut_off: Vec<PathBuf>) {
    let still_open: BTreeSet<PathBuf> = match core.index().unfinished(PAGE) {
        Ok(open) => open.iter().filter_map(|chunk| core.path_of(&chunk.place)).collect(),
        // Nothing is known: nothing is removed.
        Err(_) => return,
    };
    let folders: BTreeSet<PathBuf> = cut_off.iter().filter_map(|file| file.parent().map(PathBuf::from)).collect();
    let account = core.account().map(|account| core.folder_of(&account));
    for folder in folders.into_iter().chain(account) {
        let Ok(names) = core.ports.disk.list(&folder) else { continue };
        for name in names.iter().filter(|name| name.ends_with(".journal")) {
            let audio = folder.join(name.trim_end_matches(".journal"));
            if !still_open.contains(&audio) {
                let _ = core.ports.disk.remove(&folder.join(name));
            }
        }
    }
}
