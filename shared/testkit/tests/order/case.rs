//! A random case: what one user recorded, and in which batches it was uploaded.

use domain::accept::{Batch, StagedFile};
use domain::planning::Heard;
use domain::{ConversationId, JobId, RecordingId, Segment, Sha256Hex, Timestamp, Uid};
use testkit::SeededRandom;
use testkit::build::{T0, batch_as, conversation_id, named, staged, uid};

/// One recording, with the engine's answer for each of its segments.
#[derive(Clone, Debug)]
pub struct Take {
    pub file: StagedFile,
    pub id: RecordingId,
    pub captured_at: Timestamp,
    pub attached_to: Option<ConversationId>,
    pub spoken: Vec<Spoken>,
}

#[derive(Clone, Debug)]
pub struct Spoken {
    pub segment: Segment,
    /// The text of the segment; empty if the engine hears nothing in it.
    pub text: String,
}

#[derive(Clone, Debug)]
pub struct Case {
    pub uid: Uid,
    pub takes: Vec<Take>,
    /// Indices of takes. Batches overlap.
    pub batches: Vec<Vec<usize>>,
}

impl Case {
    pub fn random(random: &SeededRandom) -> Self {
        let mut takes = Vec::new();
        for device in &["phone", "pendant"][..1 + usize::from(random.one_in(3))] {
            record(device, random, &mut takes);
        }
        if random.one_in(4) {
            let at = random.below(takes.len());
            takes[at].attached_to = Some(conversation_id(5));
        }
        let batches = divide(&takes, random);
        Self { uid: user(), takes, batches }
    }

    pub fn take(&self, id: RecordingId) -> Option<&Take> {
        self.takes.iter().find(|take| take.id == id)
    }

    pub fn batch(&self, n: usize, job: JobId) -> Batch {
        let takes = self.batches[n].iter().map(|i| &self.takes[*i]);
        let attached_to = takes.clone().find_map(|take| take.attached_to);
        let files = takes.map(|take| take.file.clone()).collect();
        Batch { files, conversation_id: attached_to, ..batch_as(job, &self.uid, &[] as &[&str]) }
    }
}

impl Take {
    pub fn heard(&self) -> Heard {
        if self.spoken.is_empty() {
            return Heard::Silence;
        }
        Heard::Speech(self.spoken.iter().map(|spoken| spoken.segment).collect())
    }

    pub fn text(&self, start_ms: u32) -> &str {
        self.spoken.iter().find(|s| s.segment.start_ms == start_ms).map_or("", |s| &s.text)
    }
}

fn user() -> Uid {
    uid("ann")
}

/// Speech on the stream's time line, spread over a few recordings that may overlap.
fn record(device: &str, random: &SeededRandom, takes: &mut Vec<Take>) {
    let mut recordings: Vec<Vec<(i64, i64)>> = vec![Vec::new(); 2 + random.below(3)];
    let mut end = T0.millis();
    for _ in 0..3 + random.below(5) {
        let start = end + gap(random);
        end = start + 1000 + random.below(20_000) as i64;
        let free = |spans: &Vec<(i64, i64)>| spans.last().is_none_or(|(_, last)| *last <= start);
        let fitting: Vec<_> = (0..recordings.len()).filter(|i| free(&recordings[*i])).collect();
        if fitting.is_empty() {
            recordings.push(vec![(start, end)]);
        } else {
            recordings[*random.pick(&fitting)].push((start, end));
        }
    }
    for spans in recordings {
        takes.push(take(device, takes.len(), &spans, random));
    }
}

/// Mostly around the two minutes that decide, to the millisecond; sometimes negative, when two people speak at once.
fn gap(random: &SeededRandom) -> i64 {
    match random.below(10) {
        0 => -(random.below(900) as i64),
        1 => 119_999,
        2 => 120_000,
        3 => 120_001,
        4..=6 => 60_000 + random.below(60_000) as i64,
        7 => 200_000,
        _ => random.below(20_000) as i64,
    }
}

fn take(device: &str, n: usize, spans: &[(i64, i64)], random: &SeededRandom) -> Take {
    let first = spans.first().map_or(T0.millis(), |(start, _)| *start);
    let captured_at = Timestamp::from_millis(first - random.below(3) as i64 * 500);
    let spoken = spans.iter().map(|span| spoken(captured_at, *span, n, random)).collect();
    let name = named(device, captured_at);
    let mut file = staged(&user(), JobId(uuid::Uuid::nil()), n, &name);
    // Two recordings of one device may begin at the same moment: their digests tell them apart.
    file.sha256 = Sha256Hex([n as u8; 32]);
    file.captured_at = Some(captured_at);
    let id = RecordingId::derive(&user(), &name, &file.sha256);
    Take { file, id, captured_at, attached_to: None, spoken }
}

fn spoken(captured_at: Timestamp, (start, end): (i64, i64), n: usize, random: &SeededRandom) -> Spoken {
    let offset = |at: i64| (at - captured_at.millis()) as u32;
    let (start_ms, end_ms) = (offset(start), offset(end));
    let speech_ms = (end_ms - start_ms) - random.below(400) as u32;
    let text =
        if random.one_in(8) { String::new() } else { format!("r{n} at{start_ms}{}", " word".repeat(random.below(3))) };
    Spoken { segment: Segment::open(start_ms, end_ms, speech_ms), text }
}

/// Every take is in some batch, many are in several. An attached take has batches of its own: its conversation is fixed
/// by the job that plans it first, so that the order would matter.
fn divide(takes: &[Take], random: &SeededRandom) -> Vec<Vec<usize>> {
    let mut order: Vec<_> = (0..takes.len()).collect();
    random.shuffle(&mut order);
    let (attached, timed): (Vec<_>, Vec<_>) = order.into_iter().partition(|i| takes[*i].attached_to.is_some());
    let mut batches: Vec<Vec<usize>> = timed.chunks(1 + random.below(3)).map(<[_]>::to_vec).collect();
    for batch in &mut batches {
        let more = timed.iter().filter(|_| random.one_in(6)).copied().collect::<Vec<_>>();
        batch.extend(more);
        random.shuffle(batch);
        let mut seen = Vec::new();
        batch.retain(|i| {
            !seen.contains(i) && {
                seen.push(*i);
                true
            }
        });
    }
    if !attached.is_empty() {
        batches.push(attached);
    }
    batches
}
