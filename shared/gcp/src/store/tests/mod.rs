//! The store on Google's own emulator.

mod contract;

use std::sync::Arc;

use testkit::contract::Fresh;

use super::{FirestoreStore, Settings};

/// A store of its own in the emulator of this process, or why there is none.
fn settings() -> Result<Settings, String> {
    let emulator = emulators::firestore::firestore()?;
    let endpoint = Some(emulator.endpoint().to_owned());
    Ok(Settings {
        endpoint,
        look_again: std::time::Duration::from_secs(3600),
        ..Settings::new(emulator.fresh_project())
    })
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
