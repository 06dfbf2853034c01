//! `afterword export` and `afterword import` move the data of users between installations. No server may run on the
//! folder meanwhile: neither command would see what it writes.

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
    let folder = DataFolder::open(&args.data.data_dir)?;
    let store = SqliteStore::open(&folder.store_file(), 1)?;
    let uid = user(args)?;
    let report = runtime()?.block_on(archive::import_from(&store, uid.as_ref(), &args.file));
    print_report(&report.with_context(|| args.file.display().to_string())?)
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
