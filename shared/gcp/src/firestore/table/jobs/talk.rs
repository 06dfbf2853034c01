//! The conversations that a job names, packed: each id once, as bytes, however often and in how many lists it stands.

use std::collections::HashMap;

use domain::{ConversationId, Job};
use uuid::Uuid;

use crate::firestore::table::packed::{put, take};

const ID: usize = 16;

/// All lists of them, in an order of their own.
fn lists(job: &mut Job) -> Vec<&mut Vec<ConversationId>> {
    let mut lists = vec![&mut job.new_conversation_ids, &mut job.updated_conversation_ids];
    lists.extend(job.files.iter_mut().map(|file| &mut file.conversation_ids));
    if let Some(result) = &mut job.result {
        lists.extend([&mut result.new_conversation_ids, &mut result.updated_conversation_ids]);
    }
    lists
}

/// Takes them out of the job. `None` when it names none.
pub fn take_out(job: &mut Job) -> Option<Vec<u8>> {
    let (mut known, mut ids, mut places) = (HashMap::new(), Vec::new(), Vec::new());
    for list in lists(job) {
        put(&mut places, list.len() as u64);
        let mut next = 0_i64;
        for id in std::mem::take(list) {
            let place = *known.entry(id).or_insert_with(|| {
                ids.extend_from_slice(id.0.as_bytes());
                (ids.len() / ID - 1) as i64
            });
            // Lists follow each other: mostly it is the one that comes next.
            let away = place - next;
            put(&mut places, (away << 1 ^ away >> 63).cast_unsigned());
            next = place + 1;
        }
    }
    if ids.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(ids.len() + places.len() + 8);
    put(&mut out, (ids.len() / ID) as u64);
    out.append(&mut ids);
    out.append(&mut places);
    Some(out)
}

/// `None` when the bytes are of another job, or of none.
pub fn put_back(job: &mut Job, packed: &[u8]) -> Option<()> {
    let mut rest = packed.iter();
    let count = usize::try_from(take(&mut rest)?).ok()?;
    let (ids, places) = rest.as_slice().split_at_checked(count.checked_mul(ID)?)?;
    let mut places = places.iter();
    for list in lists(job) {
        let mut next = 0_i64;
        for _ in 0..take(&mut places)? {
            let away = take(&mut places)?;
            let place = next.checked_add((away >> 1).cast_signed() ^ -((away & 1).cast_signed()))?;
            let begin = usize::try_from(place).ok()?.checked_mul(ID)?;
            list.push(ConversationId(Uuid::from_slice(ids.get(begin..begin + ID)?).ok()?));
            next = place + 1;
        }
    }
    places.next().is_none().then_some(())
}
