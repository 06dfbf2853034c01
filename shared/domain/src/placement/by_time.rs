//! Placement by time: lines less than two minutes apart belong to one conversation, transitively. The result does not
//! depend on the order in which lines are placed.

use super::opening;
use crate::conversation::{Conversation, Interval, derived_id};
use crate::id::Uid;
use crate::line::Line;
use crate::name::Stream;
use crate::time::Timestamp;

/// An item with a time interval: an existing conversation, or a new line.
enum Item<'a, 'l> {
    Conversation(Box<Conversation>),
    Line(&'a mut &'l mut Line),
}

/// Puts the lines into the conversations that they connect with, merges conversations that they bridge, and starts new
/// ones. Returns the conversations that changed, each with whether it is new.
pub fn join(
    uid: &Uid,
    stream: &Stream,
    near: Vec<Conversation>,
    lines: &mut [&mut Line],
    now: Timestamp,
) -> Vec<(Conversation, bool)> {
    let mut items: Vec<(Interval, Item<'_, '_>)> = Vec::new();
    for conversation in near.into_iter().filter(Conversation::is_live) {
        if let Some(timed) = conversation.timed {
            items.push((timed, Item::Conversation(Box::new(conversation))));
        }
    }
    for line in lines {
        items.push((Interval { start: line.starts_at, end: line.ends_at }, Item::Line(line)));
    }
    items.sort_by_key(|(interval, _)| *interval);
    components(items).into_iter().flat_map(|component| place_component(uid, stream, component, now)).collect()
}

struct Component<'a, 'l> {
    hull: Interval,
    conversations: Vec<Conversation>,
    lines: Vec<&'a mut &'l mut Line>,
}

fn components<'a, 'l>(items: Vec<(Interval, Item<'a, 'l>)>) -> Vec<Component<'a, 'l>> {
    let mut found: Vec<Component<'a, 'l>> = Vec::new();
    for (interval, item) in items {
        // Items are sorted by start, so that an item connects with the last component or with none.
        let open = found.last().is_some_and(|last| last.hull.connects(interval));
        if !open {
            found.push(Component { hull: interval, conversations: Vec::new(), lines: Vec::new() });
        }
        let Some(last) = found.last_mut() else { continue };
        last.hull = last.hull.hull(interval);
        match item {
            Item::Conversation(conversation) => last.conversations.push(*conversation),
            Item::Line(line) => last.lines.push(line),
        }
    }
    found
}

fn place_component(
    uid: &Uid,
    stream: &Stream,
    component: Component<'_, '_>,
    now: Timestamp,
) -> Vec<(Conversation, bool)> {
    let Component { hull, mut conversations, mut lines } = component;
    let Some(first) = lines.iter().map(|line| line.order()).min() else { return Vec::new() };
    // The conversation with the earliest start survives; among equals, the one with the smallest id.
    conversations.sort_by_key(|c| (c.timed.map(|timed| timed.start), c.id));
    let is_new = conversations.is_empty();
    let mut survivor = if is_new {
        let segment = crate::id::SegmentId { recording: first.1, start_ms: first.2 };
        Conversation::new(derived_id(uid, stream, segment), uid, stream, now)
    } else {
        conversations.remove(0)
    };
    survivor.timed = Some(hull);
    survivor.updated_at = now;
    for line in &mut lines {
        line.conversation_id = Some(survivor.id);
        survivor.opening = Some(opening(line).earlier(survivor.opening.take()));
    }
    for loser in &mut conversations {
        merge(loser, &mut survivor, now);
    }
    let mut changed = vec![(survivor, is_new)];
    changed.extend(conversations.into_iter().map(|loser| (loser, false)));
    changed
}

/// Turns the loser into a redirect to the survivor. Its lines are not rewritten: timed ones are found by their time,
/// attached ones by the loser's id.
fn merge(loser: &mut Conversation, survivor: &mut Conversation, now: Timestamp) {
    if let Some(opening) = loser.opening.take() {
        survivor.opening = Some(opening.earlier(survivor.opening.take()));
    }
    if let Some(attached) = loser.attached.take() {
        survivor.attached = Some(survivor.attached.map_or(attached, |old| old.hull(attached)));
        survivor.merged_ids.push(loser.id);
    }
    survivor.merged_ids.append(&mut loser.merged_ids);
    survivor.locked |= loser.locked;
    loser.timed = None;
    loser.merged_into = Some(survivor.id);
    loser.updated_at = now;
}
