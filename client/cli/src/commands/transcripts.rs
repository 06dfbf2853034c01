//! `afterword transcripts`.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use domain::Timestamp;
use formats::{Conversation, Format, Options};
use terminal::output::tell;

use crate::api::conversations::Range;
use crate::clock;
use crate::connection::{ServerArgs, connect};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::local_server::LocalServers;
use crate::messages::Message;
use crate::times::{Day, Since, Zone, parse_day, parse_since};

/// How many conversations are printed if nothing says how many.
const USUAL: u64 = 10;
const MOST: u64 = 10_000;

const EXAMPLES: &str = "\
Examples:
  afterword transcripts                   the 10 newest conversations
  afterword transcripts --day yesterday   what was said yesterday
  afterword transcripts --since 7d --format md --output week.md
  afterword transcripts ID --format srt   one conversation as subtitles";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// One conversation [default: the newest ones, the oldest of them first]
    #[arg(value_name = "ID", conflicts_with_all = ["since", "day", "limit"])]
    id: Option<String>,
    /// Conversations that began after this: a time ago such as 90m, 12h or 7d, a day, or 2026-11-20T10:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = parse_since)]
    since: Option<Since>,
    /// Conversations that began on this day: today, yesterday, or a date such as 2026-11-20
    #[arg(long, value_name = "DAY", value_parser = parse_day, conflicts_with = "since")]
    day: Option<Day>,
    /// How many at most [default: 10; all of a day or since a time]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MOST))]
    limit: Option<u64>,
    /// The format: txt, md, json, srt, vtt or csv
    #[arg(long, value_name = "FORMAT", default_value = "txt", value_parser = parse_format)]
    format: Format,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// The file to write [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "output")]
    force: bool,
    /// Show times in UTC instead of the zone of this computer
    #[arg(long)]
    utc: bool,
    #[command(flatten)]
    server: ServerArgs,
}

fn parse_format(text: &str) -> Result<Format, String> {
    text.parse().map_err(|error: formats::UnknownFormat| error.to_string())
}

pub async fn run(args: &Args, local: &dyn LocalServers) -> Result<Exit, Failure> {
    if let Some(path) = args.output.as_deref().filter(|path| !args.force && path.exists()) {
        // It is said before minutes of reading.
        return Err(Message::FileExists { path: path.to_owned() }.into());
    }
    let api = connect(&args.server, local)?.api;
    let (zone, now) = (Zone::new(args.utc), clock::now());
    let found = match &args.id {
        Some(id) => vec![api.conversation(id).await?],
        None => {
            let range = range(args, &zone, now);
            let usual = if range.from.is_some() { MOST } else { USUAL };
            let limit = usize::try_from(args.limit.unwrap_or(usual)).unwrap_or(usize::MAX);
            api.conversations(range, limit, now).await?
        }
    };
    let format = if args.json { Format::Json } else { args.format };
    let text = if format == Format::Json {
        // As the server sent them, with what this version does not know.
        format!("{:#}\n", serde_json::json!({"conversations": found}))
    } else {
        let read: Result<Vec<_>, _> = found.iter().map(|body| api.read_conversation(body)).collect();
        written(format, &zone, &read?)
    };
    if found.is_empty() && format == Format::Txt && args.output.is_none() {
        tell(crate::PROGRAM, "nothing was said in that time; `afterword jobs` shows what is still under way");
    }
    match &args.output {
        Some(path) => to_file(path, &text, args.force)?,
        None => terminal::output::print(text)?,
    }
    Ok(Exit::Done)
}

fn range(args: &Args, zone: &Zone, now: Timestamp) -> Range {
    let day = args.day.and_then(|day| zone.day(day, now));
    let since = args.since.and_then(|since| zone.since(since, now));
    Range { from: since.or(day.map(|(from, _)| from)), to: day.map(|(_, to)| to) }
}

fn written(format: Format, zone: &Zone, conversations: &[Conversation]) -> String {
    let first = conversations.first().map_or_else(clock::now, |conversation| conversation.head.started_at);
    formats::to_string(format, Options { offset: zone.offset(first), list: true }, conversations)
}

fn to_file(path: &Path, text: &str, replace: bool) -> Result<(), Failure> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => Message::FileExists { path: path.to_owned() },
        _ => Message::FileNotWritten { path: path.to_owned(), why: error.to_string() },
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(!replace).create(replace).truncate(replace);
    let mut file = options.open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(())
}
