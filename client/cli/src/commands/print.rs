//! How commands print, and the options about it.

use serde_json::Value;
use terminal::output::{self, OutputError};

/// Options of the commands that show something.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct ShowArgs {
    /// Print JSON, and nothing else, on standard output
    #[arg(long)]
    pub json: bool,
    /// Show times in UTC instead of the zone of this computer
    #[arg(long)]
    pub utc: bool,
}

/// Prints JSON for a program, or for a person who reads it.
pub fn json(value: &Value) -> Result<(), OutputError> {
    output::print_line(format_args!("{value:#}"))
}
