//! `afterword rebuild`.

use std::io::{self, BufRead, IsTerminal, Write};

use engine::Engine;
use serde_json::json;
use terminal::output::{print, tell};
use terminal::{Fields, Screen, plain};

use super::print;
use crate::connection::{ServerArgs, connect};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::local_server::LocalServers;
use crate::messages::Message;
use crate::push::device::{account, not_opened, parts};

const EXAMPLES: &str = "\
The index says which recordings are on this computer and how far they are. If it is damaged, this command puts it aside and \
makes a new one from the recordings that `afterword record` has made. They are sent again, and the server recognises what it \
has. Files that were pushed from elsewhere are not in the new index: push them again.

No recording is changed or deleted.

Examples:
  afterword rebuild                       ask first
  afterword rebuild --yes                 without a question, as for a script
  afterword push --waiting                send the recordings of the new index";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Print JSON, and nothing else, on standard output
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub async fn run(args: &Args, local: &dyn LocalServers) -> Result<Exit, Failure> {
    let connection = connect(&args.server, local)?;
    let (config, ports) = parts(&connection, &account(&connection).await?).await?;
    if !config.folder.is_dir() {
        return Err(Message::NothingToRebuild { folder: config.folder }.into());
    }
    if !args.yes && !is_confirmed(&config.folder.display().to_string())? {
        tell(crate::PROGRAM, "nothing was changed");
        return Ok(Exit::Done);
    }
    let rebuilt = Engine::rebuild(&config, &ports).map_err(not_opened)?;
    if args.json {
        print::json(&json!({
            "recordings": rebuilt.recordings,
            "old_index": rebuilt.old_index,
            "unreadable": rebuilt.unreadable,
        }))?;
    } else {
        let mut fields = Fields::default();
        fields.add("recordings", rebuilt.recordings.to_string());
        rebuilt.old_index.iter().for_each(|path| fields.add("old index", path.display().to_string()));
        print(fields.render(Screen::of_stdout()))?;
        for what in &rebuilt.unreadable {
            tell(crate::PROGRAM, format_args!("left out: {}", plain(what)));
        }
        if rebuilt.recordings > 0 {
            tell(crate::PROGRAM, "`afterword push --waiting` sends the recordings");
        }
    }
    if !rebuilt.unreadable.is_empty() {
        return Err(Message::LeftOut { count: rebuilt.unreadable.len() }.into());
    }
    Ok(Exit::Done)
}

/// Asks a person. A script has to say it beforehand.
fn is_confirmed(folder: &str) -> Result<bool, Message> {
    if !io::stdin().is_terminal() {
        return Err(Message::NotConfirmed);
    }
    let question = format!("make a new index in {folder} and send its recordings again? [y/N] ");
    let answered = write!(io::stderr(), "{question}").and_then(|()| {
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).map(|_| answer)
    });
    let answer = answered.unwrap_or_default();
    Ok(["y", "yes"].iter().any(|yes| answer.trim().eq_ignore_ascii_case(yes)))
}
