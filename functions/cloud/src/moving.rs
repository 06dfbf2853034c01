//! `export` and `import` move the data of users between installations. They need only the database.

use std::io::{BufReader, BufWriter, Write};
use std::path::absolute;

use anyhow::{Context, Error, Result, ensure};
use config::Config;
use domain::Uid;
use flow::archive::{self, Header, Tally};
use flow::ports::{Clock, MaintenanceStore};
use gcp::FirestoreStore;
use system::output::{print_line, tell};
use system::{Interrupt, NewFile, NewFileError, Stop, Stopped, SystemClock, remove_stale};

use crate::adapters;
use crate::args::{Command, Move};
use crate::environment::Environment;
use crate::function::Function;
use crate::options::project;

const BUFFER: usize = 256 * 1024;

pub fn run(function: Function, command: &Command, config: &Config, environment: &Environment) -> Result<()> {
    let store = adapters::store(&project(config, environment)?, config, environment);
    let interrupt = Interrupt::listen(function.name()).context("cannot listen for signals")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start")?;
    let done = runtime.block_on(async {
        match command {
            Command::Export(args) => export(function, args, &store, &interrupt).await,
            Command::Import(args) => import(args, &store, &interrupt).await,
            Command::Serve | Command::Doctor | Command::Config => Ok(()),
        }
    });
    runtime.shutdown_background();
    done
}

/// Runs the work unless a signal ends it. `left` says what becomes of the work then.
async fn unless_ended<T>(interrupt: &Interrupt, left: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    let done = interrupt.stop.unless_set(work).await.unwrap_or(Err(Stopped.into()));
    done.map_err(|error| interrupt.signal(left).map_or(error, Error::from))
}

async fn export(function: Function, args: &Move, store: &FirestoreStore, interrupt: &Interrupt) -> Result<()> {
    let uid = user(args)?;
    let file = absolute(&args.file).unwrap_or_else(|_| args.file.clone());
    for (path, removed) in remove_stale(file.parent().unwrap_or(&file)) {
        let fate = if removed { "is removed" } else { "holds a copy of everything: remove it" };
        tell(function.name(), format_args!("{}: an interrupted export left this; it {fate}", path.display()));
    }
    let left = "the export was ended; nothing of it is left";
    let tally = unless_ended(interrupt, left, export_into(args, store, uid.as_ref(), &interrupt.stop)).await?;
    print_line(format_args!("{}: {tally}", args.file.display()))?;
    archive::left_out(&tally).into_iter().for_each(|line| tell(function.name(), line));
    let unfinished = archive::unfinished(&store.job_stats(SystemClock.now()).await?);
    if unfinished > 0 {
        let warning = format!(
            "{unfinished} jobs are not finished, and their audio is not in the file: let them finish and export again, \
             or have their recordings uploaded again at the new place"
        );
        tell(function.name(), warning);
    }
    Ok(())
}

async fn export_into(args: &Move, store: &FirestoreStore, uid: Option<&Uid>, stop: &Stop) -> Result<Tally> {
    let failed = |why| NewFileError::of(&args.file, why);
    let header = Header::new(env!("CARGO_PKG_VERSION"), SystemClock.now());
    let mut new = NewFile::create(&args.file, stop).map_err(failed)?;
    let mut out = BufWriter::with_capacity(BUFFER, &mut new);
    let tally = archive::export(store, uid, &header, &mut out).await.map_err(|error| match error {
        archive::Error::Io(why) => failed(why).into(),
        error => Error::from(error),
    })?;
    out.flush().map_err(failed)?;
    drop(out);
    new.publish().map_err(failed)?;
    Ok(tally)
}

async fn import(args: &Move, store: &FirestoreStore, interrupt: &Interrupt) -> Result<()> {
    let uid = user(args)?;
    let named = || args.file.display().to_string();
    let from = BufReader::with_capacity(BUFFER, interrupt.stop.open(&args.file).with_context(named)?);
    let left = "the import was ended; what it had written stays, and importing the file again adds the rest";
    let work = async { archive::import(store, uid.as_ref(), from).await.with_context(named) };
    let report = unless_ended(interrupt, left, work).await?;
    print_line(&report)?;
    ensure!(report.is_complete(), "not everything was imported: see above");
    Ok(())
}

fn user(args: &Move) -> Result<Option<Uid>> {
    Ok(args.uid.clone().map(Uid::new).transpose()?)
}
