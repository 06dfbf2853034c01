//! Which engine runs, by the settings. Nothing else knows what engines there are.

use std::sync::Arc;
use std::time::Duration;

use crate::cloud::{self, CloudSettings, SettingError};
use crate::engine::Engine;
use crate::null::{self, Null, NullFail};

/// What the configuration says about engines.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub name: String,
    /// How long the null engine takes for a call.
    pub null_delay: Duration,
    pub null_fail: Option<NullFail>,
    pub cloud: CloudSettings,
}

/// Every engine of this build.
const KNOWN: &[&str] = &[cloud::DEEPGRAM, cloud::HTTP, null::NAME];

/// Each names the key of the configuration that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error("engine.name: `{0}` is not a speech engine of this build; expected {known}", known = KNOWN.join(", "))]
    Unknown(String),
}

/// Makes the engine ready for calls.
pub fn select(settings: &Settings) -> Result<Arc<dyn Engine>, SelectError> {
    if let Some(engine) = settings.cloud.engine(&settings.name)? {
        return Ok(engine);
    }
    match settings.name.as_str() {
        null::NAME => Ok(Arc::new(Null::new(settings.null_delay, settings.null_fail))),
        unknown => Err(SelectError::Unknown(unknown.chars().take(64).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_engine_can_be_selected() {
        for name in KNOWN {
            let settings = Settings { name: (*name).into(), cloud: cloud::testing::settings(), ..Settings::default() };
            let engine = select(&settings).unwrap();
            assert_eq!(engine.name(), *name);
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = select(&Settings { name: "parrot".into(), ..Settings::default() }).err().unwrap();
        assert_eq!(
            error.to_string(),
            "engine.name: `parrot` is not a speech engine of this build; expected deepgram, http, null"
        );
    }
}
