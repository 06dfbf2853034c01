//! What a unit of work may query and write. The modules that know the tables declare it, so that every
//! query has its index and no field is indexed by accident.

use super::query::Shape;

/// Only checked in debug builds.
pub struct Schema {
    pub may_query: fn(&Shape) -> bool,
    /// Whether a document of this collection may have this field.
    pub may_write: fn(&str, &str) -> bool,
}
