//! The placement rules, case by case: what joins, what bridges and what stays apart, in any order.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::accept::{Batch, Decision, Known, StagedFile, decide};
use crate::command::Command;
use crate::deletion::{Deletion, delete};
use crate::id::{JobId, Nonce, Sha256Hex, Uid};
use crate::line::{Utterance, count_words};
use crate::rules::Rules;
use crate::transition::apply;

const T0: Timestamp = Timestamp::from_secs(1_800_000_000);
const EXPLICIT: ConversationId = ConversationId(Uuid::from_u128(7));

/// The stored data of one user, written as an adapter writes it.
#[derive(Clone, Default)]
struct UserStore {
    rules: Rules,
    recordings: BTreeMap<u32, (Job, Recording)>,
    lines: BTreeMap<(u32, u32), Line>,
    conversations: BTreeMap<ConversationId, Conversation>,
    usage: Usage,
}

/// A recording that begins `at` seconds after [`T0`], with its spans of speech in seconds of the recording.
#[derive(Clone, Debug)]
struct Speech {
    at: u32,
    device: &'static str,
    explicit: Option<ConversationId>,
    spans: Vec<(u32, u32)>,
}

fn speech(at: u32, spans: &[(u32, u32)]) -> Speech {
    Speech { at, device: "phone", explicit: None, spans: spans.to_vec() }
}

fn user() -> Uid {
    Uid::new("ann").unwrap()
}

impl UserStore {
    fn ctx(&self) -> Context<'_> {
        Context { now: T0, rules: &self.rules, slot_free: true, slot_is_provisional: false }
    }

    /// Stores a job of one recording with a plan, as it is after a worker has listened to it.
    fn planned(&mut self, number: u32, speech: &Speech) {
        let name = format!("audio_{}_pcm16_16000_1_fs160_{}.bin", speech.device, 1_800_000_000 + speech.at);
        let parsed = crate::name::parse(&name).unwrap();
        let file = StagedFile {
            blob: format!("uploads/ann/{number}/0-x"),
            size: 1,
            sha256: Sha256Hex([number as u8; 32]),
            crc32c: 1,
            stream: parsed.stream,
            captured_at: parsed.captured_at,
            silent: None,
            name,
        };
        let batch = Batch {
            job_id: JobId(Uuid::from_u128(u128::from(number))),
            uid: user(),
            files: vec![file],
            conversation_id: speech.explicit,
            language: None,
            traceparent: None,
        };
        let known = Known { recordings: vec![None], ..Known::default() };
        let Decision::Create { job, mut recordings, .. } = decide(&batch, known, self.ctx()) else { panic!("known") };
        let claim = Command::Claim { owner: Nonce(Uuid::from_u128(9)) };
        let job = apply(&job, &claim, self.ctx()).unwrap().job;
        let mut recording = recordings.remove(0);
        recording.captured_at = parsed.captured_at;
        recording.conversation_id = speech.explicit;
        recording.state = State::Planned;
        let open = |&(start, end): &(u32, u32)| Segment::open(start * 1000, end * 1000, (end - start) * 1000);
        recording.plan = Some(Plan::new(speech.spans.iter().map(open).collect()));
        for (start, end) in &speech.spans {
            let line = line(&recording, speech.at, *start, *end, &format!("said at {}", speech.at + start));
            self.lines.insert((number, start * 1000), line);
        }
        self.recordings.insert(number, (job, recording));
    }

    /// Places segments of a planned recording in one transaction.
    fn place(&mut self, number: u32, starts: &[u32]) {
        let answers = starts.iter().map(|start| (start * 1000, Answer::Text)).collect();
        self.answer(number, answers);
    }

    fn answer(&mut self, number: u32, answers: Vec<(u32, Answer)>) {
        let (job, recording) = self.recordings[&number].clone();
        let group = Group { fence: job.lease.fence, index: 0, answers };
        let lines = group.answers.iter().filter_map(|(start, _)| self.lines.get(&(number, *start)).cloned()).collect();
        let mut context = PlacementContext { lines, ..PlacementContext::default() };
        context.explicit = recording.conversation_id.and_then(|id| self.end(id)).cloned();
        if let Some(reach) = reach(&recording, &group) {
            let meets = |time: &Interval| time.start <= reach.end && reach.start <= time.end;
            let of_stream = self.conversations.values().filter(|one| one.stream == recording.stream && one.is_live());
            context.near = of_stream.filter(|one| one.timed.as_ref().is_some_and(meets)).cloned().collect();
            let gone = recording.conversation_ids.iter().filter_map(|id| self.end(*id)).filter(|one| !one.is_live());
            context.deleted = gone.flat_map(|one| [one.timed, one.attached]).flatten().filter(meets).collect();
        }
        let placed = place(job, recording, &group, context, self.ctx()).unwrap();
        for line in placed.lines {
            self.lines.insert((number, line.start_ms), line);
        }
        self.conversations.extend(placed.conversations.into_iter().map(|one| (one.id, one)));
        self.usage += placed.usage;
        self.recordings.insert(number, (placed.job, placed.recording));
    }

    /// The conversation of an id after following redirects.
    fn end(&self, id: ConversationId) -> Option<&Conversation> {
        let found = self.conversations.get(&id)?;
        found.merged_into.map_or(Some(found), |next| self.end(next))
    }

    fn delete(&mut self, id: ConversationId) {
        let Deletion::Marked(gone) = delete(self.end(id).cloned(), T0) else { panic!("no such conversation") };
        self.conversations.insert(gone.id, *gone);
    }

    /// The start times of the lines of each live conversation, in order, in seconds after [`T0`].
    fn talks(&self) -> BTreeSet<Vec<i64>> {
        let mut talks: BTreeMap<ConversationId, Vec<i64>> = BTreeMap::new();
        for line in self.lines.values().filter(|line| !line.stub) {
            let end = line.conversation_id.and_then(|id| self.end(id)).filter(|one| one.is_live());
            let at = (line.starts_at.millis() - T0.millis()) / 1000;
            end.into_iter().for_each(|one| talks.entry(one.id).or_default().push(at));
        }
        talks.into_values().map(sorted).collect()
    }

    fn placed_whole(talks: &[Speech]) -> Self {
        let mut store = Self::default();
        for (number, speech) in (1..).zip(talks) {
            store.planned(number, speech);
            store.place(number, &speech.spans.iter().map(|(start, _)| *start).collect::<Vec<_>>());
        }
        store
    }
}

fn sorted(mut moments: Vec<i64>) -> Vec<i64> {
    moments.sort_unstable();
    moments
}

fn line(recording: &Recording, at: u32, start: u32, end: u32, text: &str) -> Line {
    let utterances = vec![Utterance {
        start_ms: 0,
        end_ms: (end - start) * 1000,
        text: text.to_owned(),
        speaker: None,
        words: None,
    }];
    let moment = |secs: u32| T0 + Duration::from_secs(u64::from(at + secs));
    Line {
        recording: recording.id,
        start_ms: start * 1000,
        uid: recording.uid.clone(),
        stream: recording.stream.clone(),
        starts_at: moment(start),
        ends_at: moment(end),
        language: None,
        words: count_words(&utterances),
        utterances,
        conversation_id: None,
        attached: false,
        stub: false,
    }
}

fn expect(store: &UserStore, talks: &[&[i64]], case: &str) {
    let expected: BTreeSet<_> = talks.iter().map(|speech| speech.to_vec()).collect();
    assert_eq!(store.talks(), expected, "{case}");
    // The live conversations of a stream are disjoint, with at least the gap between them.
    let live: Vec<_> = store.conversations.values().filter(|one| one.is_live()).collect();
    let timed = |stream| live.iter().filter(move |one| one.stream == stream).filter_map(|one| one.timed);
    for one in &live {
        let meeting = timed(one.stream.clone()).filter(|other| one.timed.is_some_and(|timed| timed.connects(*other)));
        assert_eq!(meeting.count(), usize::from(one.timed.is_some()), "{case}: {live:?}");
    }
}

#[test]
fn speech_less_than_two_minutes_apart_is_one_conversation() {
    type Case = (&'static str, u32, &'static [&'static [i64]]);
    let cases: &[Case] = &[
        ("they touch", 10, &[&[0, 10]]),
        ("a second lies between", 11, &[&[0, 11]]),
        ("119 s lie between", 10 + 119, &[&[0, 129]]),
        ("120 s lie between", 10 + 120, &[&[0], &[130]]),
        ("121 s lie between", 10 + 121, &[&[0], &[131]]),
    ];
    for (case, second, talks) in cases {
        let within = UserStore::placed_whole(&[speech(0, &[(0, 10), (*second, second + 5)])]);
        expect(&within, talks, &format!("within a recording, {case}"));
        let first = speech(0, &[(0, 10)]);
        let second = speech(*second, &[(0, 5)]);
        expect(&UserStore::placed_whole(&[first.clone(), second.clone()]), talks, case);
        expect(&UserStore::placed_whole(&[second, first]), talks, &format!("{case}, the later one first"));
    }
}

#[test]
fn the_gap_is_counted_to_the_millisecond() {
    for (gap_ms, connects) in [(119_999, true), (120_000, false)] {
        let at = |ms: i64| Timestamp::from_millis(T0.millis() + ms);
        let first = Interval { start: at(0), end: at(1000) };
        let second = Interval { start: at(1000 + gap_ms), end: at(2000 + gap_ms) };
        assert_eq!((first.connects(second), second.connects(first)), (connects, connects), "{gap_ms} ms");
    }
}

#[test]
fn speech_between_two_conversations_merges_them_into_the_earlier_one() {
    let (early, late, bridge) = (speech(0, &[(0, 10)]), speech(240, &[(0, 10)]), speech(100, &[(0, 30)]));
    let mut store = UserStore::placed_whole(&[early, late]);
    expect(&store, &[&[0], &[240]], "before the bridge");
    let first = *store.conversations.iter().find(|(_, one)| one.timed.unwrap().start == T0).unwrap().0;
    store.planned(3, &bridge);
    store.place(3, &[0]);
    expect(&store, &[&[0, 100, 240]], "with the bridge");
    let survivor: Vec<_> = store.conversations.values().filter(|one| one.is_live()).map(|one| one.id).collect();
    assert_eq!(survivor, [first]);
    let (job, recording) = &store.recordings[&3];
    assert_eq!((&job.updated_conversation_ids, &recording.conversation_ids), (&survivor, &survivor));
    assert_eq!(store.conversations[&first].opening.as_ref().unwrap().at, T0, "its title is that of the earliest line");
}

#[test]
fn lines_that_connect_in_a_chain_form_one_conversation() {
    let talks: Vec<_> = [0, 200, 400, 600, 100, 300, 500].map(|at| speech(at, &[(0, 10)])).to_vec();
    expect(&UserStore::placed_whole(&talks[..4]), &[&[0], &[200], &[400], &[600]], "apart");
    expect(&UserStore::placed_whole(&talks), &[&[0, 100, 200, 300, 400, 500, 600]], "joined");
}

#[test]
fn conversations_of_different_devices_stay_apart() {
    let pendant = Speech { device: "pendant", ..speech(5, &[(0, 10)]) };
    expect(&UserStore::placed_whole(&[speech(0, &[(0, 10)]), pendant]), &[&[0], &[5]], "at the same time");
}

#[test]
fn result_does_not_depend_on_the_order_of_recordings_and_groups() {
    let talks = [
        speech(0, &[(0, 10), (60, 70)]),
        speech(185, &[(0, 5), (200, 210)]),
        speech(400, &[(0, 10), (129, 130)]),
        speech(300, &[(0, 20)]),
    ];
    let whole = UserStore::placed_whole(&talks).talks();
    for order in permutations(4) {
        let mut store = UserStore::default();
        let mut one_by_one = UserStore::default();
        for number in &order {
            let speech = &talks[*number as usize - 1];
            let starts: Vec<_> = speech.spans.iter().map(|(start, _)| *start).collect();
            store.planned(*number, speech);
            store.place(*number, &starts);
            one_by_one.planned(*number, speech);
            // The later segment first, each in a transaction of its own.
            starts.iter().rev().for_each(|start| one_by_one.place(*number, &[*start]));
        }
        assert_eq!((store.talks(), one_by_one.talks()), (whole.clone(), whole.clone()), "{order:?}");
        assert_eq!((store.usage, one_by_one.usage.segments), (one_by_one.usage, 7), "{order:?}");
    }
}

fn permutations(of: u32) -> Vec<Vec<u32>> {
    let mut all = vec![Vec::new()];
    for number in 1..=of {
        let with = |order: &Vec<u32>| (0..=order.len()).map(|at| inserted(order, at, number)).collect::<Vec<_>>();
        all = all.iter().flat_map(with).collect();
    }
    all
}

fn inserted(order: &[u32], at: usize, number: u32) -> Vec<u32> {
    [&order[..at], &[number], &order[at..]].concat()
}

#[test]
fn explicit_conversation_wins_over_placement_by_time() {
    let attached = |at| Speech { explicit: Some(EXPLICIT), ..speech(at, &[(0, 10)]) };
    let store = UserStore::placed_whole(&[speech(0, &[(0, 10)]), attached(20), attached(9000)]);
    expect(&store, &[&[0], &[20, 9000]], "attached speech neither joins nor is joined by time");
    assert_eq!(store.conversations[&EXPLICIT].timed, None);
    let later = UserStore::placed_whole(&[attached(20), speech(0, &[(0, 10)]), speech(30, &[(0, 10)])]);
    expect(&later, &[&[20], &[0, 30]], "also when it came first");
}

#[test]
fn speech_attached_to_a_merged_conversation_goes_to_its_survivor() {
    let mut store = UserStore::placed_whole(&[speech(0, &[(0, 10)]), speech(240, &[(0, 10)])]);
    let loser = *store.conversations.iter().find(|(_, one)| one.timed.unwrap().start > T0).unwrap().0;
    store.planned(3, &speech(100, &[(0, 30)]));
    store.place(3, &[0]);
    store.planned(4, &Speech { explicit: Some(loser), ..speech(9000, &[(0, 10)]) });
    store.place(4, &[0]);
    expect(&store, &[&[0, 100, 240, 9000]], "attached under the id that was merged away");
}

#[test]
fn speech_near_a_deleted_conversation_of_the_same_recording_is_dropped() {
    let mut store = UserStore::default();
    store.planned(1, &speech(0, &[(0, 10), (129, 135), (400, 410)]));
    store.place(1, &[0]);
    let id = store.recordings[&1].1.conversation_ids[0];
    store.delete(id);
    store.place(1, &[129, 400]);
    expect(&store, &[&[400]], "119 s behind the deleted talk is of it; 390 s behind is not");
    assert!(store.lines[&(1, 129_000)].stub && !store.lines[&(1, 400_000)].stub);
    assert_eq!((store.usage.segments, store.recordings[&1].1.state), (2, State::Done), "it is over, and not counted");
    // Another recording of that time was not part of the deleted conversation.
    store.planned(2, &speech(20, &[(0, 10)]));
    store.place(2, &[0]);
    expect(&store, &[&[20], &[400]], "another recording");
}

#[test]
fn deleted_explicit_conversation_is_ignored() {
    let mut store = UserStore::placed_whole(&[Speech { explicit: Some(EXPLICIT), ..speech(0, &[(0, 10)]) }]);
    store.delete(EXPLICIT);
    store.planned(2, &Speech { explicit: Some(EXPLICIT), ..speech(5000, &[(0, 10)]) });
    store.place(2, &[0]);
    expect(&store, &[&[5000]], "it is placed by time");
    assert!(!store.conversations[&EXPLICIT].is_live());
}

#[test]
fn segment_is_placed_and_counted_only_once() {
    let mut store = UserStore::placed_whole(&[speech(0, &[(0, 10), (20, 30)])]);
    let before = (store.usage, store.talks());
    store.place(1, &[0, 20]);
    store.place(1, &[20]);
    assert_eq!((store.usage, store.talks()), before);
    assert_eq!(store.usage, Usage { transcribed_ms: 20_000, words: 6, segments: 2 });
}

#[test]
fn silent_and_failed_segments_are_not_placed() {
    let mut store = UserStore::default();
    store.planned(1, &speech(0, &[(0, 10), (20, 30), (40, 50)]));
    store.answer(1, vec![(0, Answer::EmptyOnce), (20_000, Answer::Failed { refused: true })]);
    assert_eq!(store.recordings[&1].1.state, State::Planned, "asked once more, and tried once more");
    store.answer(1, vec![(0, Answer::Empty), (20_000, Answer::Text), (40_000, Answer::Text)]);
    expect(&store, &[&[20, 40]], "what failed before may have text now");
    assert_eq!((store.usage.segments, store.recordings[&1].1.state), (2, State::Done));
}

/// A recording whose document was lost is planned again. Lines that are placed already stay, and are not counted again.
#[test]
fn lines_placed_before_their_plan_was_lost_are_not_placed_or_counted_again() {
    let recorded = speech(0, &[(0, 10), (20, 30)]);
    let mut store = UserStore::default();
    store.planned(1, &recorded);
    store.place(1, &[0]);
    let (usage, lines) = (store.usage, store.lines.clone());
    store.planned(1, &recorded);
    store.lines = lines;
    store.place(1, &[0]);
    assert_eq!(store.usage, usage);
    store.place(1, &[20]);
    expect(&store, &[&[0, 20]], "and the rest goes on");
    assert_eq!((store.usage.segments, store.recordings[&1].1.state), (2, State::Done));
    assert_eq!(store.recordings[&1].1.conversation_ids.len(), 1);
}

#[test]
fn group_has_at_most_as_many_segments_as_a_transaction_may_have() {
    let group = |count: usize| Group { fence: 1, index: 0, answers: vec![(0, Answer::Text); count] };
    assert_eq!(group(MAX_GROUP).check(), Ok(()));
    assert_eq!(group(MAX_GROUP + 1).check(), Err(InvalidWrite::LargeGroup));
}

#[test]
fn only_segments_with_text_have_stored_lines() {
    let answers = vec![(3, Answer::Text), (1, Answer::Empty), (2, Answer::Failed { refused: true }), (0, Answer::Text)];
    assert_eq!(Group { fence: 1, index: 0, answers }.texts(), [3, 0]);
}

#[test]
fn deleted_intervals_come_from_deleted_conversations_in_range() {
    let interval = |start, end| Interval { start: crate::testing::after(start), end: crate::testing::after(end) };
    let (timed, attached) = (interval(0, 10), interval(50, 60));
    let live = Conversation { timed: Some(timed), attached: Some(attached), ..crate::testing::conversation(1, 0) };
    let deleted = Conversation { deleted_at: Some(T0), ..live.clone() };
    let times = |conversation: &Conversation, reach| deleted_times(conversation, reach).collect::<Vec<_>>();
    assert_eq!(times(&live, interval(0, 60)), []);
    assert_eq!(times(&deleted, interval(0, 60)), [timed, attached]);
    assert_eq!(times(&deleted, interval(20, 50)), [attached]);
    assert_eq!(times(&deleted, interval(20, 40)), []);
}
