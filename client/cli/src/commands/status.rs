//! `afterword status`.

mod report;

use std::time::Duration;

use terminal::Screen;
use terminal::output::{print, print_line};

use self::report::Report;
use super::print::ShowArgs;
use crate::clock;
use crate::connection::{Connection, ServerArgs, connect};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::local_server::LocalServers;
use crate::times::Zone;

/// How often `--watch` asks.
const EVERY: Duration = Duration::from_secs(2);
/// Moves the cursor to the top and clears what is below it, without a flash.
const TOP: &str = "\u{1b}[H\u{1b}[J";

const EXAMPLES: &str = "\
Ends with 0 if recordings can be uploaded, and with 3 if they have to wait: the server is offline, or asks to wait.

Examples:
  afterword status                        the server, you, and what may be uploaded
  afterword status --watch                the same, again and again, until Ctrl-C
  afterword status --json                 for a program; with --watch a line for each change";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Show it again whenever something changes, until Ctrl-C
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    show: ShowArgs,
    #[command(flatten)]
    server: ServerArgs,
}

pub async fn run(args: &Args, local: &dyn LocalServers) -> Result<Exit, Failure> {
    let connection = connect(&args.server, local)?;
    if args.watch {
        return watch(args, &connection).await;
    }
    let report = Report::of(&connection).await;
    if args.show.json {
        print_line(format_args!("{:#}", report.json()))?;
    } else {
        print(report.text(&Zone::new(args.show.utc), clock::now()).render(Screen::of_stdout()))?;
    }
    Ok(report.exit())
}

async fn watch(args: &Args, connection: &Connection) -> Result<Exit, Failure> {
    let zone = Zone::new(args.show.utc);
    let (mut ticks, mut shown) = (tokio::time::interval(EVERY), String::new());
    // A laptop that slept is not asked for every tick that it missed.
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let report = Report::of(connection).await;
        // The terminal may have another width by now.
        let screen = Screen::of_stdout();
        let text = if args.show.json {
            format!("{}\n", report.json())
        } else {
            report.text(&zone, clock::now()).render(screen)
        };
        if text == shown {
            continue;
        }
        match screen.width {
            Some(_) if !args.show.json => print(format_args!("{TOP}{text}"))?,
            _ => print(if args.show.json { text.clone() } else { format!("{text}\n") })?,
        }
        shown = text;
    }
}
