//! `afterword export` and `afterword import` move the data of users between installations. No server may run on the
//! folder meanwhile: neither command would see what it writes.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use domain::Uid;
use flow::archive::{self, Header, Report};
use flow::ports::{Clock, MaintenanceStore};
use local::{DataFolder, SqliteStore};
use system::SystemClock;
use system::output::{print_line, tell};
use tokio::runtime::{Builder, Runtime};

use crate::PROGRAM;
use crate::args::Move;

pub fn export(args: &Move) -> Result<()> {
    // Opening the folder for reading fails if it does not exist, so no folder is created.
    DataFolder::open_shared(&args.data.data_dir)?;
    let folder = DataFolder::open(&args.data.data_dir)?;
    let store = SqliteStore::open(&folder.store_file(), 1)?;
    let uid = user(args)?;
    runtime()?.block_on(async {
        let header = Header::new(env!("CARGO_PKG_VERSION"), SystemClock.now());
        let tally = archive::export_to(&store, uid.as_ref(), &header, &args.file).await?;
        print_line(format_args!("{}: {tally}", args.file.display()))?;
        archive::left_out(&tally).into_iter().for_each(|line| tell(PROGRAM, line));
        let unfinished = archive::unfinished(&store.job_stats(SystemClock.now()).await?);
        if unfinished > 0 {
            let warning = format!(
                "{unfinished} jobs are not finished, and their audio is not in the file: let the server finish \
                 them and export again, or have their recordings uploaded again at the new place"
            );
            tell(PROGRAM, warning);
        }
        Ok(())
    })
}

pub fn import(args: &Move) -> Result<()> {
    let uid = user(args)?;
    let missing = missing_folders(&args.data.data_dir);
    // The lock is held until the end, also while a new folder is removed: nobody else uses it meanwhile.
    let folder = DataFolder::open(&args.data.data_dir)?;
    let new = NewFolder::of(&folder, missing);
    let report = import_into(&folder, uid.as_ref(), &args.file)?;
    new.keep();
    print_report(&report)
}

fn import_into(folder: &DataFolder, uid: Option<&Uid>, file: &Path) -> Result<Report> {
    let store = SqliteStore::open(&folder.store_file(), 1)?;
    let report = runtime()?.block_on(archive::import_from(&store, uid, file));
    report.with_context(|| file.display().to_string())
}

/// The data folder and the folders above it that do not exist, the innermost first.
fn missing_folders(path: &Path) -> Vec<PathBuf> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.ancestors().take_while(|folder| is_missing(folder)).map(Path::to_owned).collect()
}

fn is_missing(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// A data folder that this import has created. Unless it is kept, it is removed with the folders above it that were created
/// for it.
struct NewFolder {
    /// What is removed, the innermost folder first; empty if the folder is somebody else's or is kept.
    created: Vec<PathBuf>,
}

impl NewFolder {
    /// `missing` are the folders that did not exist before `folder` was opened. Another process may have created them since
    /// and ended: then the folder has a store, and is not ours to remove.
    fn of(folder: &DataFolder, missing: Vec<PathBuf>) -> Self {
        let is_ours = is_missing(&folder.store_file());
        Self { created: if is_ours { missing } else { Vec::new() } }
    }

    fn keep(mut self) {
        self.created.clear();
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        // What cannot be removed stays; the error of the import is told.
        if let Some((data, above)) = self.created.split_first() {
            let _ = std::fs::remove_dir_all(data);
            // A folder in which somebody else has put something meanwhile is not empty, and stays.
            let _ = above.iter().try_for_each(std::fs::remove_dir);
        }
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
            let missing = missing_folders(&path);
            let folder = DataFolder::open(&path).unwrap();
            let new = NewFolder::of(&folder, missing);
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
        let missing = missing_folders(&path);
        let other = DataFolder::open(&path).unwrap();
        SqliteStore::open(&other.store_file(), 1).unwrap();
        assert!(DataFolder::open(&path).is_err(), "it is in use, so that nothing is armed");
        drop(other);
        let folder = DataFolder::open(&path).unwrap();
        drop(NewFolder::of(&folder, missing));
        assert!(folder.store_file().exists());
    }

    #[test]
    fn folder_above_in_which_somebody_else_has_put_something_stays() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("outer/data");
        let missing = missing_folders(&path);
        let folder = DataFolder::open(&path).unwrap();
        let other = parent.path().join("outer/other");
        std::fs::write(&other, "kept").unwrap();
        drop(NewFolder::of(&folder, missing));
        assert_eq!((path.exists(), other.exists()), (false, true));
    }
}
