//! `afterword push`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use domain::Uid;
use engine::ports::{Ports, UnknownDevice};
use engine::std_ports::{SystemClock, SystemDisk, SystemRandom};
use engine::{AddOptions, Chunk, ChunkId, Config, Engine, OpenError, Server};
use formats::{Conversation, Format, Options};
use serde_json::{Value, json};
use terminal::output::{print, tell};

use super::print;
use crate::api::Api;
use crate::clock;
use crate::connection::{Connection, Origin, ServerArgs, connect};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::local_server::LocalServers;
use crate::messages::Message;
use crate::push::captured::{Captured, Source, captured};
use crate::push::collect::collect;
use crate::push::credentials::CommandCredentials;
use crate::push::folder::folder;
use crate::push::progress::Bytes;
use crate::push::states::{Standing, sentence, standing};
use crate::push::watch::{Ended, Read, Watch};
use crate::push::words;
use crate::times::Zone;

const EXAMPLES: &str = "\
Folders are searched for recordings (.bin) and sound files. A file whose name has no time gets one from its metadata, or \
else from the time of its last change. Files are read and never changed.

An upload that was cut off, also by Ctrl-C, goes on where it was when the same command runs again. Pushing a file twice is \
harmless. Ends with 3 if recordings have to wait.

Examples:
  afterword push memo.m4a                 send a file, wait, and print what was said
  afterword push ~/recordings             send everything in a folder
  afterword push --no-wait ~/recordings   end as soon as the server has everything";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Files, or folders with recordings
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
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
    let account = account(&connection).await?;
    let (engine, driver) = open(&connection, &account).await?;
    let zone = Zone::new(args.show.utc);
    let (pushed, mut failed) = add(&engine, &files, &zone, args.show.json);
    let bytes = Bytes::default();
    let open: BTreeSet<ChunkId> = pushed.iter().map(|one| one.id).collect();
    for one in &pushed {
        if let Some((chunk, _)) = engine.recording(one.id).map_err(unusable)? {
            bytes.expect(one.id, chunk.bytes);
        }
    }
    let api = &connection.api;
    let (all, waits) = (pushed.len(), !args.no_wait);
    let mut watch = Watch { engine: &engine, api, open, all, bytes, waits, read: Read::default() };
    // A server that cannot be reached is told at once. The files are in the index, and go when the command runs again.
    let ended = match api.limits().await {
        Err(message) if message.exit() == Exit::Waiting => Ended::Waiting(short(&message)),
        Err(message) => return Err(message.into()),
        Ok(_) => tokio::select! {
            ended = watch.run() => ended.map_err(unusable)?,
            () = driver.run() => Ended::Waiting("the upload ended".to_owned()),
        },
    };
    let waiting = watch.open.len();
    failed += report(&engine, &pushed)?;
    let said = match ended {
        _ if args.no_wait => Vec::new(),
        Ended::Over => said(api, &account, &engine, &pushed).await?,
        // Some may be done. What keeps the others may keep their words too, and is told anyway.
        Ended::Waiting(_) => said(api, &account, &engine, &pushed).await.unwrap_or_default(),
        Ended::Refused(_) | Ended::Stopped => Vec::new(),
    };
    if args.show.json {
        print::json(&summary(&engine, &pushed, &said)?)?;
    } else {
        print_words(&said, &zone)?;
        if ended == Ended::Over && !args.no_wait && !has_words(&said) && failed < files.len() {
            tell(crate::PROGRAM, "nobody speaks in what was pushed, or its job is over for more than a week");
        }
    }
    end(ended, waiting, failed, files.len())
}

/// The account under which the engine keeps the recordings: the user of the token that is sent, whatever login it is used
/// with. A token that is no JSON Web Token names nobody: then it is the user of the login, or that of this very token.
async fn account(connection: &Connection) -> Result<Uid, Message> {
    let user = match (connection.api.claims().await?.sub, &connection.uid, &connection.origin) {
        (Some(sub), _, _) => sub,
        (None, Some(uid), _) => uid.clone(),
        (None, None, Origin::Login { name }) if !connection.has_token_of_environment => format!("login {name}"),
        (None, None, _) => format!("token {}", connection.api.token_digest().await?),
    };
    Uid::new(user).map_err(|error| Message::EngineUnusable { why: error.to_string() })
}

async fn open(connection: &Connection, account: &Uid) -> Result<(Engine, engine::Driver), Message> {
    let api = &connection.api;
    let server = Server::parse(api.server())
        .map_err(|error| Message::InvalidAddress { url: api.server().to_owned(), why: error.to_string() })?;
    let (http, tokens) = api.shared();
    let ports = Ports {
        clock: Arc::new(SystemClock::new()),
        disk: Arc::new(SystemDisk),
        http,
        credentials: Arc::new(CommandCredentials { account: account.clone(), tokens }),
        device: Arc::new(UnknownDevice),
        random: Arc::new(SystemRandom),
    };
    let config = Config::new(folder(api).await?, server);
    let opened = Engine::open(config, ports).map_err(|error| match error {
        OpenError::InUse(_) => Message::PushRuns,
        other => Message::EngineUnusable { why: other.to_string() },
    })?;
    opened.0.sign_in(account.clone()).map_err(unusable)?;
    Ok(opened)
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

/// Says what became of files that did not arrive as they should, and how many those are.
fn report(engine: &Engine, pushed: &[Pushed]) -> Result<usize, Failure> {
    let mut failed = 0;
    for one in pushed {
        let Some((_, shown)) = engine.recording(one.id).map_err(unusable)? else { continue };
        if standing(&shown) == Standing::Failed {
            tell(crate::PROGRAM, format_args!("{}: {}", one.path.display(), sentence(&shown, clock::now())));
            failed += 1;
        }
    }
    Ok(failed)
}

/// The words of what is done.
async fn said(api: &Api, account: &Uid, engine: &Engine, pushed: &[Pushed]) -> Result<Vec<Conversation>, Message> {
    let mut chunks: Vec<Chunk> = Vec::new();
    for one in pushed {
        let found = engine.recording(one.id).map_err(unusable)?;
        chunks.extend(found.filter(|(_, shown)| standing(shown) != Standing::Open).map(|(chunk, _)| chunk));
    }
    words::of(api, account, &chunks).await
}

fn has_words(conversations: &[Conversation]) -> bool {
    conversations.iter().any(|conversation| !conversation.segments.is_empty())
}

fn print_words(conversations: &[Conversation], zone: &Zone) -> Result<(), Failure> {
    let Some(first) = conversations.first().filter(|_| has_words(conversations)) else { return Ok(()) };
    let options = Options { offset: zone.offset(first.head.started_at), list: true };
    Ok(print(formats::to_string(Format::Txt, options, conversations))?)
}

fn summary(engine: &Engine, pushed: &[Pushed], conversations: &[Conversation]) -> Result<Value, Failure> {
    let mut recordings = Vec::new();
    for one in pushed {
        let Some((chunk, shown)) = engine.recording(one.id).map_err(unusable)? else { continue };
        recordings.push(json!({
            "file": one.path,
            "name": chunk.name,
            "captured_at": one.captured.at,
            "captured_at_from": one.captured.source.name(),
            "state": shown,
            "job_id": chunk.transfer.job_id,
        }));
    }
    Ok(json!({"recordings": recordings, "conversations": conversations}))
}

fn end(ended: Ended, waiting: usize, failed: usize, all: usize) -> Result<Exit, Failure> {
    match ended {
        Ended::Refused(why) => Err(Message::UploadRefused { why, count: waiting }.into()),
        _ if failed > 0 => Err(Message::RecordingsFailed { failed, all }.into()),
        Ended::Over => Ok(Exit::Done),
        Ended::Waiting(reason) => Err(Message::RecordingsWait { reason, count: waiting }.into()),
        Ended::Stopped => {
            Err(Message::RecordingsWait { reason: "stopped, and nothing is lost".to_owned(), count: waiting }.into())
        }
    }
}

/// The reason without what to do about it, which this command says itself.
fn short(message: &Message) -> String {
    let text = message.to_string();
    text.split(". Nothing is lost").next().unwrap_or(&text).to_owned() + ", and nothing is lost"
}

fn unusable(error: engine::Error) -> Message {
    Message::EngineUnusable { why: error.to_string() }
}
