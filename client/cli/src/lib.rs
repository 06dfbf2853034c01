//! The commands of `afterword` for the users of a server: they talk to it over its HTTP API, and keep the
//! addresses and the tokens of servers, and what they know about the recordings on this computer.
//!
//! The program of the server contains these commands too, so that there is one program. It passes in what a command
//! has to know about the server on this machine ([`LocalServers`]); nothing of the server is part of this crate.

mod api;
mod clock;
mod commands;
mod connection;
mod exit;
mod failure;
mod interrupt;
mod local_server;
mod login;
mod messages;
mod push;
mod record;
mod times;
mod watch;

use std::process::ExitCode;

use clap::Subcommand;

use crate::commands::{
    cancel, completions, doctor, import_wals, jobs, log_in, log_out, man, push as push_command, rebuild,
    record as record_command, retry, show, status, transcripts, watch as watch_command,
};
use crate::exit::Exit;
use crate::failure::Failure;
pub use local_server::{LocalServer, LocalServerError, LocalServers};

/// The name at the beginning of what the program says on standard error.
const PROGRAM: &str = "afterword";

/// A command of a user.
#[derive(Subcommand)]
pub enum Command {
    /// Keep the address and the token of a server, so that the other commands know them
    Login(log_in::Args),
    /// Forget a server and its token
    Logout(log_out::Args),
    /// Send recordings, wait, and print what was said
    Push(push_command::Args),
    /// Send the recordings of a folder as they come
    Watch(watch_command::Args),
    /// Record audio that comes on standard input, and send it
    Record(record_command::Args),
    /// Show whether the server can be reached, who you are, and what may be uploaded
    Status(status::Args),
    /// List your jobs, newest first
    Jobs(jobs::Args),
    /// Show a job with each of its files
    Show(show::Args),
    /// Run jobs again for what they have not done
    Retry(retry::Args),
    /// Cancel jobs that are not finished
    Cancel(cancel::Args),
    /// Print what was said
    Transcripts(transcripts::Args),
    /// Check the way to the server: configuration, address, certificate, token, clock, limits
    Doctor(doctor::Args),
    /// Take over the recordings of an older app
    ImportWals(import_wals::Args),
    /// Make a new index of the recordings on this computer, if the index is damaged
    Rebuild(rebuild::Args),
    /// Print the completions of a shell
    Completions(completions::Args),
    /// Write the manual pages of all commands into a folder
    #[command(hide = true)]
    Man(man::Args),
}

/// What a command needs from the program that contains it.
pub struct Host<'h> {
    /// The whole command line, of which the completions and the manual pages are made.
    pub program: clap::Command,
    /// The servers on this machine.
    pub local_servers: &'h dyn LocalServers,
}

/// Runs a command. Exit codes: 0 done, 1 failed, 2 wrong usage (most of it by clap), 3 waiting: the server is offline
/// or asks to wait, and nothing is lost.
pub fn run(command: Command, host: Host<'_>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal::output::tell(PROGRAM, format_args!("cannot start: {error}"));
            return Exit::Failed.into();
        }
    };
    let local = host.local_servers;
    let done = runtime.block_on(async {
        match command {
            Command::Login(args) => log_in::run(args, local).await,
            Command::Logout(args) => log_out::run(&args),
            Command::Push(args) => push_command::run(&args, local).await,
            Command::Watch(args) => watch_command::run(&args, local).await,
            Command::Record(args) => record_command::run(&args, local).await,
            Command::Status(args) => status::run(&args, local).await,
            Command::Jobs(args) => jobs::run(&args, local).await,
            Command::Show(args) => show::run(&args, local).await,
            Command::Retry(args) => retry::run(&args, local).await,
            Command::Cancel(args) => cancel::run(&args, local).await,
            Command::Transcripts(args) => transcripts::run(&args, local).await,
            Command::Doctor(args) => doctor::run(&args, local).await,
            Command::ImportWals(args) => import_wals::run(&args, local).await,
            Command::Rebuild(args) => rebuild::run(&args, local).await,
            Command::Completions(args) => completions::run(&args, host.program),
            Command::Man(args) => man::run(&args, host.program),
        }
    });
    // A name that is still being looked up is not waited for.
    runtime.shutdown_background();
    exit_code(done)
}

fn exit_code(done: Result<Exit, Failure>) -> ExitCode {
    match done {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if !failure.is_closed_output() {
                terminal::output::tell(PROGRAM, &failure);
            }
            failure.exit().into()
        }
    }
}
