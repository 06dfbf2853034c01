//! Everything that a user can see, read at once, to compare two runs with each other.

use domain::{Bucket, Job, Line, Recording, Timestamp, Uid};
use flow::Result;
use flow::ports::{ConversationPage, ConversationQuery, Device, JobQuery, LineQuery, Page, Store};

use crate::build::T0;

/// A limit above what any test creates.
const ALL: usize = 10_000;

#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    pub jobs: Vec<Job>,
    pub recordings: Vec<Recording>,
    /// The lines that belong to a recording's plan, placed or not.
    pub lines: Vec<Line>,
    pub conversations: Vec<ConversationPage>,
    pub usage: Vec<Bucket>,
    pub devices: Vec<Device>,
}

impl Snapshot {
    /// Takes a snapshot. Change times are set to one value: a repeated operation may touch them again. Whether a slot is
    /// still provisional is left out: only some stores have such slots, and no user sees the difference.
    pub async fn take(store: &dyn Store, uid: &Uid) -> Result<Self> {
        let (first, last) = (Timestamp::from_millis(0), Timestamp::from_secs(1 << 40));
        let mut jobs = store.jobs(&JobQuery::all(uid, Page::first(ALL), first)).await?;
        for job in &mut jobs {
            job.updated_at = T0;
            job.dispatch.slot_is_provisional = false;
        }
        let mut ids: Vec<_> = jobs.iter().flat_map(|job| &job.files).map(|file| file.recording).collect();
        ids.sort_unstable();
        ids.dedup();
        let recordings: Vec<_> = store.recordings(uid, &ids).await?.into_iter().flatten().collect();
        let mut lines = Vec::new();
        for recording in &recordings {
            let segments = recording.plan.iter().flat_map(|plan| plan.segments());
            let starts: Vec<_> = segments.map(|segment| segment.start_ms).collect();
            lines.extend(store.lines(uid, recording.id, &starts).await?);
        }
        let mut conversations = Vec::new();
        for conversation in store.conversations(&ConversationQuery::all(uid, Page::first(ALL))).await? {
            let mut page = store.conversation(&LineQuery::of(uid, conversation.id, Page::first(ALL))).await?;
            page.iter_mut().for_each(|page| page.conversation.updated_at = T0);
            conversations.extend(page);
        }
        let usage = store.usage(uid, first, last, ALL).await?;
        let mut devices = store.devices(uid).await?;
        devices.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(Self { jobs, recordings, lines, conversations, usage, devices })
    }
}
