//! Packs the ids of conversations in a job: each id is stored once as bytes, however often it occurs in
//! the lists.

use std::collections::HashMap;

use domain::{ConversationId, Job};
use uuid::Uuid;

use crate::firestore::table::packed::{put, take};

const ID: usize = 16;

/// All lists of conversation ids, in a fixed order.
fn lists(job: &mut Job) -> Vec<&mut Vec<ConversationId>> {
    let mut lists = vec![&mut job.new_conversation_ids, &mut job.updated_conversation_ids];
    lists.extend(job.files.iter_mut().map(|file| &mut file.conversation_ids));
    if let Some(result) = &mut job.result {
        lists.extend([&mut result.new_conversation_ids, &mut result.updated_conversation_ids]);
    }
    lists
}

/// Takes the ids out of the job and packs them; `None` if there are none.
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
            // Lists mostly have the ids in the same order, so the difference to the next place is small.
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

/// Puts the ids back; `None` if the bytes do not belong to this job.
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
