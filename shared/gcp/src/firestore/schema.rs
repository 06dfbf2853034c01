//! What a unit of work may ask and write: told by whoever knows the tables, so that nothing is asked without its index and
//! nothing is written that would be indexed by accident.

use super::shape::Shape;

/// Looked up in debug builds only.
pub struct Schema {
    pub may_ask: fn(&Shape) -> bool,
    /// By collection and field.
    pub may_have: fn(&str, &str) -> bool,
}
