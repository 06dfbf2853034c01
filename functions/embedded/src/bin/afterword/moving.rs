//! `afterword export` and `afterword import` move the data of users between installations. No server may run on the
//! folder meanwhile: neither command would see what it writes.

use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf, absolute};

use anyhow::{Context, Error, Result, bail, ensure};
use domain::Uid;
use flow::archive::{self, Header, Report, Tally};
use flow::ports::{Clock, MaintenanceStore};
use local::{DataFolder, SqliteStore};
use system::output::{print_line, tell};
use system::{Interrupt, NewFile, NewFileError, Stop, Stopped, SystemClock, Unfinished, remove_stale};
use tokio::runtime::{Builder, Runtime};

use crate::PROGRAM;
use crate::args::Move;

const BUFFER: usize = 256 * 1024;
/// What an import creates in a folder that is there and has no store.
const PARTS: [&str; 5] = ["store.db", "store.db-wal", "store.db-shm", "secrets", "lock"];

pub fn export(args: &Move) -> Result<()> {
    // Opening the folder for reading fails if it does not exist, so no folder is created.
    DataFolder::open_shared(&args.data.data_dir)?.with_store()?;
    let folder = DataFolder::open(&args.data.data_dir)?;
    let file = absolute(&args.file).unwrap_or_else(|_| args.file.clone());
    let parent = file.parent().unwrap_or(&file);
    if folder.contains(parent) {
        bail!("{}: this is inside the data folder; an export belongs somewhere else", file.display());
    }
    let store = SqliteStore::open(&folder.store_file(), 1)?;
    let uid = user(args)?;
    let interrupt = listen()?;
    remove_stale(parent).into_iter().for_each(tell_stale);
    let exported = export_into(&file, &store, uid.as_ref(), &interrupt.stop);
    let tally = exported.map_err(|error| ended(error, &interrupt, "the export was ended; nothing of it is left"))?;
    print_line(format_args!("{}: {tally}", args.file.display()))?;
    archive::left_out(&tally).into_iter().for_each(|line| tell(PROGRAM, line));
    let unfinished = archive::unfinished(&runtime()?.block_on(store.job_stats(SystemClock.now()))?);
    if unfinished > 0 {
        let warning = format!(
            "{unfinished} jobs are not finished, and their audio is not in the file: let the server finish \
             them and export again, or have their recordings uploaded again at the new place"
        );
        tell(PROGRAM, warning);
    }
    Ok(())
}

fn export_into(file: &Path, store: &SqliteStore, uid: Option<&Uid>, stop: &Stop) -> Result<Tally> {
    let failed = |why| NewFileError::of(file, why);
    let mut new = NewFile::create(file, stop).map_err(failed)?;
    let header = Header::new(env!("CARGO_PKG_VERSION"), SystemClock.now());
    let mut out = BufWriter::with_capacity(BUFFER, &mut new);
    let exported = runtime()?.block_on(stop.unless_set(archive::export(store, uid, &header, &mut out)));
    let tally = exported.ok_or(Stopped)?.map_err(|error| match error {
        archive::Error::Io(why) => failed(why).into(),
        error => Error::from(error),
    })?;
    out.flush().map_err(failed)?;
    drop(out);
    new.publish().map_err(failed)?;
    Ok(tally)
}

fn tell_stale((path, removed): (PathBuf, bool)) {
    let fate = if removed { "is removed" } else { "holds a copy of everything: remove it" };
    tell(PROGRAM, format_args!("{}: an interrupted backup or export left this; it {fate}", path.display()));
}

pub fn import(args: &Move) -> Result<()> {
    let uid = user(args)?;
    let interrupt = listen()?;
    let new = missing_parts(&args.data.data_dir);
    // The lock is held until the end, also while a new folder is removed: nobody else uses it meanwhile.
    let folder = DataFolder::open(&args.data.data_dir)?;
    let new = NewParts::of(&folder, new, &interrupt.stop);
    let imported = import_into(&folder, uid.as_ref(), &args.file, &interrupt.stop);
    let left = if new.is_ours {
        "nothing of it is left"
    } else {
        "what it had written stays, and importing the file again adds the rest"
    };
    let outcome = format!("the import was ended; {left}");
    let report = imported.map_err(|error| ended(error, &interrupt, &outcome))?;
    new.keep();
    print_report(&report)
}

fn import_into(folder: &DataFolder, uid: Option<&Uid>, file: &Path, stop: &Stop) -> Result<Report> {
    let store = SqliteStore::open(&folder.store_file(), 1)?;
    let from = stop.open(file).with_context(|| file.display().to_string())?;
    let import = archive::import(&store, uid, BufReader::with_capacity(BUFFER, from));
    let report = runtime()?.block_on(stop.unless_set(import)).ok_or(Stopped)?;
    let report = report.with_context(|| file.display().to_string())?;
    stop.check()?;
    Ok(report)
}

fn listen() -> Result<Interrupt> {
    Interrupt::listen(PROGRAM).context("cannot listen for signals")
}

/// After a signal, the signal is why the command failed.
fn ended(error: Error, interrupt: &Interrupt, outcome: &str) -> Error {
    interrupt.signal(outcome).map_or(error, Error::from)
}

/// What an import creates, of which nothing exists yet. Each entry is removed with its content, and is followed by folders
/// around it that go if they are empty.
fn missing_parts(path: &Path) -> Vec<Vec<PathBuf>> {
    let path = absolute(path).unwrap_or_else(|_| path.to_owned());
    if is_missing(&path) {
        let folders = path.ancestors().take_while(|folder| is_missing(folder));
        return vec![folders.map(Path::to_owned).collect()];
    }
    let parts = PARTS.iter().map(|name| path.join(name));
    parts.filter(|part| is_missing(part)).map(|part| vec![part]).collect()
}

fn is_missing(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// A store that this import has created, with the folders for it. It is removed unless it is kept.
struct NewParts {
    created: Vec<Unfinished>,
    is_ours: bool,
}

impl NewParts {
    /// `missing` is what did not exist before `folder` was opened. Another process may have created it since and ended: then
    /// the folder has a store, and is not ours to remove.
    fn of(folder: &DataFolder, missing: Vec<Vec<PathBuf>>, stop: &Stop) -> Self {
        let is_ours = is_missing(&folder.store_file());
        let created = if is_ours { missing } else { Vec::new() };
        Self { created: created.into_iter().map(|paths| stop.unfinished_with(paths)).collect(), is_ours }
    }

    fn keep(self) {
        self.created.into_iter().for_each(Unfinished::keep);
    }
}

fn print_report(report: &Report) -> Result<()> {
    print_line(report)?;
    ensure!(report.is_complete(), "not everything was imported: see above");
    Ok(())
}

fn user(args: &Move) -> Result<Option<Uid>> {
    Ok(args.uid.clone().map(Uid::new).transpose()?)
}

fn runtime() -> Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("cannot start")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_that_an_import_created_is_removed_unless_it_is_kept() {
        let parent = tempfile::tempdir().unwrap();
        let (outer, path) = (parent.path().join("outer"), parent.path().join("outer/data"));
        for is_kept in [false, true] {
            let missing = missing_parts(&path);
            let folder = DataFolder::open(&path).unwrap();
            let new = NewParts::of(&folder, missing, &Stop::default());
            SqliteStore::open(&folder.store_file(), 1).unwrap();
            if is_kept {
                new.keep()
            } else {
                drop(new)
            }
            assert_eq!((outer.exists(), path.exists()), (is_kept, is_kept));
        }
    }

    #[test]
    fn folder_that_another_process_created_meanwhile_is_never_removed() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let missing = missing_parts(&path);
        let other = DataFolder::open(&path).unwrap();
        SqliteStore::open(&other.store_file(), 1).unwrap();
        assert!(DataFolder::open(&path).is_err(), "it is in use, so that nothing is armed");
        drop(other);
        let folder = DataFolder::open(&path).unwrap();
        drop(NewParts::of(&folder, missing, &Stop::default()));
        assert!(folder.store_file().exists());
    }

    #[test]
    fn store_in_a_folder_that_was_there_is_removed_and_the_folder_stays() {
        let at = tempfile::tempdir().unwrap();
        std::fs::write(at.path().join("lock"), "").unwrap();
        std::fs::write(at.path().join("other"), "kept").unwrap();
        let missing = missing_parts(at.path());
        let folder = DataFolder::open(at.path()).unwrap();
        let new = NewParts::of(&folder, missing, &Stop::default());
        SqliteStore::open(&folder.store_file(), 1).unwrap();
        drop(new);
        let mut left: Vec<_> = std::fs::read_dir(at.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["lock", "other"]);
    }
}
