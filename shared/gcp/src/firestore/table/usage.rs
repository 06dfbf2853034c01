//! `usage_hours`: plain numbers, one document for each hour of a user.

use domain::usage::MAX_COUNT;
use domain::{Bucket, Timestamp, Uid, Usage};
use firestore::gcloud_sdk::google::firestore::v1::Document;

use super::{at, last_part, listed, sound, sound_ones};
use crate::firestore::fault::{Fault, Result};
use crate::firestore::path::{Path, USAGE};
use crate::firestore::query::{Shape, Towards};
use crate::firestore::unit_of_work::Unit;
use crate::firestore::value::{Fields, moment, moment_of, number, number_of};

pub const FIELDS: &[&str] = &["hour", "transcribed_ms", "words", "segments"];

/// Hours by name, which is by time, so that no index grows with time.
pub const HOURS: Shape = Shape {
    name: "usage.hours",
    collection: USAGE,
    of_everybody: false,
    equal: &[],
    sorted_by: &[],
    towards: Towards::Later,
};

pub fn decode(document: &Document) -> Result<Bucket> {
    let missing = || Fault::damaged(at(document), "it is no usage");
    let number = |name| number_of(document, name).filter(|number| *number <= MAX_COUNT).ok_or_else(missing);
    let hour = moment_of(document, "hour").ok_or_else(missing)?;
    let is_its_own = at(document).ends_with(&format!("/{:014}", hour.millis().max(0)));
    if !is_its_own {
        return Err(Fault::damaged(at(document), "it is of another hour"));
    }
    let (transcribed_ms, words, segments) = (number("transcribed_ms")?, number("words")?, number("segments")?);
    Ok(Bucket { hour, usage: Usage { transcribed_ms, words, segments } })
}

/// Adds to the usage that was read in this transaction, only when the plan's marks say that these
/// segments have not been counted yet. An increment by Firestore would not be recognised when it is
/// repeated.
pub fn add(unit: &mut Unit<'_>, uid: &Uid, hour: Timestamp, stored: Option<&Document>, more: Usage) -> Result<()> {
    if more.is_zero() {
        return Ok(());
    }
    // An hour that cannot be read starts again at zero, because its count is lost.
    let stored = stored.map_or(Ok(None), |document| sound(decode(document)))?;
    let mut usage = stored.map(|bucket| bucket.usage).unwrap_or_default();
    usage += more;
    let fields = Fields::default()
        .with("hour", moment(hour))
        .with("transcribed_ms", number(usage.transcribed_ms))
        .with("words", number(usage.words))
        .with("segments", number(usage.segments));
    unit.put(&Path::usage(uid, hour), fields);
    Ok(())
}

pub async fn list(
    unit: &mut Unit<'_>,
    uid: &Uid,
    (from, to): (Timestamp, Timestamp),
    limit: usize,
) -> Result<Vec<Bucket>> {
    if to <= from {
        return Ok(Vec::new());
    }
    let query = HOURS.query(Path::user(uid), vec![]);
    let query = query.from(vec![unit.place(&Path::usage(uid, from))]).before(vec![unit.place(&Path::usage(uid, to))]);
    sound_ones(unit, query, limit, decode).await
}

/// All of the user's hours after the cursor. Damaged ones are returned as errors with their hour.
pub async fn in_order(
    unit: &mut Unit<'_>,
    uid: &Uid,
    after: Option<Timestamp>,
    limit: usize,
) -> Result<Vec<(Timestamp, Result<Bucket>)>> {
    let mut query = HOURS.query(Path::user(uid), vec![]);
    if let Some(after) = after {
        query = query.after(vec![unit.place(&Path::usage(uid, after))]);
    }
    let found = unit.query(query, limit).await?;
    // A document whose name is not an hour is left out.
    let hour = |document: &Document| Ok(listed(hour_of(document))?.map(|hour| (hour, decode(document))));
    found.iter().filter_map(|document| hour(document).transpose()).collect()
}

fn hour_of(document: &Document) -> Result<Timestamp> {
    let millis = last_part(document).parse().map_err(|error| Fault::damaged(at(document), format!("{error}")))?;
    Ok(Timestamp::from_millis(millis))
}
