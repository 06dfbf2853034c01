//! The error for settings with which an adapter cannot work.

/// The field of the settings, and what is wrong with it. The caller knows which configuration key it
/// came from. It never contains a secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the setting `{setting}` {why}")]
pub struct InvalidSetting {
    pub setting: &'static str,
    pub why: String,
}

impl InvalidSetting {
    pub(crate) fn new(setting: &'static str, why: impl Into<String>) -> Self {
        Self { setting, why: why.into() }
    }
}
