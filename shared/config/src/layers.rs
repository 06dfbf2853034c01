//! The layers of the configuration: the default file, the user's file, the environment and the command line. A key's value
//! comes from the last layer that sets it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::ConfigError;
use crate::sections::Config;

pub const DEFAULT: &str = include_str!("default.toml");
pub const ENV_PREFIX: &str = "AFTERWORD_";

/// Keys without a default: they are commented out in the default file.
const OPTIONAL: [(&str, &str); 5] = [
    ("server", "public_url"),
    ("tasks", "secret"),
    ("tasks", "previous_secret"),
    ("engine.deepgram", "api_key"),
    ("engine.http", "api_key"),
];
const SECRETS: [&str; 4] = ["tasks.secret", "tasks.previous_secret", "engine.deepgram.api_key", "engine.http.api_key"];

/// Where a key's value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    File(PathBuf),
    Env(String),
    CommandLine(&'static str),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path) => write!(f, "{}", path.display()),
            Origin::Env(name) => f.write_str(name),
            Origin::CommandLine(flag) => f.write_str(flag),
        }
    }
}

/// Keys and values, each with its origin. A nested section is named by its path: `engine.deepgram`.
#[derive(Clone, Debug)]
pub struct Layers {
    /// The default of each key, which also decides the key's type.
    defaults: Table,
    values: Table,
    origins: BTreeMap<String, Origin>,
}

impl Layers {
    /// Reads the defaults, the file if there is one, and the environment of this process.
    pub fn of_process(file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut layers = Self::defaults()?;
        if let Some(file) = file {
            layers = layers.file(file)?;
        }
        // A variable that is not valid Unicode is none of ours.
        let variables = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        layers.env(variables)
    }

    pub fn defaults() -> Result<Self, ConfigError> {
        let values: Table = DEFAULT.parse().map_err(|e| ConfigError(format!("the built-in default file: {e}")))?;
        Ok(Self { defaults: values.clone(), values, origins: BTreeMap::new() })
    }

    pub fn file(mut self, path: &Path) -> Result<Self, ConfigError> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|e| ConfigError(format!("cannot read {shown}: {e}")))?;
        let table: Table = text.parse().map_err(|e| ConfigError(format!("{shown}: {e}")))?;
        for (section, keys) in table {
            let Value::Table(keys) = keys else {
                return Err(ConfigError(format!("{shown}: `{section}` must be a section: [{section}]")));
            };
            for (key, value) in keys {
                let inner = format!("{section}.{key}");
                match value {
                    Value::Table(keys) if self.section(&inner).is_some() => {
                        keys.into_iter().try_for_each(|(key, value)| self.set_from(path, &inner, &key, value))?;
                    }
                    value => self.set_from(path, &section, &key, value)?,
                }
            }
        }
        Ok(self)
    }

    fn set_from(&mut self, path: &Path, section: &str, key: &str, value: Value) -> Result<(), ConfigError> {
        self.known(section, key).map_err(|why| ConfigError(format!("{}: {why}", path.display())))?;
        self.set(section, key, value, Origin::File(path.to_owned()));
        Ok(())
    }

    /// Takes every variable that begins with `AFTERWORD_<SECTION>_` for a section that exists. If several sections match, the
    /// innermost wins: `AFTERWORD_ENGINE_HTTP_URL` is the `url` of `engine.http`.
    pub fn env(mut self, variables: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        for (name, text) in variables {
            let Some((section, key)) = self.section_and_key(&name) else { continue };
            self.known(&section, &key).map_err(|why| ConfigError(format!("{name}: {why}")))?;
            let value = self.typed(&section, &key, &text).map_err(|why| ConfigError(format!("{name}: {why}")))?;
            self.set(&section, &key, value, Origin::Env(name));
        }
        Ok(self)
    }

    /// Sets a value from the command line, which overrides every other layer.
    #[must_use]
    pub fn flag(mut self, section: &str, key: &str, value: Option<String>, flag: &'static str) -> Self {
        if let Some(value) = value {
            self.set(section, key, Value::String(value), Origin::CommandLine(flag));
        }
        self
    }

    fn set(&mut self, section: &str, key: &str, value: Value, origin: Origin) {
        let mut keys = Some(&mut self.values);
        for name in section.split('.') {
            keys = keys.and_then(|keys| keys.get_mut(name)).and_then(Value::as_table_mut);
        }
        if let Some(keys) = keys {
            keys.insert(key.to_owned(), value);
            self.origins.insert(format!("{section}.{key}"), origin);
        }
    }

    fn section(&self, name: &str) -> Option<&Table> {
        section_of(&self.values, name)
    }

    /// Every section with its name. Nested sections follow the one that contains them.
    fn sections(&self) -> Vec<(String, &Table)> {
        let mut all = Vec::new();
        for (name, keys) in &self.values {
            let Value::Table(keys) = keys else { continue };
            all.push((name.clone(), keys));
            let inner = keys.iter().filter_map(|(inner, keys)| Some((format!("{name}.{inner}"), keys.as_table()?)));
            all.extend(inner);
        }
        all
    }

    fn section_and_key(&self, name: &str) -> Option<(String, String)> {
        let rest = name.strip_prefix(ENV_PREFIX)?.to_ascii_lowercase();
        let key_in = |section: &str| {
            let key = rest.strip_prefix(&section.replace('.', "_"))?.strip_prefix('_')?;
            Some((section.to_owned(), key.to_owned()))
        };
        let of = self.sections().into_iter().filter_map(|(section, _)| key_in(&section));
        of.max_by_key(|(section, _)| section.len())
    }

    fn known(&self, section: &str, key: &str) -> Result<(), String> {
        let Some(keys) = self.section(section) else {
            let sections: Vec<_> = self.sections().into_iter().map(|(name, _)| name).collect();
            return Err(format!("there is no section `{section}`; there are {}", sections.join(", ")));
        };
        if keys.get(key).is_some_and(|value| !value.is_table()) || OPTIONAL.contains(&(section, key)) {
            return Ok(());
        }
        let optional = OPTIONAL.iter().filter(|(of, _)| *of == section).map(|(_, key)| *key);
        let keys = keys.iter().filter(|(_, value)| !value.is_table()).map(|(key, _)| key.as_str());
        let keys: Vec<_> = keys.chain(optional).map(|key| format!("{section}.{key}")).collect();
        Err(format!("there is no key `{section}.{key}`; there are {}", keys.join(", ")))
    }

    /// Parses a variable's text as the type of the key's default.
    fn typed(&self, section: &str, key: &str, text: &str) -> Result<Value, String> {
        let default = self.section(section).and_then(|keys| keys.get(key));
        let wrong = |what: &str| format!("`{section}.{key}` must be {what}, not `{text}`");
        Ok(match default {
            Some(Value::Integer(_)) => Value::Integer(text.trim().parse().map_err(|_| wrong("a whole number"))?),
            Some(Value::Float(_)) => Value::Float(text.trim().parse().map_err(|_| wrong("a number"))?),
            Some(Value::Boolean(_)) => Value::Boolean(text.trim().parse().map_err(|_| wrong("true or false"))?),
            Some(Value::Array(_)) => Value::Array(list(text)),
            _ => Value::String(text.to_owned()),
        })
    }

    pub fn config(&self) -> Result<Config, ConfigError> {
        // Section by section, so that an error can name its key's section.
        for (section, keys) in self.sections() {
            self.check_types(&section, keys)?;
        }
        Value::Table(self.values.clone()).try_into().map_err(|e: toml::de::Error| ConfigError(e.message().to_owned()))
    }

    /// Checks that each value has the type of its key's default. The error says where the value came from.
    fn check_types(&self, section: &str, keys: &Table) -> Result<(), ConfigError> {
        for (key, value) in keys.iter().filter(|(_, value)| !value.is_table()) {
            let default = section_of(&self.defaults, section).and_then(|keys| keys.get(key));
            let wanted = default.map_or("string", Value::type_str);
            if value.type_str() != wanted {
                let origin = self.origin(&format!("{section}.{key}"));
                let found = value.type_str();
                return Err(ConfigError(format!("{origin}: `{section}.{key}` must be of type {wanted}, not {found}")));
            }
            // All lists in the configuration are lists of strings.
            if let Some(odd) = value.as_array().and_then(|list| list.iter().find(|one| !one.is_str())) {
                let origin = self.origin(&format!("{section}.{key}"));
                return Err(ConfigError(format!(
                    "{origin}: `{section}.{key}` must be a list of strings, not of {odd}"
                )));
            }
            if matches!(value, Value::Integer(n) if *n < 0) {
                let origin = self.origin(&format!("{section}.{key}"));
                return Err(ConfigError(format!("{origin}: `{section}.{key}` must not be negative, but is {value}")));
            }
        }
        Ok(())
    }

    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }

    /// The effective configuration as a file. Secrets are masked; values that are not defaults carry their origin.
    pub fn show(&self) -> String {
        let mut out = String::new();
        for (section, keys) in self.sections() {
            out.push_str(&format!("[{section}]\n"));
            for (key, value) in keys.iter().filter(|(_, value)| !value.is_table()) {
                let name = format!("{section}.{key}");
                let shown =
                    if SECRETS.contains(&name.as_str()) { "\"********\"".to_owned() } else { value.to_string() };
                match self.origins.get(&name) {
                    Some(origin) => out.push_str(&format!("{key} = {shown}  # from {origin}\n")),
                    None => out.push_str(&format!("{key} = {shown}\n")),
                }
            }
            out.push('\n');
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
        out
    }
}

/// Parses a list from a variable: words separated by commas. An empty variable is an empty list.
fn list(text: &str) -> Vec<Value> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(|word| Value::String(word.to_owned())).collect()
}

fn section_of<'t>(values: &'t Table, name: &str) -> Option<&'t Table> {
    name.split('.').try_fold(values, |keys, name| keys.get(name).and_then(Value::as_table))
}
