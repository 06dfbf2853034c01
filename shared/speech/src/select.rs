//! Creates the engine that the settings name. This is the only module that knows all engines.

use std::sync::Arc;
use std::time::Duration;

use crate::arithmetic::Arithmetic;
use crate::cloud::{self, CloudSettings, SettingError};
use crate::engine::Engine;
use crate::moonshine::{self, MoonshineFiles};
use crate::null::{self, Null, NullFail};

/// What the configuration says about engines.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub name: String,
    /// Only used by the Moonshine engines.
    pub moonshine: Option<MoonshineFiles>,
    /// Concurrent calls of an engine on this machine; 0 means one for each core.
    pub parallelism: usize,
    /// The instructions that engines on this machine multiply with.
    pub arithmetic: Arithmetic,
    /// How long the null engine takes for a call.
    pub null_delay: Duration,
    pub null_fail: Option<NullFail>,
    /// The languages that the null engine accepts, as primary subtags. If the list is empty, it accepts any.
    pub null_languages: Vec<String>,
    pub cloud: CloudSettings,
}

/// The names of all engines of this crate.
pub const KNOWN: &[&str] = &[cloud::DEEPGRAM, cloud::HTTP, moonshine::TINY, moonshine::BASE, null::NAME];

/// Each message names the configuration key that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error("engine.name: `{0}` is not a speech engine of this build; expected auto, {known}, whisper", known = KNOWN.join(", "))]
    Unknown(String),
    #[error("the speech engine `{0}` was given no model")]
    NoModel(&'static str),
}

/// Creates the engine. It may still be loading its model when this returns.
pub fn select(settings: &Settings) -> Result<Arc<dyn Engine>, SelectError> {
    if let Some(engine) = settings.cloud.engine(&settings.name)? {
        return Ok(engine);
    }
    let name = KNOWN.iter().find(|known| **known == settings.name);
    match *name.ok_or_else(|| SelectError::Unknown(settings.name.chars().take(64).collect()))? {
        null::NAME => {
            let null = Null::new(settings.null_delay, settings.null_fail);
            Ok(Arc::new(null.speaking(&settings.null_languages)))
        }
        moonshine => {
            let files = settings.moonshine.ok_or(SelectError::NoModel(moonshine))?;
            Ok(Arc::new(moonshine::Moonshine::start(moonshine, files, settings.parallelism, settings.arithmetic)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_engine_can_be_selected() {
        let moonshine = Some(MoonshineFiles { encoder: b"", decoder: b"", tokenizer: b"" });
        for name in KNOWN {
            let cloud = cloud::testing::settings();
            let settings = Settings { name: (*name).into(), moonshine, cloud, ..Settings::default() };
            let engine = select(&settings).unwrap();
            assert_eq!(engine.name(), *name);
        }
    }

    #[test]
    fn error_for_unknown_name_lists_the_known_names() {
        let error = select(&Settings { name: "parrot".into(), ..Settings::default() }).err().unwrap();
        let known = "auto, deepgram, http, moonshine-tiny, moonshine-base, null, whisper";
        let expected = format!("engine.name: `parrot` is not a speech engine of this build; expected {known}");
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn engine_without_its_model_is_refused() {
        let error = select(&Settings { name: moonshine::BASE.into(), ..Settings::default() }).err();
        assert_eq!(error, Some(SelectError::NoModel(moonshine::BASE)));
    }
}
