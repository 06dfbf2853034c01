//! Every index, exemption and lifetime of the database, declared once: for the queries here, and for
//! the setup of the database.
//!
//! Firestore indexes every field of every document unless it is told not to. Here every field is exempt
//! unless a query needs its index: an index on a time would limit how fast a collection can grow.

use serde_json::{Value, json};

use super::path::{CHECKPOINTS, CONVERSATIONS, DEVICES, JOBS, LINES, PARTS, RECORDINGS, TIMELINES, TOKENS, USAGE};
use super::query::{Shape, Towards};
use super::schema::Schema;
use super::table::{checkpoints, conversations, devices, jobs, lines, recordings, timelines, usage};

/// The schema that each unit of work is checked against.
pub(super) const SCHEMA: Schema = Schema { may_query: is_listed_query, may_write: is_listed_field };

/// Every query that is sent to the database.
pub(super) const SHAPES: &[&Shape] = &[
    &jobs::NEWEST,
    &jobs::NEWEST_OF_STATUS,
    &jobs::CHANGED,
    &jobs::DUE,
    &jobs::DUE_OF_STATUS,
    &jobs::OF_STATUS,
    &jobs::OLDEST_OF_STATUS,
    &jobs::WAITING_FOR,
    &jobs::SLOTS,
    &jobs::WAITING_USERS,
    &recordings::IN_ORDER,
    &recordings::USERS,
    &lines::TIMED,
    &lines::ATTACHED,
    &lines::OF_RECORDING,
    &conversations::LISTED,
    &conversations::MEETING,
    &conversations::DUE,
    &conversations::IN_ORDER,
    &usage::HOURS,
    &devices::ALL,
];

/// Every collection, with all fields that its documents may have.
const COLLECTIONS: &[(&str, &[&str])] = &[
    (JOBS, jobs::FIELDS),
    (CHECKPOINTS, checkpoints::FIELDS),
    (RECORDINGS, recordings::FIELDS),
    (PARTS, recordings::PART_FIELDS),
    (LINES, lines::FIELDS),
    (CONVERSATIONS, conversations::FIELDS),
    (TIMELINES, timelines::FIELDS),
    (USAGE, usage::FIELDS),
    (DEVICES, devices::FIELDS),
    (TOKENS, devices::TOKEN_FIELDS),
];

/// Fields with the time of expiry: Firestore deletes the document within a day after it. Documents
/// below it would not be deleted with it, but there are none.
const LIFETIMES: &[(&str, &str)] = &[(JOBS, "expires_at"), (CHECKPOINTS, "expires_at")];

/// The index that serves a query.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Index {
    /// The order of documents by name, which always exists.
    Names,
    /// An index of one field. All other fields are exempt.
    Field { collection: &'static str, field: &'static str, of_everybody: bool },
    /// An index of several fields: those compared for equality come first, and the name is added at the
    /// end.
    Composite { collection: &'static str, of_everybody: bool, fields: Vec<(&'static str, Towards)> },
}

impl Shape {
    /// The index without which the query is refused.
    fn needs(&self) -> Index {
        let (collection, of_everybody) = (self.collection, self.of_everybody);
        let fields: Vec<_> = self
            .equal
            .iter()
            .map(|field| (*field, Towards::Later))
            .chain(self.sorted_by.iter().map(|field| (*field, self.towards)))
            .collect();
        match fields[..] {
            [] => Index::Names,
            [(field, _)] => Index::Field { collection, field, of_everybody },
            _ => Index::Composite { collection, of_everybody, fields },
        }
    }
}

/// Whether the query is in the list that indexes are made for.
fn is_listed_query(shape: &Shape) -> bool {
    SHAPES.contains(&shape)
}

/// Whether the field is in the lists that decide which indexes it has.
fn is_listed_field(collection: &str, field: &str) -> bool {
    COLLECTIONS.iter().any(|(name, fields)| *name == collection && fields.contains(&field))
}

/// The composite indexes, without duplicates.
fn composites() -> Vec<Index> {
    let mut found = Vec::new();
    for index in SHAPES.iter().map(|shape| shape.needs()) {
        if matches!(index, Index::Composite { .. }) && !found.contains(&index) {
            found.push(index);
        }
    }
    found
}

/// The indexes in the format of `firestore.indexes.json`, for `firebase deploy` and for the
/// infrastructure code.
pub fn as_json() -> Value {
    let fields = COLLECTIONS.iter().flat_map(|(collection, fields)| {
        fields.iter().map(move |field| {
            let mut settings = json!({ "collectionGroup": collection, "fieldPath": field });
            if LIFETIMES.contains(&(*collection, *field)) {
                settings["ttl"] = true.into();
            }
            settings["indexes"] = single_field(collection, field);
            settings
        })
    });
    json!({
        "indexes": composites().iter().filter_map(composite).collect::<Vec<_>>(),
        "fieldOverrides": fields.collect::<Vec<_>>(),
    })
}

fn single_field(collection: &str, field: &str) -> Value {
    let of_field = |shape: &&&Shape| match shape.needs() {
        Index::Field { collection: c, field: f, .. } => (c, f) == (collection, field),
        _ => false,
    };
    let settings = |shape: &&Shape| json!({ "order": order(shape.towards), "queryScope": scope(shape.of_everybody) });
    SHAPES.iter().filter(of_field).map(settings).collect()
}

fn composite(index: &Index) -> Option<Value> {
    let Index::Composite { collection, of_everybody, fields } = index else { return None };
    let field = |(field, towards): &(&str, Towards)| json!({ "fieldPath": field, "order": order(*towards) });
    let fields: Vec<_> = fields.iter().map(field).collect();
    Some(json!({ "collectionGroup": collection, "queryScope": scope(*of_everybody), "fields": fields }))
}

fn order(towards: Towards) -> &'static str {
    match towards {
        Towards::Later => "ASCENDING",
        Towards::Earlier => "DESCENDING",
    }
}

fn scope(of_everybody: bool) -> &'static str {
    if of_everybody { "COLLECTION_GROUP" } else { "COLLECTION" }
}
