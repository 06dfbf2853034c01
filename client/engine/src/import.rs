//! Takes over the index of older apps, `wals.json` (R12).
//!
//! Nothing of the older app is changed: its files are uploaded from where they are, like files of the user. If its index and
//! its backup are both broken, the import stops and touches nothing. Importing again adds nothing twice.

mod entry;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use domain::Uid;
use serde::Deserialize;
use serde_json::Value;

use crate::chunk::{Chunk, ChunkId, LastError, Place, State, Transfer};
use crate::core::Core;
use crate::digest::{Digests, digest};
use crate::index::{IndexError, JobRow};
use entry::Entry;

const MAIN: &str = "wals.json";
const BACKUP: &str = "wals_backup.json";
/// The largest index that is read: more than a hundred thousand entries of an app that kept one a minute. In memory it takes a
/// multiple of that.
const MAX_INDEX_BYTES: u64 = 64 << 20;

/// What an import led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// The recordings that were added, by state.
    pub added: BTreeMap<State, u64>,
    /// Recordings that were known.
    pub known: u64,
    /// Entries whose audio is not in a file here: in memory, or on the recorder.
    pub elsewhere: u64,
    /// Entries whose file cannot be found.
    pub without_file: Vec<String>,
    /// Entries that cannot be read, and why.
    pub invalid: Vec<String>,
    /// The backup was read, because the main file is broken.
    pub from_backup: bool,
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Nobody is signed in: recordings need an owner.
    #[error("nobody is signed in")]
    SignedOut,
    /// Both files are broken or missing.
    #[error("neither {MAIN} nor {BACKUP} in {} can be read ({main}; {backup}): nothing was imported", .folder.display())]
    #[expect(missing_docs, reason = "the sentence says it")]
    Broken { folder: PathBuf, main: String, backup: String },
    /// The index refuses.
    #[error(transparent)]
    Index(#[from] IndexError),
}

#[derive(Deserialize)]
struct Wals {
    wals: Vec<Value>,
}

fn too_large(bytes: u64) -> io::Error {
    let (mib, most) = (bytes.div_ceil(1 << 20), MAX_INDEX_BYTES >> 20);
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it has {mib} MiB, and at most {most} MiB are read"))
}

fn read(core: &Core, file: &Path) -> Result<Vec<Value>, String> {
    let read = || -> io::Result<Vec<u8>> {
        let mut reader = core.ports.disk.open(file)?;
        let size = reader.size()?;
        if size > MAX_INDEX_BYTES {
            return Err(too_large(size));
        }
        let (mut text, mut block) = (Vec::new(), vec![0; 64 << 10]);
        loop {
            match reader.read_at(text.len() as u64, &mut block)? {
                0 => return Ok(text),
                read => text.extend_from_slice(&block[..read]),
            }
            // It grew since its size was asked for.
            if text.len() as u64 > MAX_INDEX_BYTES {
                return Err(too_large(text.len() as u64));
            }
        }
    };
    let text = read().map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => error.to_string(),
        kind => kind.to_string(),
    })?;
    serde_json::from_slice::<Wals>(&text).map(|wals| wals.wals).map_err(|error| error.to_string())
}

/// Imports the older app's index in this folder.
pub fn import(core: &Core, owner: &Uid, folder: &Path) -> Result<Imported, ImportError> {
    let mut imported = Imported::default();
    let entries = match read(core, &folder.join(MAIN)) {
        Ok(entries) => entries,
        Err(main) => {
            imported.from_backup = true;
            let broken = |backup| ImportError::Broken { folder: folder.to_owned(), main, backup };
            read(core, &folder.join(BACKUP)).map_err(broken)?
        }
    };
    let names = core.ports.disk.list(folder).unwrap_or_default();
    for value in &entries {
        match Entry::parse(value) {
            Ok(entry) => import_one(core, owner, folder, &names, &entry, &mut imported)?,
            Err(why) => imported.invalid.push(why),
        }
    }
    Ok(imported)
}

fn import_one(
    core: &Core,
    owner: &Uid,
    folder: &Path,
    names: &[String],
    entry: &Entry,
    imported: &mut Imported,
) -> Result<(), IndexError> {
    if !entry.is_on_disk {
        imported.elsewhere += 1;
        return Ok(());
    }
    let file = entry.file_in(names).map(|name| folder.join(name));
    let digests = file.as_ref().and_then(|file| digest(&*core.ports.disk, file).ok()).filter(|found| found.bytes > 0);
    let (Some(file), Some(digests)) = (file, digests) else {
        imported.without_file.push(entry.describe());
        return Ok(());
    };
    let name = entry.upload_name(&file);
    let mut index = core.index();
    if index.known_file(owner, &name, digests.sha256)?.is_some() {
        imported.known += 1;
        return Ok(());
    }
    let chunk = chunk(owner, entry, &file, name, digests, core);
    match chunk.transfer.job_id.filter(|_| chunk.transfer.state == State::Uploaded) {
        None => drop(index.insert(&chunk)?),
        Some(job_id) => {
            let id = index.insert(&Chunk { transfer: Transfer::pending(), ..chunk.clone() })?;
            let job = JobRow {
                job_id,
                owner: owner.clone(),
                step: 0,
                next_poll_at: Some(core.now()),
                is_retry: false,
                status: "queued".to_owned(),
                processed: 0,
                total: 0,
            };
            index.accepted(&job, &[(id, chunk.transfer.clone())], chunk.conversation_id)?;
        }
    }
    *imported.added.entry(chunk.transfer.state).or_default() += 1;
    Ok(())
}

fn chunk(owner: &Uid, entry: &Entry, file: &Path, name: String, digests: Digests, core: &Core) -> Chunk {
    let state = entry.state();
    let settled = !state.is_open();
    let transfer = Transfer {
        state,
        retry_count: entry.retry_count,
        job_id: entry.job_id.filter(|_| state == State::Uploaded || settled),
        uploaded_at: entry.uploaded_at,
        confirmed_at: settled.then(|| core.now()),
        // The older app does not say who was to blame: a start gives a new budget.
        last_error: (settled && state != State::Synced)
            .then(|| LastError::new("local_imported", None, &format!("the older app said: {}", entry.status))),
        ..Transfer::pending()
    };
    Chunk {
        id: ChunkId(0),
        owner: owner.clone(),
        name,
        place: Place::Foreign(file.display().to_string()),
        captured_at: entry.captured_at,
        sends_captured_at: false,
        format: Some(entry.format),
        duration_ms: entry.duration_ms,
        frames: entry.frames,
        synced_prefix: entry.synced_prefix,
        device: entry.device.clone(),
        session: entry.session.clone(),
        conversation_id: entry.conversation_id,
        bytes: digests.bytes,
        sha256: Some(digests.sha256),
        crc32c: digests.crc32c,
        transfer,
    }
}
