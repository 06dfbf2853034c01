//! `afterword man`, which `make man` runs.

use std::path::PathBuf;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::messages::Message;

#[derive(clap::Args)]
pub struct Args {
    /// The folder, which must exist
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub fn run(args: &Args, program: clap::Command) -> Result<Exit, Failure> {
    let failed = |error: std::io::Error| Message::FileNotWritten { path: args.folder.clone(), why: error.to_string() };
    clap_mangen::generate_to(program, &args.folder).map_err(failed)?;
    Ok(Exit::Done)
}
