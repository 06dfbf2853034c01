//! Tests the store with Google's own emulator.

mod connection;
mod contract;
mod damaged;
mod documents;
mod economy;
mod fault_script;
mod in_turn;
mod indexes;
mod races;
mod users;
mod waking;

use std::sync::Arc;
use std::time::Duration;

use testkit::contract::Fresh;

use super::{FirestoreStore, Settings};

pub use fault_script::FaultScript;

/// The settings for a new database in the emulator of this process, or why there is no emulator.
fn settings() -> Result<Settings, String> {
    let emulator = emulators::firestore::firestore()?;
    let endpoint = Some(emulator.endpoint().to_owned());
    // Regular wake-ups have their own test; in other tests they would wake watchers that must not wake.
    let look_again = Duration::from_secs(3600);
    Ok(Settings { endpoint, look_again, ..Settings::new(emulator.fresh_project()) })
}

fn fresh<P: ?Sized>() -> Fresh<P>
where
    Fresh<P>: From<Arc<FirestoreStore>>,
{
    match settings() {
        Ok(settings) => Fresh::from(Arc::new(FirestoreStore::new(settings))),
        Err(why) => Fresh::missing(why),
    }
}

/// Creates a fresh store, or ends the test.
macro_rules! store_or_skip {
    () => {
        match super::settings() {
            Ok(settings) => std::sync::Arc::new(crate::firestore::FirestoreStore::new(settings)),
            Err(why) => testkit::skip!(why),
        }
    };
}
use store_or_skip;
