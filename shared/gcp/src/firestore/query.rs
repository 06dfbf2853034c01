//! Queries. Each has a shape, which tells what index serves it; a query without an index is never sent.

use domain::listing::Begin;
use firestore::gcloud_sdk::google::firestore::v1::structured_aggregation_query::{Aggregation, aggregation};
use firestore::gcloud_sdk::google::firestore::v1::structured_query::{
    CollectionSelector, CompositeFilter, Direction, FieldFilter, FieldReference, Filter, Order, composite_filter,
    field_filter, filter,
};
use firestore::gcloud_sdk::google::firestore::v1::{
    Cursor, StructuredAggregationQuery, StructuredQuery, Value, structured_aggregation_query, value,
};

use super::path::{JOBS, Path};
use super::value::{moment, text};

/// The document's own name, by which every order ends.
const NAME: &str = "__name__";
/// The name of a count in the response.
pub const COUNT: &str = "count";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Towards {
    Later,
    Earlier,
}

impl Towards {
    fn direction(self) -> i32 {
        match self {
            Self::Later => Direction::Ascending as i32,
            Self::Earlier => Direction::Descending as i32,
        }
    }
}

/// The fields that a query compares and sorts by, in the order of its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub name: &'static str,
    pub collection: &'static str,
    /// Whether the query covers the collections of this name of all users, or those of one user.
    pub of_everybody: bool,
    pub equal: &'static [&'static str],
    pub sorted_by: &'static [&'static str],
    pub towards: Towards,
}

/// A query with its values.
#[derive(Clone, Debug)]
pub struct Query {
    pub shape: Shape,
    pub under: Path,
    query: StructuredQuery,
}

impl Shape {
    /// A query that finds nothing, which only shows whether Firestore refuses it.
    pub fn empty_query(&self) -> Query {
        let under = if self.of_everybody || self.collection == JOBS { Path::ROOT } else { Path::nobody() };
        self.query(under, self.equal.iter().map(|_| text("nobody")).collect())
    }

    /// Builds a query. `equal` has a value for each compared field; an array matches any of its values.
    pub fn query(&self, under: Path, equal: Vec<Value>) -> Query {
        debug_assert_eq!(self.equal.len(), equal.len(), "{}", self.name);
        let filters: Vec<_> = self.equal.iter().zip(equal).map(|(name, value)| is(name, value)).collect();
        let sorted = self.sorted_by.iter().chain(&[NAME]);
        let order = |name: &&str| Order { field: field(name), direction: self.towards.direction() };
        let query = StructuredQuery {
            from: vec![CollectionSelector {
                collection_id: self.collection.to_owned(),
                all_descendants: self.of_everybody,
            }],
            r#where: all_of(filters),
            order_by: sorted.map(order).collect(),
            ..StructuredQuery::default()
        };
        Query { shape: *self, under, query }
    }
}

/// A position consists of the values of the first sorted fields, as many as matter; the last one may be
/// the name.
impl Query {
    #[must_use]
    pub fn from(mut self, place: Vec<Value>) -> Self {
        self.query.start_at = Some(Cursor { values: place, before: true });
        self
    }

    #[must_use]
    pub fn after(mut self, place: Vec<Value>) -> Self {
        self.query.start_at = Some(Cursor { values: place, before: false });
        self
    }

    /// Begins where a page begins. `place` returns the position of the item before it.
    #[must_use]
    pub fn begin<C>(self, begin: Begin<C>, place: impl FnOnce(C) -> Vec<Value>) -> Self {
        match begin {
            Begin::First => self,
            Begin::At(from) => self.from(vec![moment(from)]),
            Begin::After(item) => self.after(place(item)),
        }
    }

    #[must_use]
    pub fn until(mut self, place: Vec<Value>) -> Self {
        self.query.end_at = Some(Cursor { values: place, before: false });
        self
    }

    #[must_use]
    pub fn before(mut self, place: Vec<Value>) -> Self {
        self.query.end_at = Some(Cursor { values: place, before: true });
        self
    }

    pub fn first(mut self, limit: usize) -> StructuredQuery {
        self.query.limit = Some(i32::try_from(limit).unwrap_or(i32::MAX));
        self.query
    }

    /// A count of the results, up to `limit` if there is one.
    pub fn count(self, limit: Option<usize>) -> StructuredAggregationQuery {
        let up_to = limit.map(|limit| i64::try_from(limit).unwrap_or(i64::MAX));
        let count = aggregation::Operator::Count(aggregation::Count { up_to });
        StructuredAggregationQuery {
            aggregations: vec![Aggregation { alias: COUNT.to_owned(), operator: Some(count) }],
            query_type: Some(structured_aggregation_query::QueryType::StructuredQuery(self.query)),
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as the generated types want it")]
fn field(name: &str) -> Option<FieldReference> {
    Some(FieldReference { field_path: name.to_owned() })
}

fn is(name: &str, value: Value) -> Filter {
    let any = matches!(value.value_type, Some(value::ValueType::ArrayValue(_)));
    let op = if any { field_filter::Operator::In } else { field_filter::Operator::Equal };
    let filter = FieldFilter { field: field(name), op: op as i32, value: Some(value) };
    Filter { filter_type: Some(filter::FilterType::FieldFilter(filter)) }
}

fn all_of(mut filters: Vec<Filter>) -> Option<Filter> {
    if filters.len() < 2 {
        return filters.pop();
    }
    let all = CompositeFilter { op: composite_filter::Operator::And as i32, filters };
    Some(Filter { filter_type: Some(filter::FilterType::CompositeFilter(all)) })
}
