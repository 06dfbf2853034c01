//! Errors inside a transaction, where the operation of the port is not known yet.

use std::fmt::Display;

use domain::InvalidWrite;
use flow::Kind;
use flow::document::{self, Unreadable};
use flow::error::Source;
use rusqlite::types::FromSqlError;

use crate::sqlite::{Failure, kind_of};

#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    /// The row exists, but its content cannot be what this program wrote.
    #[error("{table} {id} is damaged: {why}")]
    Damaged { table: &'static str, id: String, why: Source },
    /// The row was written by a later version, which may be able to read it.
    #[error("{table} {id}: {why}")]
    Newer { table: &'static str, id: String, why: Unreadable },
    #[error(transparent)]
    InvalidWrite(#[from] InvalidWrite),
    #[error("{0}")]
    Invalid(&'static str),
}

impl Fault {
    pub fn damaged(table: &'static str, id: impl Display, why: impl Into<Source>) -> Self {
        Self::Damaged { table, id: id.to_string(), why: why.into() }
    }

    pub fn unreadable(table: &'static str, id: impl Display, why: Unreadable) -> Self {
        match why {
            Unreadable::Damaged(why) => Self::damaged(table, id, why),
            why => Self::Newer { table, id: id.to_string(), why },
        }
    }
}

/// For documents loaded by their id: a damaged one is logged and treated as missing.
pub fn sound<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(Fault::Damaged { table, id, why }) => {
            document::report_unreadable(table, &id, &why);
            Ok(None)
        }
        Err(fault) => Err(fault),
    }
}

/// For documents in a list: one of a newer version is left out as well.
pub fn listed<T>(read: Result<T>) -> Result<Option<T>> {
    match sound(read) {
        Err(Fault::Newer { table, id, why }) => {
            document::report_unreadable(table, &id, &why);
            Ok(None)
        }
        read => read,
    }
}

impl Failure for Fault {
    fn kind(&self) -> Kind {
        match self {
            Fault::Sql(error) => kind_of(error),
            Fault::Damaged { .. } => Kind::Corrupt,
            Fault::Newer { .. } => Kind::Unavailable,
            Fault::InvalidWrite(why) => (*why).into(),
            Fault::Invalid(_) => Kind::Invalid,
        }
    }
}

/// Maps an error about a column's type or value to damage of this row.
pub fn of_row(table: &'static str, id: impl Display, fault: Fault) -> Fault {
    match fault {
        Fault::Sql(error) if kind_of(&error) == Kind::Corrupt && error.sqlite_error_code().is_none() => {
            Fault::damaged(table, id, error)
        }
        fault => fault,
    }
}

impl From<FromSqlError> for Fault {
    fn from(error: FromSqlError) -> Self {
        Self::Sql(error.into())
    }
}

pub type Result<T> = std::result::Result<T, Fault>;
