//! `afterword import-wals`.

use std::path::{Path, PathBuf};
use std::pin::pin;

use engine::{ImportError, Imported, State};
use serde_json::{Value, json};
use terminal::output::{print, tell};
use terminal::{Fields, Screen, Style, plain};

use super::print;
use crate::connection::{ServerArgs, connect};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::local_server::LocalServers;
use crate::messages::Message;
use crate::push::collect::MAX_FILES;
use crate::push::device::{Device, unusable};
use crate::push::sending::{Item, Later, send};
use crate::push::waiting::{OPEN, each};

/// The entries that are listed one by one; the JSON has all of them.
const LISTED: usize = 20;

const EXAMPLES: &str = "\
The folder is that of an older app, with its wals.json and its recordings. Nothing in it is changed: the recordings are sent \
from where they are, and have to stay there until they are synced. Importing again adds nothing twice.

If wals.json is damaged, its backup is read. If both are, nothing is imported.

Examples:
  afterword import-wals ~/backup/app                 import and send the recordings
  afterword import-wals --only-import ~/backup/app   import now; `afterword push --waiting` sends them later";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The folder with wals.json, or that file
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Send nothing now
    #[arg(long)]
    only_import: bool,
    /// Print JSON, and nothing else, on standard output
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub async fn run(args: &Args, local: &dyn LocalServers) -> Result<Exit, Failure> {
    let folder = folder(&args.path)?;
    let connection = connect(&args.server, local)?;
    let (device, driver) = Device::open(&connection).await?;
    let imported = device.engine.import_wals(&folder).map_err(|error| match error {
        ImportError::Broken { .. } | ImportError::SignedOut => Message::NotImported { why: plain(&error.to_string()) },
        ImportError::Index(error) => Message::EngineUnusable { why: error.to_string() },
    })?;
    if args.json {
        print::json(&as_json(&imported))?;
    } else {
        print(text(&imported).render(Screen::of_stdout()))?;
        list("no file was found for", &imported.without_file);
        list("an entry cannot be read:", &imported.invalid);
    }
    let lost = imported.without_file.len() + imported.invalid.len();
    let waits = [State::Pending, State::Uploaded].iter().any(|state| imported.added.contains_key(state));
    if !args.only_import && waits {
        let items = items(&device, &folder)?;
        let outcome = send(&connection.api, &device, pin!(driver.run()), &items, false).await?;
        outcome.acknowledge(&device, &items, false)?;
        outcome.end(0, items.len(), Later::PushWaiting)?;
    }
    if lost > 0 {
        return Err(Message::EntriesLost { count: lost }.into());
    }
    Ok(Exit::Done)
}

/// The folder of the older app. Its recordings are remembered by their whole path.
fn folder(path: &Path) -> Result<PathBuf, Message> {
    let unreadable = |why: std::io::Error| Message::PathUnreadable { path: path.to_owned(), why: why.to_string() };
    let real = std::fs::canonicalize(path).map_err(unreadable)?;
    Ok(if real.is_dir() { real } else { real.parent().map(Path::to_owned).unwrap_or(real) })
}

/// What is to be sent of this folder, also from an earlier import.
fn items(device: &Device, folder: &Path) -> Result<Vec<Item>, Message> {
    let mut items = Vec::new();
    each(&device.engine, &OPEN, |chunk| {
        let is_here = matches!(&chunk.place, engine::Place::Foreign(path) if Path::new(path).parent() == Some(folder));
        if is_here && items.len() < MAX_FILES {
            items.push(Item { id: chunk.id, called: chunk.name.clone() });
        }
    })
    .map_err(unusable)?;
    Ok(items)
}

fn text(imported: &Imported) -> Fields {
    let mut fields = Fields::default();
    if imported.from_backup {
        fields.styled("read", Style::Warning, "wals_backup.json, because wals.json is damaged or missing");
    }
    let added: u64 = imported.added.values().sum();
    let states: Vec<_> =
        imported.added.iter().map(|(state, count)| format!("{count} {}", state.as_str().replace('_', " "))).collect();
    let states = if states.is_empty() { String::new() } else { format!(" ({})", states.join(", ")) };
    fields.add("imported", format!("{added}{states}"));
    fields.add("known", imported.known.to_string());
    if imported.elsewhere > 0 {
        let elsewhere =
            format!("{} have no file: they are still on the recorder, or were in memory", imported.elsewhere);
        fields.add("elsewhere", elsewhere);
    }
    fields
}

fn list(what: &str, entries: &[String]) {
    for entry in entries.iter().take(LISTED) {
        tell(crate::PROGRAM, format_args!("{what} {}", plain(entry)));
    }
    if entries.len() > LISTED {
        tell(crate::PROGRAM, format_args!("{} more like this; --json lists them", entries.len() - LISTED));
    }
}

fn as_json(imported: &Imported) -> Value {
    json!({
        "added": imported.added.iter().map(|(state, count)| (state.as_str(), count)).collect::<Vec<_>>()
            .into_iter().map(|(state, count)| (state.to_owned(), json!(count))).collect::<serde_json::Map<_, _>>(),
        "known": imported.known,
        "elsewhere": imported.elsewhere,
        "without_file": imported.without_file,
        "invalid": imported.invalid,
        "from_backup": imported.from_backup,
    })
}
