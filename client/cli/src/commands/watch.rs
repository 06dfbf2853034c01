//! `afterword watch`.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::{Discriminant, discriminant};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::{Blocked, State};
use formats::Format;
use terminal::output::tell;
use tokio::time::{Instant, MissedTickBehavior};

use super::print;
use crate::clock;
use crate::connection::{ServerArgs, connect};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt;
use crate::local_server::LocalServers;
use crate::messages::Message;
use crate::push::device::{Device, unusable};
use crate::push::states::blocked;
use crate::push::watch::ask_for;
use crate::push::words::Read;
use crate::times::Zone;
use crate::watch::finish::Finisher;
use crate::watch::ledger::Ledger;
use crate::watch::scan::Scanner;
use crate::watch::take::{Look, Taker};

/// The shortest and the longest pause between two looks through the folders.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A pause is at least this many times as long as the look before: large folders cost little, too.
const PAUSES: u32 = 20;
/// A look that takes longer than this is told: a network mount may not answer.
const SLOW_LOOK: Duration = Duration::from_secs(60);
/// How often what became of the recordings is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// How often every file that is not over is looked at, in those ticks.
const ALL_TICKS: u64 = 60;
/// How often the server is asked for jobs, in those ticks, and for how many of them. The engine asks for the others.
const ASK_TICKS: u64 = 2;
const ASKED: usize = 3;
/// How often what happened is kept for reports, in those ticks.
const KEEP_TICKS: u64 = 30;
/// After a failure to fetch or write a text, it is tried again after so many ticks.
const AGAIN_TICKS: u64 = 15;

const EXAMPLES: &str = "\
Recordings (.bin) and sound files in the folders, and in folders below them, are sent when they are whole: when their size and \
time have not changed for 5 seconds. What was sent once is not sent again, also after a restart, or if it is renamed. The files \
are read and never changed.

Without --write, the words are printed. With it, they are written beside the recording: memo.md for memo.wav, or memo.wav.md \
where there is a memo.md already. A file that this command did not write is never replaced.

It runs until Ctrl-C. If the server is offline or asks to wait, recordings wait, and nothing is lost.

Examples:
  afterword watch ~/recordings            print the words of every recording that comes
  afterword watch --write md,srt /mnt/recorder
  afterword watch --json ~/recordings     a line for a program when a recording is done";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folders
    #[arg(value_name = "DIR", required = true)]
    folders: Vec<PathBuf>,
    /// Write the text beside each recording in these formats: txt, md, json, srt, vtt or csv
    #[arg(long, value_name = "FORMATS", value_delimiter = ',', value_parser = parse_format)]
    write: Vec<Format>,
    #[command(flatten)]
    show: print::ShowArgs,
    #[command(flatten)]
    server: ServerArgs,
}

fn parse_format(text: &str) -> Result<Format, String> {
    text.parse().map_err(|error: formats::UnknownFormat| error.to_string())
}

pub async fn run(args: &Args, local: &dyn LocalServers) -> Result<Exit, Failure> {
    let folders = folders(&args.folders)?;
    let connection = connect(&args.server, local)?;
    // A token that is refused is told now. A server that is offline may come back.
    if let Err(message) = connection.api.limits().await {
        if message.exit() != Exit::Waiting {
            return Err(message.into());
        }
        tell(crate::PROGRAM, &message);
    }
    let (device, driver) = Device::open(&connection).await?;
    let path = device.folder.join(format!("watch-{}.db", device.account.path_part()));
    let ledger = Ledger::open(&path)?;
    let mut formats = Vec::new();
    args.write.iter().for_each(|format| {
        if !formats.contains(format) {
            formats.push(*format)
        }
    });
    let names: Vec<String> = formats.iter().map(|format| format.name().to_owned()).collect();
    for folder in &folders {
        ledger.reopen(&folder.to_string_lossy(), &names)?;
    }
    let has_known = Arc::new(AtomicBool::new(false));
    let taker = Taker {
        scanner: Scanner::new(folders),
        ledger: Ledger::open(&path)?.relaxed()?,
        engine: device.engine.clone(),
        started: Instant::now(),
        has_known: Arc::clone(&has_known),
    };
    let finisher = Finisher {
        device: &device,
        api: &connection.api,
        ledger,
        formats,
        zone: Zone::new(args.show.utc),
        json: args.show.json,
        has_known,
        read: Read::default(),
        not_written: BTreeSet::new(),
    };
    let (mut looking, mut finishing) = (pin!(look(taker)), pin!(finish(finisher)));
    let stopped = tokio::select! {
        () = interrupt::asked() => Ok(()),
        () = driver.run() => Ok(()),
        failed = &mut looking => failed,
        failed = &mut finishing => failed,
    };
    stopped?;
    end(&device)
}

/// The folders by their whole paths, none inside of another.
fn folders(given: &[PathBuf]) -> Result<Vec<PathBuf>, Message> {
    let mut folders = Vec::new();
    for path in given {
        let unreadable = |why: std::io::Error| Message::PathUnreadable { path: path.clone(), why: why.to_string() };
        let real = std::fs::canonicalize(path).map_err(unreadable)?;
        if !real.is_dir() {
            return Err(Message::NoFolder { path: path.clone() });
        }
        std::fs::read_dir(&real).map_err(unreadable)?;
        folders.push(real);
    }
    folders.sort();
    folders.dedup_by(|inner, outer| inner.starts_with(outer));
    Ok(folders)
}

/// Looks through the folders again and again, on a thread for that.
async fn look(mut taker: Taker) -> Result<(), Failure> {
    let mut gone: BTreeSet<PathBuf> = BTreeSet::new();
    loop {
        let looking = tokio::task::spawn_blocking(move || {
            let look = taker.look();
            (taker, look)
        });
        let mut looking = pin!(looking);
        let looked = match tokio::time::timeout(SLOW_LOOK, &mut looking).await {
            Ok(looked) => looked,
            Err(_) => {
                tell(
                    crate::PROGRAM,
                    "looking through the folders takes long; a disk or a network mount may not answer",
                );
                looking.await
            }
        };
        let failed = |why: tokio::task::JoinError| Message::EngineUnusable { why: why.to_string() };
        let (back, look) = looked.map_err(failed)?;
        taker = back;
        let look = look?;
        tell_look(&look, &mut gone);
        let pause = (look.took * PAUSES).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        pause_for(if look.has_more && look.taken > 0 { Duration::ZERO } else { pause }).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "a command that a person runs polls in real time")]
async fn pause_for(pause: Duration) {
    tokio::time::sleep(pause).await;
}

/// A folder that vanished is told once, and once more when it is back.
fn tell_look(look: &Look, gone: &mut BTreeSet<PathBuf>) {
    look.told.iter().for_each(|line| tell(crate::PROGRAM, line));
    for (folder, why) in &look.gone {
        if gone.insert(folder.clone()) {
            tell(crate::PROGRAM, format_args!("{} cannot be read: {why}. It is looked for again", folder.display()));
        }
    }
    let is_gone = |folder: &Path| look.gone.iter().any(|(gone, _)| gone == folder);
    gone.retain(|folder| {
        let stays = is_gone(folder);
        if !stays {
            tell(crate::PROGRAM, format_args!("{} is back", folder.display()));
        }
        stays
    });
}

/// Shows what became of the recordings, again and again.
async fn finish(mut finisher: Finisher<'_>) -> Result<(), Failure> {
    let mut ticks = tokio::time::interval(EVERY);
    // A laptop that slept does not catch up.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut tick, mut all_at, mut results_at) = (0_u64, 0, 0);
    let mut told = Told::default();
    loop {
        ticks.tick().await;
        let status = finisher.device.engine.status().map_err(unusable)?;
        told.block(status.blocked, &status.counts)?;
        if tick >= results_at {
            results_at = if finisher.results().await? { tick + AGAIN_TICKS } else { tick + 1 };
        }
        let has_new = told.has_new_outcomes(&status.counts);
        if finisher.has_known.swap(false, Ordering::Relaxed) || has_new || tick >= all_at {
            finisher.all().await?;
            all_at = tick + ALL_TICKS;
        }
        if tick.is_multiple_of(ASK_TICKS) {
            ask(&finisher, tick / ASK_TICKS).await?;
        }
        if tick.is_multiple_of(KEEP_TICKS) {
            finisher.device.keep_events();
        }
        tick += 1;
    }
}

/// Asks for some of the jobs that the server works on, in turn.
async fn ask(finisher: &Finisher<'_>, turn: u64) -> Result<(), Failure> {
    let page = finisher.device.engine.list(Some(State::Uploaded), None, 100).map_err(unusable)?;
    let jobs: BTreeSet<_> = page.iter().filter_map(|(chunk, _)| chunk.transfer.job_id).collect();
    let first = usize::try_from(turn).unwrap_or(0) * ASKED % jobs.len().max(1);
    for job in jobs.iter().cycle().skip(first).take(ASKED.min(jobs.len())) {
        ask_for(finisher.api, finisher.device, *job).await.map_err(unusable)?;
    }
    Ok(())
}

/// What the user was told about the way to the server.
#[derive(Default)]
struct Told {
    block: Option<Discriminant<Blocked>>,
    counts: BTreeMap<State, u64>,
}

impl Told {
    /// Tells what keeps recordings from being sent, once for each reason until something is sent again.
    fn block(&mut self, now: Option<Blocked>, counts: &[(State, u64)]) -> Result<(), Message> {
        let waiting = counts.iter().find(|(state, _)| *state == State::Pending).map_or(0, |(_, count)| *count);
        match now {
            Some(why @ (Blocked::SignedOut | Blocked::SignInNeeded | Blocked::Forbidden)) => {
                let count = usize::try_from(waiting).unwrap_or(usize::MAX);
                Err(Message::UploadRefused { why: blocked(why, clock::now()), count })
            }
            Some(why) if waiting > 0 && self.block != Some(discriminant(&why)) => {
                self.block = Some(discriminant(&why));
                tell(crate::PROGRAM, blocked(why, clock::now()));
                Ok(())
            }
            None if waiting == 0 => {
                self.block = None;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether recordings ended in a way of which no job may tell. What is synced was in a job.
    fn has_new_outcomes(&mut self, counts: &[(State, u64)]) -> bool {
        let ended = |state: State| !state.is_open() && state != State::Synced;
        let now: BTreeMap<_, _> = counts.iter().copied().filter(|(state, _)| ended(*state)).collect();
        let has_new = now.iter().any(|(state, count)| self.counts.get(state).copied().unwrap_or(0) < *count);
        self.counts = now;
        has_new
    }
}

fn end(device: &Device) -> Result<Exit, Failure> {
    let status = device.engine.status().map_err(unusable)?;
    let open = status.counts.iter().filter(|(state, _)| state.is_open()).map(|(_, count)| *count).sum::<u64>();
    if open == 0 {
        return Ok(Exit::Done);
    }
    let count = usize::try_from(open).unwrap_or(usize::MAX);
    Err(Message::RecordingsWait { reason: "stopped, and nothing is lost".to_owned(), count }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_inside_of_another_one_is_watched_once() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().canonicalize().unwrap().join(name);
        std::fs::create_dir_all(at("a/b")).unwrap();
        std::fs::create_dir_all(at("ab")).unwrap();
        std::fs::write(at("file.wav"), "x").unwrap();
        assert_eq!(folders(&[at("ab"), at("a/b"), at("a"), at("a/../a")]).unwrap(), [at("a"), at("ab")]);
        assert!(matches!(folders(&[at("file.wav")]), Err(Message::NoFolder { .. })));
        assert!(matches!(folders(&[at("nowhere")]), Err(Message::PathUnreadable { .. })));
    }

    #[test]
    fn reason_to_wait_is_told_once_and_a_refusal_ends_the_watch() {
        let mut told = Told::default();
        let waiting = [(State::Pending, 2)];
        told.block(Some(Blocked::Offline), &[]).unwrap();
        assert!(told.block.is_none(), "nothing waits");
        told.block(Some(Blocked::Offline), &waiting).unwrap();
        assert_eq!(told.block, Some(discriminant(&Blocked::Offline)));
        told.block(None, &waiting).unwrap();
        assert!(told.block.is_some(), "a try is no success");
        told.block(None, &[]).unwrap();
        assert!(told.block.is_none());
        assert!(matches!(told.block(Some(Blocked::Forbidden), &waiting), Err(Message::UploadRefused { count: 2, .. })));
    }

    #[test]
    fn every_file_is_looked_at_when_one_more_has_ended() {
        let mut told = Told::default();
        assert!(!told.has_new_outcomes(&[(State::Pending, 3)]));
        assert!(told.has_new_outcomes(&[(State::Rejected, 1)]));
        assert!(!told.has_new_outcomes(&[(State::Rejected, 1), (State::Uploaded, 1)]));
        assert!(!told.has_new_outcomes(&[(State::Rejected, 1), (State::Synced, 1)]));
        assert!(told.has_new_outcomes(&[(State::Rejected, 2), (State::Synced, 1)]));
    }
}
