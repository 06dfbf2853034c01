//! Which engine runs, by the settings. Nothing else knows what engines there are.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::Engine;
use crate::null::{self, Null, NullFail};

/// What the configuration says about engines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub name: String,
    /// How long the null engine takes for a call.
    pub null_delay: Duration,
    pub null_fail: Option<NullFail>,
    /// The only languages of the null engine, as primary subtags; none: any language.
    pub null_languages: Vec<String>,
}

/// Every engine of this build.
const KNOWN: &[&str] = &[null::NAME];

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    #[error("`{0}` is not a speech engine of this build; expected {known}", known = KNOWN.join(", "))]
    Unknown(String),
}

/// Makes the engine ready for calls.
pub fn select(settings: &Settings) -> Result<Arc<dyn Engine>, SelectError> {
    match settings.name.as_str() {
        null::NAME => {
            let null = Null::new(settings.null_delay, settings.null_fail);
            Ok(Arc::new(null.speaking(&settings.null_languages)))
        }
        unknown => Err(SelectError::Unknown(unknown.chars().take(64).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_engine_can_be_selected() {
        for name in KNOWN {
            let engine = select(&Settings { name: (*name).into(), ..Settings::default() }).unwrap();
            assert_eq!(engine.name(), *name);
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = select(&Settings { name: "parrot".into(), ..Settings::default() }).err().unwrap();
        assert_eq!(error.to_string(), "`parrot` is not a speech engine of this build; expected null");
    }
}
