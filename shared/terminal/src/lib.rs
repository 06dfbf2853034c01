//! What commands print: lines, tables and lists that fit the terminal, and texts of others made harmless.

pub mod fields;
pub mod output;
pub mod plain;
pub mod screen;
pub mod table;
pub mod wrap;

pub use fields::Fields;
pub use plain::plain;
pub use screen::{Screen, Style};
pub use table::{Cell, Table};
