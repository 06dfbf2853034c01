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
    let new = NewFolder::before(&args.data.data_dir);
    let report = import_into(args, uid.as_ref())?;
    new.keep();
    print_report(&report)
}

fn import_into(args: &Move, uid: Option<&Uid>) -> Result<Report> {
    let folder = DataFolder::open(&args.data.data_dir)?;
    let store = SqliteStore::open(&folder.store_file(), 1)?;
    let report = runtime()?.block_on(archive::import_from(&store, uid, &args.file));
    report.with_context(|| args.file.display().to_string())
}

/// A data folder that an import may create. Unless it is kept, it is removed with the folders above it that were created
/// for it.
struct NewFolder {
    /// The outermost folder that did not exist before.
    created: Option<PathBuf>,
}

impl NewFolder {
    fn before(path: &Path) -> Self {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let missing = path.ancestors().take_while(|folder| is_missing(folder));
        Self { created: missing.last().map(Path::to_owned) }
    }

    fn keep(mut self) {
        self.created = None;
    }
}

fn is_missing(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        if let Some(created) = &self.created {
            // What cannot be removed stays; the error of the import is told.
            let _ = std::fs::remove_dir_all(created);
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
