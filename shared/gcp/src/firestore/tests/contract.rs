//! The store is held to the contracts of its ports.

use super::fresh;

testkit::store_contract!(async || fresh());

testkit::feed_contract!(async || fresh());

testkit::archive_contract!(async || fresh());
