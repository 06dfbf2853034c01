//! `afterword push`.

use std::path::PathBuf;
use std::pin::pin;

use engine::{AddOptions, ChunkId, Engine};
use formats::Conversation;
use serde_json::{Value, json};
use terminal::output::tell;

use super::print;
use crate::clock;
use crate::connection::{ServerArgs, connect};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::local_server::LocalServers;
use crate::messages::Message;
use crate::push::captured::{Captured, Source, captured};
use crate::push::collect::{MAX_FILES, collect};
use crate::push::device::{Device, unusable};
use crate::push::sending::{Item, Later, as_json, print_words, send};
use crate::push::waiting::{OPEN, each};
use crate::times::Zone;

const EXAMPLES: &str = "\
Folders are searched for recordings (.bin) and sound files. A file whose name has no time gets one from its metadata, or \
else from the time of its last change. Files are read and never changed.

An upload that was cut off, also by Ctrl-C, goes on where it was when the same command runs again. Pushing a file twice is \
harmless. Ends with 3 if recordings have to wait.

Examples:
  afterword push memo.m4a                 send a file, wait, and print what was said
  afterword push ~/recordings             send everything in a folder
  afterword push --no-wait ~/recordings   end as soon as the server has everything
  afterword push --waiting                send what earlier commands could not send";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Files, or folders with recordings
    #[arg(value_name = "PATH", required_unless_present = "waiting")]
    paths: Vec<PathBuf>,
    /// Send also what waits on this computer, such as recordings that `record` made while the server was offline
    #[arg(long)]
    waiting: bool,
    /// End when the server has every file, without waiting for the words
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    show: print::ShowArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// A file that the engine has taken.
struct Pushed {
    id: ChunkId,
    path: PathBuf,
    captured: Captured,
}

pub async fn run(args: &Args, local: &dyn LocalServers) -> Result<Exit, Failure> {
    let files = collect(&args.paths)?;
    let connection = connect(&args.server, local)?;
    let (device, driver) = Device::open(&connection).await?;
    let zone = Zone::new(args.show.utc);
    let (pushed, not_taken) = add(&device.engine, &files, &zone, args.show.json);
    let mut items: Vec<Item> =
        pushed.iter().map(|one| Item { id: one.id, called: one.path.display().to_string() }).collect();
    if args.waiting {
        add_waiting(&device, &mut items)?;
    }
    if items.is_empty() && not_taken == 0 {
        return nothing_waits(args);
    }
    let outcome = send(&connection.api, &device, pin!(driver.run()), &items, !args.no_wait).await?;
    if args.show.json {
        print::json(&summary(&device, &pushed, &items, &outcome.said)?)?;
    } else {
        print_words(&outcome.said, &zone)?;
        if !args.no_wait {
            outcome.tell_silence(outcome.failed + not_taken < items.len() + not_taken);
        }
    }
    outcome.acknowledge(&device, &items, !args.no_wait)?;
    let later = if args.paths.is_empty() { Later::PushWaiting } else { Later::SameCommand };
    outcome.end(not_taken, items.len() + not_taken, later)
}

fn nothing_waits(args: &Args) -> Result<Exit, Failure> {
    if args.show.json {
        print::json(&json!({"recordings": [], "conversations": []}))?;
    } else {
        tell(crate::PROGRAM, "nothing waits on this computer for this server");
    }
    Ok(Exit::Done)
}

/// Gives the files to the engine, and says where the times come from that no name has.
fn add(engine: &Engine, files: &[PathBuf], zone: &Zone, json: bool) -> (Vec<Pushed>, usize) {
    let (mut pushed, mut failed) = (Vec::new(), 0);
    for path in files {
        let captured = captured(path, clock::now());
        let options = AddOptions { captured_at: captured.at, ..AddOptions::default() };
        match engine.add_file(path, options) {
            Ok(added) => {
                if captured.source != Source::Name && !json {
                    let at = captured.at.map(|at| zone.second(at) + ", ").unwrap_or_default();
                    tell(crate::PROGRAM, format_args!("{}: {at}{}", path.display(), captured.source.describe()));
                }
                if added.was_known {
                    // The user wants it now, whatever came of it before. What is done stays done.
                    let _ = engine.retry(added.id);
                }
                pushed.push(Pushed { id: added.id, path: path.clone(), captured });
            }
            Err(error) => {
                tell(crate::PROGRAM, Message::NotSent { path: path.clone(), why: error.to_string() });
                failed += 1;
            }
        }
    }
    (pushed, failed)
}

/// Adds what waits on this computer, and gives it a new budget: the user wants it now.
fn add_waiting(device: &Device, items: &mut Vec<Item>) -> Result<(), Message> {
    let mut waiting = Vec::new();
    let is_new = |id| !items.iter().any(|item: &Item| item.id == id);
    each(&device.engine, &OPEN, |chunk| {
        if waiting.len() < MAX_FILES && is_new(chunk.id) {
            waiting.push(Item { id: chunk.id, called: chunk.name.clone() });
        }
    })
    .map_err(unusable)?;
    for item in &waiting {
        device.engine.retry(item.id).map_err(unusable)?;
    }
    items.append(&mut waiting);
    Ok(())
}

fn summary(device: &Device, pushed: &[Pushed], items: &[Item], said: &[Conversation]) -> Result<Value, Message> {
    let mut recordings = Vec::new();
    for one in pushed {
        let Some(mut value) = as_json(device, one.id)? else { continue };
        value["file"] = json!(one.path);
        value["captured_at"] = json!(one.captured.at);
        value["captured_at_from"] = json!(one.captured.source.name());
        recordings.push(value);
    }
    for item in &items[pushed.len()..] {
        recordings.extend(as_json(device, item.id)?);
    }
    Ok(json!({"recordings": recordings, "conversations": said}))
}
