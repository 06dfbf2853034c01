//! `export` and `import` move the data of users between installations. They need only the database.

use anyhow::{Context, Result, ensure};
use config::Config;
use domain::Uid;
use flow::archive::{self, Header};
use flow::ports::{Clock, MaintenanceStore};
use gcp::FirestoreStore;
use system::SystemClock;
use system::output::{print_line, tell};

use crate::adapters;
use crate::args::{Command, Move};
use crate::environment::Environment;
use crate::function::Function;
use crate::options::project;

pub fn run(function: Function, command: &Command, config: &Config, environment: &Environment) -> Result<()> {
    let store = adapters::store(&project(config, environment)?, config, environment);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start")?;
    let done = runtime.block_on(async {
        match command {
            Command::Export(args) => export(function, args, &store).await,
            Command::Import(args) => import(args, &store).await,
            Command::Serve | Command::Doctor | Command::Config => Ok(()),
        }
    });
    runtime.shutdown_background();
    done
}

async fn export(function: Function, args: &Move, store: &FirestoreStore) -> Result<()> {
    let uid = user(args)?;
    let header = Header::new(env!("CARGO_PKG_VERSION"), SystemClock.now());
    let tally = archive::export_to(store, uid.as_ref(), &header, &args.file).await?;
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

async fn import(args: &Move, store: &FirestoreStore) -> Result<()> {
    let uid = user(args)?;
    let report = archive::import_from(store, uid.as_ref(), &args.file).await;
    let report = report.with_context(|| args.file.display().to_string())?;
    print_line(&report)?;
    ensure!(report.is_complete(), "not everything was imported: see above");
    Ok(())
}

fn user(args: &Move) -> Result<Option<Uid>> {
    Ok(args.uid.clone().map(Uid::new).transpose()?)
}
