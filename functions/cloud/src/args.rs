//! The command line: nothing, where a platform starts the function; the rest is for whoever sets it up.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(version, about, long_about = None)]
pub struct Args {
    /// A file of settings; the environment wins over it.
    #[arg(long, global = true, env = "AFTERWORD_CONFIG")]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub enum Command {
    /// Take requests: on AWS Lambda, on Cloud Run, or on the port that PORT names (the default)
    Serve,
    /// Try every permission that the function needs by a harmless call, and say what to grant
    Doctor,
    /// Print the settings that are in force, and where each comes from
    Config,
}
