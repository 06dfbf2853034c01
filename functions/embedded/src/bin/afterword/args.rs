//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

/// Offline recordings in, transcripts out: the server for one machine, and the commands of its users.
#[derive(Parser)]
#[command(name = "afterword", version, propagate_version = true)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// What a user does with a server, on this machine or elsewhere.
    #[command(flatten)]
    User(cli::Command),
    /// Start the server
    Serve(Serve),
    /// Print a token for a user; also while the server runs
    Token(Token),
    /// Look at the configuration
    Config(Config),
    /// Write a consistent copy of a data folder; also while the server runs
    ///
    /// FILE is a tar archive. To restore it, unpack it into an empty folder and serve that:
    /// `mkdir restored && tar -xf FILE -C restored && afterword serve --data-dir restored`
    ///
    /// A signal ends the backup, and nothing of it is left. `-` and named pipes get the archive as a stream:
    /// `afterword backup - | ssh host 'cat > FILE'`
    Backup(Backup),
    /// Make a data folder of a folder that `backup --to` keeps; every byte is compared with its digest
    Restore(Restore),
    /// Write what users have into one file: conversations, usage and known recordings; no server may run on the folder
    ///
    /// `afterword import`, or `afterword-process import` for Google Cloud, reads it. Jobs and audio are not in it: let the
    /// server finish first.
    Export(Move),
    /// Take in what `export` wrote; no server may run on the folder, which is made if there is none
    ///
    /// What is there already stays as it stands: importing again changes nothing.
    Import(Move),
    /// Look at the jobs of a data folder and put them right; also while the server runs
    Admin(Admin),
    /// Give the space of deleted data back to the disk; no server may run on the folder
    ///
    /// For a while this takes twice the size of what is kept. A kill leaves everything as it was.
    Vacuum(Vacuum),
}

#[derive(clap::Args)]
pub struct DataDir {
    /// The folder that holds everything
    #[arg(long, value_name = "DIR", default_value = "./afterword-data")]
    pub data_dir: PathBuf,
}

#[derive(clap::Args)]
pub struct Serve {
    #[command(flatten)]
    pub data: DataDir,
    /// Where clients reach the server [default: 127.0.0.1:8787; port 0 takes a free one]
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// TLS: a PEM file with the certificate, its own first, then the chain; taken up again when it is renewed
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<String>,
    /// The certificate's private key, as PEM
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<String>,
    /// The speech engine [default: auto, the best that is set up]
    #[arg(long, value_name = "NAME")]
    pub engine: Option<String>,
    /// A configuration file; `afterword config show` prints every key
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print one line of JSON instead of the greeting
    #[arg(long)]
    pub json: bool,
}

#[derive(clap::Args)]
pub struct Token {
    #[command(flatten)]
    pub data: DataDir,
    /// The user that the token is for
    #[arg(long, value_name = "UID", default_value = "local")]
    pub uid: String,
    /// How long it lasts: a number with s, m, h or d
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_duration)]
    pub ttl: Duration,
}

#[derive(clap::Args)]
pub struct Config {
    #[command(subcommand)]
    pub command: ConfigCommand,
}

#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Print the effective configuration, secrets masked, with the origin of what is not default
    Show {
        /// A configuration file
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Print the default configuration with its comments: the beginning of a file of your own
    Default,
}

#[derive(clap::Args)]
pub struct Backup {
    #[command(flatten)]
    pub data: DataDir,
    /// The archive to write; it must not exist, unless it is a named pipe. `-`: standard output
    #[arg(required_unless_present = "to", conflicts_with = "to")]
    pub file: Option<PathBuf>,
    /// Bring a backup folder up to date instead: only what is new is copied. `afterword restore` makes a data folder of
    /// it
    #[arg(long, value_name = "FOLDER")]
    pub to: Option<PathBuf>,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(clap::Args)]
pub struct Restore {
    /// The data folder to make, or an empty folder to fill
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// The backup
    pub folder: PathBuf,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(clap::Args)]
pub struct Vacuum {
    #[command(flatten)]
    pub data: DataDir,
    /// One JSON document a line
    #[arg(long)]
    pub json: bool,
}

#[derive(clap::Args)]
pub struct Move {
    #[command(flatten)]
    pub data: DataDir,
    /// Only this user
    #[arg(long, value_name = "UID")]
    pub uid: Option<String>,
    /// The file; an export makes it, and replaces none
    pub file: PathBuf,
}

#[derive(clap::Args)]
pub struct Admin {
    #[command(flatten)]
    pub data: DataDir,
    /// The configuration file that the server runs with
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    pub command: AdminCommand,
}

#[derive(Subcommand)]
pub enum AdminCommand {
    /// List jobs, newest first
    Jobs {
        /// Only those of this user
        #[arg(long, value_name = "UID")]
        uid: Option<String>,
        /// Only those of this status; may repeat
        #[arg(long, value_name = "STATUS")]
        status: Vec<String>,
        /// How many at most
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// One JSON document a line
        #[arg(long)]
        json: bool,
    },
    /// Print everything about a job, as JSON
    Show { job_id: String },
    /// Run a failed or partly failed job again, or wake one that waits
    Redrive { job_id: String },
    /// Cancel a job that is not finished
    Cancel { job_id: String },
    /// List stored documents that cannot be read: nobody else is shown them, and they stay until they are removed
    ///
    /// Goes over everything that is stored.
    Damaged {
        /// How many at most
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// One JSON document a line
        #[arg(long)]
        json: bool,
    },
    /// Remove a stored document that cannot be read, as `damaged` names it
    ///
    /// The audio of a job that is removed goes with the server's next search for audio that no job needs. What can be read
    /// is never removed.
    Remove {
        /// Its table, such as `offline_sync_jobs`
        table: String,
        /// Its id
        id: String,
        /// Its user; a job needs none
        #[arg(long, value_name = "UID")]
        uid: Option<String>,
    },
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a number with s, m, h or d, such as 30m");
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let factor = match unit {
        "s" | "" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let seconds = number.checked_mul(factor).filter(|seconds| *seconds > 0).ok_or_else(wrong)?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn durations_have_units() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("5m", 300), ("1h", 3600), ("7d", 604_800)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "h", "0h", "-1h", "1w", "1 h", "99999999999999999999d"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
