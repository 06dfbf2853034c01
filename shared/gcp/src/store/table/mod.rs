//! What stands in each collection, and the questions that are asked of it.

pub mod checkpoints;
pub mod conversations;
pub mod devices;
pub mod jobs;
pub mod lines;
mod packed;
pub mod recordings;
pub mod timelines;
pub mod usage;

use firestore::gcloud_sdk::google::firestore::v1::{Document, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fault::{Fault, Result};
use super::path::Path;
use super::shape::{Ask, Shape};
use super::unit::Unit;
use super::value::bytes_of;

/// The field that holds what is never searched for, as JSON.
pub const BODY: &str = "body";

/// Our own types always become JSON; if one day one does not, nothing is written.
fn to_body(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| Fault::damaged("(unwritten)", error))
}

/// Fields that a later version added or dropped are no damage as long as their types say so.
fn from_body<T: DeserializeOwned>(document: &Document) -> Result<T> {
    let body = bytes_of(document, BODY).ok_or_else(|| Fault::damaged(at(document), "it has no body"))?;
    serde_json::from_slice(body).map_err(|error| Fault::damaged(at(document), error))
}

/// Its path below the database's root, for errors.
fn at(document: &Document) -> &str {
    document.name.split_once("/documents/").map_or("", |(_, path)| path)
}

/// The first `limit` documents that can be read. Damaged ones take no place: a page of nothing else would hide all that
/// comes after.
async fn sound_ones<T>(
    unit: &mut Unit<'_>,
    mut ask: Ask,
    limit: usize,
    decode: impl Fn(&Document) -> Result<T>,
) -> Result<Vec<T>> {
    let mut found = Vec::new();
    while found.len() < limit {
        let wanted = limit - found.len();
        let page = unit.query(ask.clone(), wanted).await?;
        for document in &page {
            found.extend(sound(decode(document))?);
        }
        let Some(last) = page.last().filter(|_| page.len() == wanted) else { break };
        let place = place_of(unit, &ask.shape, last);
        ask = ask.after(place);
    }
    Ok(found)
}

/// Where a document stands in the order that was asked for.
fn place_of(unit: &Unit<'_>, shape: &Shape, document: &Document) -> Vec<Value> {
    let sorted = shape.sorted_by.iter().map(|field| document.fields.get(*field).cloned().unwrap_or_default());
    sorted.chain([unit.place(&Path::of(document))]).collect()
}

/// Leaves a damaged document out, and tells the log: it must not hold up the others.
fn sound<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(fault @ Fault::Damaged { .. }) => {
            tracing::error!(error = %fault, "a stored document cannot be read");
            Ok(None)
        }
        Err(fault) => Err(fault),
    }
}
