//! `afterword doctor`.

mod bundle;
mod checks;

use std::path::PathBuf;

use serde_json::{Value, json};
use terminal::output::{print, print_line};
use terminal::{Cell, Screen, Style, Table};

use self::checks::{Check, State};
use crate::connection::ServerArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::local_server::LocalServers;

const EXAMPLES: &str = "\
Ends with 0 if nothing has failed, with 1 if something has, and with 3 if the server is only offline.

Examples:
  afterword doctor                        check everything
  afterword doctor --bundle report.json   write a report to send to somebody who helps; it has no token, audio or text";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Write a report into this file, which must not exist
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Print JSON, and nothing else, on standard output
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub async fn run(args: &Args, local: &dyn LocalServers) -> Result<Exit, Failure> {
    let checked = checks::all(&args.server, local).await;
    if let Some(path) = &args.bundle {
        bundle::write(path, &checked)?;
    }
    let checks = checked.checks;
    if args.json {
        print_line(format_args!("{:#}", json(&checks)))?;
    } else {
        print(text(&checks).render(Screen::of_stdout()))?;
        if let Some(path) = &args.bundle {
            print_line(format_args!("\nthe report is in {}", path.display()))?;
        }
    }
    Ok(exit(&checks))
}

fn exit(checks: &[Check]) -> Exit {
    let failed = checks.iter().filter(|check| check.state == State::Failed);
    match failed.map(|check| check.exit).reduce(|all, one| if all == one { all } else { Exit::Failed }) {
        None => Exit::Done,
        Some(Exit::Waiting) => Exit::Waiting,
        Some(_) => Exit::Failed,
    }
}

fn json(checks: &[Check]) -> Value {
    let one = |check: &Check| json!({"name": check.name, "state": check.state.name(), "detail": check.detail});
    json!({"checks": checks.iter().map(one).collect::<Vec<_>>()})
}

fn text(checks: &[Check]) -> Table {
    let mut table = Table::new(["CHECK", "RESULT", "WHAT WAS FOUND"]);
    for check in checks {
        let style = match check.state {
            State::Good => Style::Good,
            State::Warning => Style::Warning,
            State::Failed => Style::Bad,
            State::Skipped => Style::Faint,
        };
        table.row([Cell::new(check.name), Cell::styled(style, check.state.name()), Cell::new(&check.detail)]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doctor_waits_only_if_nothing_but_the_network_failed() {
        let check = |state, exit| Check { name: "x", state, detail: String::new(), exit };
        let offline = || check(State::Failed, Exit::Waiting);
        let wrong = || check(State::Failed, Exit::Failed);
        let warned = || check(State::Warning, Exit::Done);
        assert_eq!(exit(&[warned()]), Exit::Done);
        assert_eq!(exit(&[warned(), offline()]), Exit::Waiting);
        assert_eq!(exit(&[offline(), wrong()]), Exit::Failed);
    }
}
