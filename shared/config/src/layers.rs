//! The layers of the configuration: the defaults, the user's file, the environment and the command line. A key's value comes
//! from the last layer that sets it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use domain::masking::without_credentials;
use toml::{Table, Value};

use crate::ConfigError;
use crate::key::{ENV_PREFIX, Key};
use crate::keys::{key, keys};
use crate::relations::RELATIONS;
use crate::settings::Config;
use crate::unknown;

/// Where a key's value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    File(PathBuf),
    Env(String),
    CommandLine(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path) => write!(f, "{}", path.display()),
            Origin::Env(name) => f.write_str(name),
            Origin::CommandLine(flag) => f.write_str(flag),
        }
    }
}

/// The values that are not defaults, each with its origin. They may be secrets, so that they are not printed.
#[derive(Clone, Default)]
pub struct Layers {
    values: BTreeMap<&'static str, (Value, Origin)>,
}

/// A larger file is no configuration.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

impl Layers {
    /// Reads the file, if there is one, and the environment of this process.
    pub fn of_process(file: Option<&Path>) -> Result<Self, ConfigError> {
        let layers = Self::default();
        let layers = if let Some(file) = file { layers.file(file)? } else { layers };
        layers.env(std::env::vars_os())
    }

    pub fn file(mut self, path: &Path) -> Result<Self, ConfigError> {
        let shown = path.display();
        let text =
            read(path).map_err(|e| ConfigError(format!("the configuration file {shown} cannot be read: {e}")))?;
        let table: Table = text.parse().map_err(|e| syntax_error(path, &text, &e))?;
        self.take(path, "", table).map_err(|why| ConfigError(format!("{shown}: {why}")))?;
        Ok(self)
    }

    /// Takes the keys of a section of the file, and of the sections in it. The outermost section has no name.
    fn take(&mut self, path: &Path, section: &str, table: Table) -> Result<(), String> {
        for (name, value) in table {
            let name = if section.is_empty() { name } else { format!("{section}.{name}") };
            match (value, key(&name), unknown::section(&name)) {
                (value, Some(key), _) => self.set(key, value, Origin::File(path.to_owned())),
                (Value::Table(inner), None, Some(_)) => self.take(path, &name, inner)?,
                (Value::Table(_), None, None) => return Err(unknown::section_error(&name)),
                (_, None, Some(_)) => return Err(format!("`{name}` must be a section: [{name}]")),
                (_, None, None) if section.is_empty() => {
                    return Err(format!("`{name}` stands in no section; every key has one, as in [jobs]"));
                }
                (_, None, None) => return Err(unknown::key_error(&name)),
            }
        }
        Ok(())
    }

    /// Takes every variable that begins with `AFTERWORD_<SECTION>_` for a section that exists.
    pub fn env(mut self, variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Self, ConfigError> {
        for (name, text) in variables {
            // A name that is not valid Unicode is none of ours.
            let Ok(name) = name.into_string() else { continue };
            if !name.starts_with(ENV_PREFIX) {
                continue;
            }
            let wrong = |why: &str| ConfigError(format!("{name}: {why}"));
            let Some(key) = keys().find(|key| key.variable() == name.to_ascii_uppercase()) else {
                unknown::variable_error(&name).map_or(Ok(()), |why| Err(wrong(&why)))?;
                continue;
            };
            let text = text.into_string().map_err(|_| wrong(&format!("{} is not valid Unicode", key.name)))?;
            self.set(key, key.read(&text), Origin::Env(name));
        }
        Ok(self)
    }

    /// Sets a value from the command line, which overrides every other layer.
    #[must_use]
    pub fn flag(mut self, name: &str, value: Option<String>, flag: &'static str) -> Self {
        if let (Some(key), Some(value)) = (key(name), value) {
            self.set(key, key.read(&value), Origin::CommandLine(flag));
        }
        self
    }

    fn set(&mut self, key: &'static Key, value: Value, origin: Origin) {
        self.values.insert(key.name, (value, origin));
    }

    /// The typed settings: every key is checked and set, and then the relations between keys are checked.
    pub fn config(&self) -> Result<Config, ConfigError> {
        let mut config = Config::unset();
        for key in keys() {
            match self.values.get(key.name) {
                Some((value, origin)) => {
                    key.set(&mut config, value).map_err(|why| ConfigError(format!("{origin}: {why}")))?;
                }
                None => {
                    let default = key.default().map_or(Ok(()), |value| key.set(&mut config, &value));
                    default.map_err(|why| ConfigError(format!("the default of this program: {why}")))?;
                }
            }
        }
        config.derive();
        if let Some((_, why)) = RELATIONS.iter().find(|(holds, _)| !holds(&config)) {
            return Err(ConfigError(format!("{why} ({})", self.sources(why))));
        }
        config.settings.rules.check().map_err(|why| ConfigError(why.to_owned()))?;
        Ok(config)
    }

    /// The values of the keys that a text names, and where each came from.
    fn sources(&self, text: &str) -> String {
        let source = |key: &Key| {
            let value = self.shown(key).unwrap_or_default();
            match self.origin(key.name) {
                Origin::Default => format!("{} = {value} by default", key.name),
                origin => format!("{} = {value} from {origin}", key.name),
            }
        };
        keys().filter(|key| text.contains(key.name)).map(source).collect::<Vec<_>>().join(", ")
    }

    pub fn origin(&self, key: &str) -> Origin {
        self.values.get(key).map_or(Origin::Default, |(_, origin)| origin.clone())
    }

    /// The effective value as it stands in a file. Secrets and credentials in addresses are masked; `None` if there is no value.
    pub fn shown(&self, key: &Key) -> Option<String> {
        let value = self.values.get(key.name).map(|(value, _)| value.clone()).or_else(|| key.default())?;
        Some(if key.is_secret() {
            "\"********\"".to_owned()
        } else {
            without_credentials(&value.to_string()).into_owned()
        })
    }
}

/// One line with the place of the error. The text of the file is not repeated: it may be a secret.
fn syntax_error(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let message: Vec<_> = error.message().lines().collect();
    ConfigError(format!("{}: line {line}: {}", path.display(), message.join(", ")))
}

/// Reads a configuration file. A device might never end.
fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other(format!("it has more than {MAX_FILE_BYTES} bytes")));
    }
    Ok(text)
}
