//! Maps errors of SQLite to the kinds of errors of the ports.

use flow::Kind;
use flow::error::Source;
use rusqlite::{Error, ErrorCode};

/// The error type of a step. Its text becomes the cause of the port's error.
pub trait Failure: Into<Source> {
    fn kind(&self) -> Kind;
}

impl Failure for Error {
    fn kind(&self) -> Kind {
        kind_of(self)
    }
}

/// Maps an error to its kind. An unknown error counts as temporary, so that no data is given up because
/// of it.
pub fn kind_of(error: &Error) -> Kind {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Kind::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Kind::Corrupt,
        Some(ErrorCode::ConstraintViolation) => Kind::Conflict,
        Some(ErrorCode::TooBig) => Kind::Invalid,
        Some(ErrorCode::PermissionDenied) => Kind::Misconfigured,
        None if is_unreadable(error) => Kind::Corrupt,
        _ => Kind::Unavailable,
    }
}

/// Whether a column of the row has a value that this program never writes.
fn is_unreadable(error: &Error) -> bool {
    matches!(
        error,
        Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..)
    )
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    fn kind(code: i32) -> Kind {
        kind_of(&Error::SqliteFailure(ffi::Error::new(code), None))
    }

    #[test]
    fn full_busy_and_damaged_have_different_kinds() {
        assert_eq!(kind(ffi::SQLITE_FULL), Kind::Full);
        assert_eq!(kind(ffi::SQLITE_BUSY_SNAPSHOT), Kind::Unavailable);
        assert_eq!(kind(ffi::SQLITE_LOCKED), Kind::Unavailable);
        assert_eq!(kind(ffi::SQLITE_IOERR_FSYNC), Kind::Unavailable);
        assert_eq!(kind(ffi::SQLITE_READONLY), Kind::Unavailable);
        assert_eq!(kind(ffi::SQLITE_CANTOPEN), Kind::Unavailable);
        assert_eq!(kind(ffi::SQLITE_CORRUPT_INDEX), Kind::Corrupt);
        assert_eq!(kind(ffi::SQLITE_NOTADB), Kind::Corrupt);
        assert_eq!(kind(ffi::SQLITE_CONSTRAINT_UNIQUE), Kind::Conflict);
    }

    #[test]
    fn column_of_wrong_type_is_damage() {
        let error = Error::InvalidColumnType(0, "id".to_owned(), rusqlite::types::Type::Text);
        assert_eq!(kind_of(&error), Kind::Corrupt);
    }
}
