//! Configuration: the list of keys (`keys.rs`), and the layers that set them: a file, the environment, the command line. A
//! wrong setting stops the start with one line that names the key and where its value came from.

mod file;
mod key;
mod keys;
mod layers;
mod relations;
mod settings;
#[cfg(test)]
mod tests;
mod unknown;
mod value;

pub use file::default_file;
pub use key::{ENV_PREFIX, Key, Kind};
pub use keys::{SECTIONS, Section, key, keys};
pub use layers::{Layers, Origin};
pub use settings::{Config, Detector, Engine, Sweep};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("configuration: {0}")]
pub struct ConfigError(pub String);
