//! The `afterword` program: the server for one machine, the commands that its owner needs, and those of its users.

mod admin;
mod args;
mod backup;
mod banner;
mod config_show;
mod local_servers;
mod moving;
mod open_files;
mod serve;
mod token;
mod vacuum;

use std::process::ExitCode;

use args::{Args, Command};
use clap::{CommandFactory, Parser};
use cli::Host;
use local_servers::DataFolders;
use system::output::exit_code;

/// The name at the beginning of what the program says of itself.
const PROGRAM: &str = "afterword";

/// Exit codes: 0 done, 1 failed, 2 wrong usage (by clap), 128 and the signal's number if a signal ended a command that
/// cleans up. The commands of users also have 3: waiting.
fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::User(command) => {
            return cli::run(command, Host { program: Args::command(), local_servers: &DataFolders });
        }
        Command::Serve(args) => serve::run(&args),
        Command::Token(args) => token::run(&args),
        Command::Config(args) => config_show::run(&args),
        Command::Backup(args) => backup::run(&args),
        Command::Restore(args) => backup::restore(&args),
        Command::Export(args) => moving::export(&args),
        Command::Import(args) => moving::import(&args),
        Command::Admin(args) => admin::run(args),
        Command::Vacuum(args) => vacuum::run(&args),
    };
    exit_code(PROGRAM, done)
}
