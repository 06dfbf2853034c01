//! The collections, and the queries for each.

pub mod checkpoints;
pub mod conversations;
pub mod devices;
pub mod jobs;
pub mod lines;
mod packed;
pub mod recordings;
pub mod timelines;
pub mod usage;

use std::fmt::Display;

use firestore::gcloud_sdk::google::firestore::v1::{Document, Value};
use flow::document;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fault::{Fault, Result};
use super::path::{CONVERSATIONS, DEVICES, JOBS, LINES, Path, RECORDINGS, TIMELINES, TOKENS, USAGE};
use super::query::{Query, Shape};
use super::unit_of_work::Unit;
use super::value::bytes_of;

/// The field for everything that is never searched for, as JSON.
pub const BODY: &str = "body";

/// Serializes a body. Our own types always become JSON; if one day a value does not, nothing is
/// written.
fn to_body(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| Fault::damaged("(unwritten)", error))
}

fn from_body<T: DeserializeOwned>(document: &Document) -> Result<T> {
    let body = bytes_of(document, BODY).ok_or_else(|| Fault::damaged(at(document), "it has no body"))?;
    flow::document::read(body).map_err(|why| Fault::unreadable(at(document), why))
}

/// The document's path below the database's root, for errors.
fn at(document: &Document) -> &str {
    document.name.split_once("/documents/").map_or("", |(_, path)| path)
}

/// The document's id: the last part of its path.
fn last_part(document: &Document) -> &str {
    document.name.rsplit('/').next().unwrap_or_default()
}

/// The first `limit` documents that can be read. Damaged ones do not count: otherwise a page full of
/// them would hide everything after it.
async fn sound_ones<T>(
    unit: &mut Unit<'_>,
    mut query: Query,
    limit: usize,
    decode: impl Fn(&Document) -> Result<T>,
) -> Result<Vec<T>> {
    let mut found = Vec::new();
    while found.len() < limit {
        let wanted = limit - found.len();
        let page = unit.query(query.clone(), wanted).await?;
        for document in &page {
            found.extend(listed(decode(document))?);
        }
        let Some(last) = page.last().filter(|_| page.len() == wanted) else { break };
        let place = place_of(unit, &query.shape, last);
        query = query.after(place);
    }
    Ok(found)
}

/// A document's position in the order of a query.
fn place_of(unit: &Unit<'_>, shape: &Shape, document: &Document) -> Vec<Value> {
    let sorted = shape.sorted_by.iter().map(|field| document.fields.get(*field).cloned().unwrap_or_default());
    sorted.chain([unit.place(&Path::of(document))]).collect()
}

/// For documents loaded by their id: a damaged one is logged and treated as missing.
pub fn sound<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(Fault::Damaged { document, why }) => {
            report_unreadable(&document, &why);
            Ok(None)
        }
        Err(fault) => Err(fault),
    }
}

/// For documents in a list: one of a newer version is left out as well.
pub fn listed<T>(read: Result<T>) -> Result<Option<T>> {
    match sound(read) {
        Err(Fault::Newer { document, why }) => {
            report_unreadable(&document, &why);
            Ok(None)
        }
        read => read,
    }
}

fn report_unreadable(document: &str, why: &dyn Display) {
    let tables = [JOBS, RECORDINGS, LINES, CONVERSATIONS, TIMELINES, USAGE, DEVICES];
    let of = tables.into_iter().rev().find(|table| document.split('/').any(|part| part == *table));
    document::report_unreadable(of.unwrap_or(TOKENS), &document, why);
}
