//! What was said in the recordings of a command, out of the conversations that their jobs name.

use std::collections::{BTreeMap, BTreeSet};

use domain::{RecordingId, Uid};
use engine::Chunk;
use formats::Conversation;

use crate::api::Api;
use crate::api::jobs::Job;
use crate::messages::Message;

/// The most jobs and conversations that are kept. A conversation may have thousands of segments.
const MOST_JOBS: usize = 100;
const MOST_CONVERSATIONS: usize = 8;

/// What was read for other recordings a moment ago: those of one day are often in one conversation.
#[derive(Default)]
pub struct Read {
    jobs: BTreeMap<String, Option<Job>>,
    conversations: BTreeMap<String, Option<Conversation>>,
}

/// The conversations of these recordings, in order of time, each with only what was said in them.
pub async fn of(api: &Api, account: &Uid, chunks: &[Chunk], read: &mut Read) -> Result<Vec<Conversation>, Message> {
    let jobs: BTreeSet<String> =
        chunks.iter().filter_map(|chunk| chunk.transfer.job_id).map(|id| id.to_string()).collect();
    let names: BTreeSet<&str> = chunks.iter().map(|chunk| chunk.name.as_str()).collect();
    let mut ids = BTreeSet::new();
    for id in jobs {
        let Some(job) = read.job(api, &id).await? else { continue };
        let files = job.files.iter().filter(|file| names.contains(file.name.as_str()));
        ids.extend(files.flat_map(|file| file.conversation_ids.clone()));
    }
    let recordings = recordings(account, chunks);
    let mut found = BTreeMap::new();
    for id in ids {
        if let Some(conversation) = read.conversation(api, &id).await? {
            // Two conversations that were joined answer with the same one.
            found.insert(conversation.head.id.clone(), said_in(conversation, &recordings));
        }
    }
    let mut found: Vec<Conversation> = found.into_values().collect();
    found.sort_by_key(|conversation| conversation.head.started_at);
    Ok(found)
}

impl Read {
    /// Jobs are kept for a week; the text stays.
    async fn job(&mut self, api: &Api, id: &str) -> Result<Option<&Job>, Message> {
        if !self.jobs.contains_key(id) {
            if self.jobs.len() >= MOST_JOBS {
                self.jobs.clear();
            }
            let job = match api.job(id).await {
                Ok(body) => Some(api.read_job(&body)?),
                Err(Message::NoSuchJob { .. }) => None,
                Err(message) => return Err(message),
            };
            self.jobs.insert(id.to_owned(), job);
        }
        Ok(self.jobs.get(id).and_then(Option::as_ref))
    }

    /// None, if the user has deleted it meanwhile.
    async fn conversation(&mut self, api: &Api, id: &str) -> Result<Option<&Conversation>, Message> {
        if !self.conversations.contains_key(id) {
            if self.conversations.len() >= MOST_CONVERSATIONS {
                self.conversations.clear();
            }
            let conversation = match api.conversation(id).await {
                Ok(body) => Some(api.read_conversation(&body)?),
                Err(Message::NoSuchConversation { .. }) => None,
                Err(message) => return Err(message),
            };
            self.conversations.insert(id.to_owned(), conversation);
        }
        Ok(self.conversations.get(id).and_then(Option::as_ref))
    }
}

fn recordings(account: &Uid, chunks: &[Chunk]) -> BTreeSet<String> {
    let id = |chunk: &Chunk| Some(RecordingId::derive(account, &chunk.name, &chunk.sha256?).to_string());
    chunks.iter().filter_map(id).collect()
}

/// A conversation may have other recordings too. If none of its segments is recognised, the server knows the user by
/// another name than the token says, and everything is shown.
fn said_in(conversation: &Conversation, recordings: &BTreeSet<String>) -> Conversation {
    let is_ours = |segment: &&formats::Segment| segment.recording_id.as_ref().is_some_and(|id| recordings.contains(id));
    let mut segments: Vec<_> = conversation.segments.iter().filter(is_ours).cloned().collect();
    if segments.is_empty() {
        segments.clone_from(&conversation.segments);
    }
    Conversation { head: conversation.head.clone(), segments }
}
