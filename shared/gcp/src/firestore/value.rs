//! Writes and reads a document's fields.

use std::collections::HashMap;

use domain::Timestamp;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::google::firestore::v1::{ArrayValue, Document, Value};
use firestore::gcloud_sdk::prost_types;

/// The earliest time that Firestore supports: 0001-01-01.
const EARLIEST_MS: i64 = -62_135_596_800_000;

pub fn text(text: impl Into<String>) -> Value {
    Value { value_type: Some(ValueType::StringValue(text.into())) }
}

pub fn number(number: u64) -> Value {
    Value { value_type: Some(ValueType::IntegerValue(i64::try_from(number).unwrap_or(i64::MAX))) }
}

pub fn bytes(bytes: Vec<u8>) -> Value {
    Value { value_type: Some(ValueType::BytesValue(bytes)) }
}

pub fn moment(at: Timestamp) -> Value {
    let ms = at.millis().max(EARLIEST_MS);
    let nanos = i32::try_from(ms.rem_euclid(1000)).unwrap_or_default() * 1_000_000;
    Value {
        value_type: Some(ValueType::TimestampValue(prost_types::Timestamp { seconds: ms.div_euclid(1000), nanos })),
    }
}

pub fn reference(name: String) -> Value {
    Value { value_type: Some(ValueType::ReferenceValue(name)) }
}

/// A value for a query that matches any of several values.
pub fn any_of(values: impl IntoIterator<Item = Value>) -> Value {
    Value { value_type: Some(ValueType::ArrayValue(ArrayValue { values: values.into_iter().collect() })) }
}

/// The fields of a document. A field that does not apply is left out, so that it is in no index.
#[derive(Default)]
pub struct Fields(pub HashMap<String, Value>);

impl Fields {
    #[must_use]
    pub fn with(mut self, field: &str, value: Value) -> Self {
        self.0.insert(field.to_owned(), value);
        self
    }

    #[must_use]
    pub fn with_some(self, field: &str, value: Option<Value>) -> Self {
        match value {
            Some(value) => self.with(field, value),
            None => self,
        }
    }
}

fn field<'a>(document: &'a Document, field: &str) -> Option<&'a ValueType> {
    document.fields.get(field)?.value_type.as_ref()
}

pub fn bytes_of<'a>(document: &'a Document, name: &str) -> Option<&'a [u8]> {
    if let Some(ValueType::BytesValue(bytes)) = field(document, name) { Some(bytes) } else { None }
}

pub fn text_of<'a>(document: &'a Document, name: &str) -> Option<&'a str> {
    if let Some(ValueType::StringValue(text)) = field(document, name) { Some(text) } else { None }
}

pub fn number_of(document: &Document, name: &str) -> Option<u64> {
    if let Some(ValueType::IntegerValue(number)) = field(document, name) { u64::try_from(*number).ok() } else { None }
}

pub fn moment_of(document: &Document, name: &str) -> Option<Timestamp> {
    let Some(ValueType::TimestampValue(at)) = field(document, name) else { return None };
    Some(Timestamp::from_millis(at.seconds.checked_mul(1000)? + i64::from(at.nanos / 1_000_000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_round_trip_to_the_millisecond() {
        for ms in [0, 1, 999, 1_795_168_800_123, -1, -1001, EARLIEST_MS] {
            let fields = Fields::default().with("at", moment(Timestamp::from_millis(ms))).0;
            let document = Document { fields, ..Document::default() };
            assert_eq!(moment_of(&document, "at"), Some(Timestamp::from_millis(ms)));
        }
    }
}
