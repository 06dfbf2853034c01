//! What was said in the recordings of a command, out of the conversations that their jobs name.

use std::collections::{BTreeMap, BTreeSet};

use domain::{RecordingId, Uid};
use engine::Chunk;
use formats::Conversation;

use crate::api::Api;
use crate::messages::Message;

/// The conversations of these recordings, in order of time, each with only what was said in them.
pub async fn of(api: &Api, account: &Uid, chunks: &[Chunk]) -> Result<Vec<Conversation>, Message> {
    let jobs: BTreeSet<String> =
        chunks.iter().filter_map(|chunk| chunk.transfer.job_id).map(|id| id.to_string()).collect();
    let names: BTreeSet<&str> = chunks.iter().map(|chunk| chunk.name.as_str()).collect();
    let mut ids = BTreeSet::new();
    for job in jobs {
        let job = match api.job(&job).await {
            Ok(body) => api.read_job(&body)?,
            // Jobs are kept for a week; the text stays.
            Err(Message::NoSuchJob { .. }) => continue,
            Err(message) => return Err(message),
        };
        let files = job.files.iter().filter(|file| names.contains(file.name.as_str()));
        ids.extend(files.flat_map(|file| file.conversation_ids.clone()));
    }
    let recordings = recordings(account, chunks);
    let mut found = BTreeMap::new();
    for id in ids {
        match api.conversation(&id).await {
            Ok(body) => {
                let conversation = api.read_conversation(&body)?;
                // Two conversations that were joined answer with the same one.
                found.insert(conversation.head.id.clone(), said_in(conversation, &recordings));
            }
            // The user has deleted it meanwhile.
            Err(Message::NoSuchConversation { .. }) => {}
            Err(message) => return Err(message),
        }
    }
    let mut found: Vec<Conversation> = found.into_values().collect();
    found.sort_by_key(|conversation| conversation.head.started_at);
    Ok(found)
}

fn recordings(account: &Uid, chunks: &[Chunk]) -> BTreeSet<String> {
    let id = |chunk: &Chunk| Some(RecordingId::derive(account, &chunk.name, &chunk.sha256?).to_string());
    chunks.iter().filter_map(id).collect()
}

/// A conversation may have other recordings too. If none of its segments is recognised, the server knows the user by
/// another name than the token says, and everything is shown.
fn said_in(mut conversation: Conversation, recordings: &BTreeSet<String>) -> Conversation {
    let is_ours = |segment: &formats::Segment| segment.recording_id.as_ref().is_some_and(|id| recordings.contains(id));
    if conversation.segments.iter().any(is_ours) {
        conversation.segments.retain(is_ours);
    }
    conversation
}
