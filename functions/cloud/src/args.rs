//! The command line: platforms start the function without arguments; the commands are for operators.

use std::path::PathBuf;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(version, about, long_about = None)]
pub struct Args {
    /// A file of settings; the environment wins over it.
    #[arg(long, global = true, env = "AFTERWORD_CONFIG")]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Take requests: on AWS Lambda, on Cloud Run, or on the port that PORT names (the default)
    Serve,
    /// Try every permission that the function needs by a harmless call, and say what to grant
    Doctor,
    /// Print the settings that are in force, and where each comes from
    Config,
    /// Write what users have into one file: conversations, usage and known recordings
    ///
    /// `afterword import` and `afterword-process import` read it. Jobs and audio are not in it: let them finish first.
    Export(Move),
    /// Take in what `export` wrote, here or on a single machine, before users upload here
    ///
    /// What is there already stays as it stands: importing again changes nothing.
    Import(Move),
}

#[derive(Clone, Debug, clap::Args)]
pub struct Move {
    /// Only this user
    #[arg(long, value_name = "UID")]
    pub uid: Option<String>,
    /// The file; an export makes it, and replaces none
    pub file: PathBuf,
}

/// Reads the command line of the program that has this name. Both programs are in one package, whose name says nothing to
/// their users.
pub fn parse(program: &'static str) -> Args {
    let matches = command(program).get_matches();
    Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

fn command(program: &'static str) -> clap::Command {
    Args::command().name(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_names_the_program_and_not_its_package() {
        assert!(command("afterword-upload").render_version().starts_with("afterword-upload "));
    }
}
