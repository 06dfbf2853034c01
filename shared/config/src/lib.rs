//! Configuration: a commented default file, overridden by the user's file, then by the environment. A wrong setting stops
//! the start with one line that names the key and where its value came from.

mod layers;
mod sections;
mod server;
mod settings;
#[cfg(test)]
mod tests;

pub use layers::{DEFAULT, ENV_PREFIX, Layers, Origin};
pub use sections::{Config, Engine, Sweep};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("configuration: {0}")]
pub struct ConfigError(pub String);
