//! What can go wrong inside a transaction, before it is known which operation of the port it was.

use std::fmt::Display;

use flow::Kind;
use flow::error::Source;
use rusqlite::types::FromSqlError;

use crate::sqlite::{Failure, kind_of};

#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    /// A row is there and cannot be what was written.
    #[error("{table} {id} is damaged: {why}")]
    Damaged { table: &'static str, id: String, why: Source },
    #[error("{0}")]
    Conflict(&'static str),
    #[error("{0}")]
    Invalid(&'static str),
}

impl Fault {
    pub fn damaged(table: &'static str, id: impl Display, why: impl Into<Source>) -> Self {
        Self::Damaged { table, id: id.to_string(), why: why.into() }
    }
}

impl Failure for Fault {
    fn kind(&self) -> Kind {
        match self {
            Fault::Sql(error) => kind_of(error),
            Fault::Damaged { .. } => Kind::Corrupt,
            Fault::Conflict(_) => Kind::Conflict,
            Fault::Invalid(_) => Kind::Invalid,
        }
    }
}

impl From<FromSqlError> for Fault {
    fn from(error: FromSqlError) -> Self {
        Self::Sql(error.into())
    }
}

pub type Result<T> = std::result::Result<T, Fault>;
