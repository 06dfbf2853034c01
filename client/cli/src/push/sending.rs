//! Brings recordings to the server, waits, and says what became of them: for every command that sends.

use std::collections::BTreeSet;
use std::pin::Pin;

use engine::{Chunk, ChunkId};
use formats::{Conversation, Format, Options};
use serde_json::{Value, json};
use terminal::output::{print, tell};

use super::device::{Device, unusable};
use super::progress::Bytes;
use super::results;
use super::states::{Standing, sentence, standing};
use super::watch::{Ended, Read, Watch};
use super::words;
use crate::api::Api;
use crate::clock;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::messages::Message;
use crate::times::Zone;

/// A recording that is sent, and what messages call it.
pub struct Item {
    pub id: ChunkId,
    pub called: String,
}

/// How it ended.
pub struct Outcome {
    pub ended: Ended,
    /// The recordings that are not over.
    pub waiting: usize,
    /// The recordings with which something is wrong.
    pub failed: usize,
    /// The words of what is done.
    pub said: Vec<Conversation>,
}

/// What a command does with recordings that have to wait.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Later {
    /// It is run again.
    SameCommand,
    /// They are sent by `push --waiting`.
    PushWaiting,
}

/// Sends the recordings while the engine's driver runs, and waits for the words unless the command ends before.
pub async fn send(
    api: &Api,
    device: &Device,
    driver: Pin<&mut impl Future<Output = ()>>,
    items: &[Item],
    waits: bool,
) -> Result<Outcome, Failure> {
    let (engine, bytes) = (&device.engine, Bytes::default());
    for item in items {
        if let Some((chunk, _)) = engine.recording(item.id).map_err(unusable)? {
            bytes.expect(item.id, chunk.bytes);
        }
    }
    let open: BTreeSet<ChunkId> = items.iter().map(|item| item.id).collect();
    let mut watch = Watch { device, api, all: open.len(), open, bytes, waits, read: Read::default() };
    // A server that cannot be reached is told at once. The recordings are in the index, and go with a later command.
    let ended = match api.limits().await {
        Err(message) if message.exit() == Exit::Waiting => Ended::Waiting(short(&message)),
        Err(message) => return Err(message.into()),
        Ok(_) => tokio::select! {
            ended = watch.run() => ended.map_err(unusable)?,
            () = driver => Ended::Waiting("the upload ended".to_owned()),
        },
    };
    let waiting = watch.open.len();
    let failed = report(device, items)?;
    let said = match ended {
        _ if !waits => Vec::new(),
        Ended::Over => said(api, device, items).await?,
        // Some may be done. What keeps the others may keep their words too, and is told anyway.
        Ended::Waiting(_) => said(api, device, items).await.unwrap_or_default(),
        Ended::Refused(_) | Ended::Stopped => Vec::new(),
    };
    Ok(Outcome { ended, waiting, failed, said })
}

impl Outcome {
    /// Says that nothing was said, where somebody waits for words.
    pub fn tell_silence(&self, has_good_ones: bool) {
        if self.ended == Ended::Over && has_good_ones && !has_words(&self.said) {
            tell(crate::PROGRAM, "nobody speaks in what was sent, or its job is over for more than a week");
        }
    }

    /// What was shown of jobs that are over need not be told again.
    pub fn acknowledge(&self, device: &Device, items: &[Item], waits: bool) -> Result<(), Failure> {
        let ids: BTreeSet<ChunkId> = items.iter().map(|item| item.id).collect();
        match self.ended {
            Ended::Over | Ended::Waiting(_) if waits => results::acknowledge(&device.engine, &ids).map_err(unusable)?,
            _ => results::acknowledge_earlier(&device.engine, &ids).map_err(unusable)?,
        }
        Ok(())
    }

    /// How the command ends. `failed` are those that were not even taken.
    pub fn end(self, failed: usize, all: usize, later: Later) -> Result<Exit, Failure> {
        let (failed, count) = (self.failed + failed, self.waiting);
        let reason = match self.ended {
            Ended::Refused(why) => return Err(Message::UploadRefused { why, count }.into()),
            _ if failed > 0 => return Err(Message::RecordingsFailed { failed, all }.into()),
            Ended::Over => return Ok(Exit::Done),
            Ended::Waiting(reason) => reason,
            Ended::Stopped => "stopped, and nothing is lost".to_owned(),
        };
        Err(match later {
            Later::SameCommand => Message::RecordingsWait { reason, count },
            Later::PushWaiting => Message::RecordingsStay { reason, count },
        }
        .into())
    }
}

/// Says what became of recordings that did not arrive as they should, and how many those are.
fn report(device: &Device, items: &[Item]) -> Result<usize, Failure> {
    let mut failed = 0;
    for item in items {
        let Some((_, shown)) = device.engine.recording(item.id).map_err(unusable)? else { continue };
        if standing(&shown) == Standing::Failed {
            tell(crate::PROGRAM, format_args!("{}: {}", item.called, sentence(&shown, clock::now())));
            failed += 1;
        }
    }
    Ok(failed)
}

/// The words of what is done.
async fn said(api: &Api, device: &Device, items: &[Item]) -> Result<Vec<Conversation>, Message> {
    let mut chunks: Vec<Chunk> = Vec::new();
    for item in items {
        let found = device.engine.recording(item.id).map_err(unusable)?;
        chunks.extend(found.filter(|(_, shown)| standing(shown) != Standing::Open).map(|(chunk, _)| chunk));
    }
    words::of(api, &device.account, &chunks, &mut words::Read::default()).await
}

pub fn has_words(conversations: &[Conversation]) -> bool {
    conversations.iter().any(|conversation| !conversation.segments.is_empty())
}

pub fn print_words(conversations: &[Conversation], zone: &Zone) -> Result<(), Failure> {
    let Some(first) = conversations.first().filter(|_| has_words(conversations)) else { return Ok(()) };
    let options = Options { offset: zone.offset(first.head.started_at), list: true };
    Ok(print(formats::to_string(Format::Txt, options, conversations))?)
}

/// A recording for a program that reads JSON.
pub fn as_json(device: &Device, id: ChunkId) -> Result<Option<Value>, Message> {
    let found = device.engine.recording(id).map_err(unusable)?;
    Ok(found.map(|(chunk, shown)| {
        json!({
            "name": chunk.name,
            "captured_at": chunk.captured_at,
            "duration_ms": chunk.duration_ms,
            "state": shown,
            "job_id": chunk.transfer.job_id,
        })
    }))
}

/// The reason without what to do about it, which this command says itself.
fn short(message: &Message) -> String {
    let text = message.to_string();
    text.split(". Nothing is lost").next().unwrap_or(&text).to_owned() + ", and nothing is lost"
}
