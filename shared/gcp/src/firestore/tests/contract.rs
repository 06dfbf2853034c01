//! Runs the contracts of the store's ports.

use super::fresh;

testkit::store_contract!(async || fresh());

testkit::feed_contract!(async || fresh());

testkit::archive_contract!(async || fresh());
