//! The logins of this user: a file in the configuration folder.

use std::env;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::address::Address;
use super::file;
use crate::messages::Message;

const FILE: &str = "logins.json";
const LOCK: &str = "logins.lock";
/// The version of the file that this program writes, and the newest that it reads.
const VERSION: u32 = 1;
/// A name with more differences is not taken for a misspelled one.
const MOST_DIFFERENCES: usize = 2;

/// A server that the user logged in to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Login {
    pub name: String,
    pub url: String,
    pub token: StoredToken,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The user, if the token says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

/// Where the token is.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoredToken {
    Here(String),
    Keychain,
    /// A command prints it.
    Command(String),
}

impl std::fmt::Debug for StoredToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredToken(…)")
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Logins {
    version: u32,
    default: Option<String>,
    logins: Vec<Login>,
}

/// Only the version, which every version of the file has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl Logins {
    pub fn read() -> Result<Self, Message> {
        Self::read_from(&folder()?.join(FILE))
    }

    fn read_from(path: &Path) -> Result<Self, Message> {
        let unreadable = |why: String| Message::LoginsUnreadable { path: path.to_owned(), why };
        let text = file::read(path).map_err(|error| unreadable(error.to_string()))?;
        let Some(text) = text else { return Ok(Self { version: VERSION, ..Self::default() }) };
        // Errors of the parser would quote a part of the file, and it has tokens.
        let damaged = |error: serde_json::Error| unreadable(format!("it is damaged in line {}", error.line()));
        let Versioned { version } = serde_json::from_str(&text).map_err(damaged)?;
        if version > VERSION {
            return Err(Message::LoginsNewer { path: path.to_owned() });
        }
        serde_json::from_str(&text).map_err(damaged)
    }

    /// Reads, changes and writes the logins, while no other command does.
    pub fn change<T>(change: impl FnOnce(&mut Self) -> Result<T, Message>) -> Result<T, Message> {
        Self::change_in(&folder()?, change)
    }

    fn change_in<T>(folder: &Path, change: impl FnOnce(&mut Self) -> Result<T, Message>) -> Result<T, Message> {
        let path = folder.join(FILE);
        let not_written =
            |error: std::io::Error| Message::LoginsNotWritten { path: path.clone(), why: error.to_string() };
        file::make_folder(folder).map_err(not_written)?;
        let _lock = file::lock(folder, LOCK).map_err(not_written)?;
        let mut logins = Self::read_from(&path)?;
        let changed = change(&mut logins)?;
        let text = serde_json::to_string_pretty(&logins).map_err(|error| not_written(error.into()))?;
        file::replace(&path, &(text + "\n")).map_err(not_written)?;
        Ok(changed)
    }

    /// Adds a login, or replaces the one of its name, and makes it the default.
    pub fn put(&mut self, login: Login) {
        self.default = Some(login.name.clone());
        self.logins.retain(|known| known.name != login.name);
        self.logins.push(login);
    }

    /// Removes a login. If it was the default, the newest of the others becomes that.
    pub fn remove(&mut self, name: &str) -> Option<Login> {
        let at = self.logins.iter().position(|login| login.name == name)?;
        let removed = self.logins.remove(at);
        if self.default.as_deref() == Some(name) {
            self.default = self.logins.last().map(|login| login.name.clone());
        }
        Some(removed)
    }

    /// The login of this name, or the default; `None` if nobody is logged in and no name was given.
    pub fn find(&self, name: Option<&str>) -> Result<Option<&Login>, Message> {
        let Some(name) = name else {
            return Ok(self.logins.iter().find(|login| Some(&login.name) == self.default.as_ref()));
        };
        let found = self.logins.iter().find(|login| login.name == name);
        found.map(Some).ok_or_else(|| self.no_such(name))
    }

    /// The login for a server.
    pub fn of_server(&self, address: &Address) -> Option<&Login> {
        let url = address.to_string();
        self.logins.iter().rev().find(|login| login.url == url)
    }

    /// Makes a login the default.
    pub fn choose(&mut self, name: &str) -> Result<(), Message> {
        self.find(Some(name))?;
        self.default = Some(name.to_owned());
        Ok(())
    }

    pub fn all(&self) -> &[Login] {
        &self.logins
    }

    pub fn is_default(&self, login: &Login) -> bool {
        self.default.as_ref() == Some(&login.name)
    }

    pub fn no_such(&self, name: &str) -> Message {
        let distance = |login: &&Login| strsim::levenshtein(&login.name, name);
        let nearest = self.logins.iter().min_by_key(distance).filter(|near| distance(near) <= MOST_DIFFERENCES);
        Message::NoSuchLogin { name: terminal::plain(name), nearest: nearest.map(|login| login.name.clone()) }
    }
}

/// Checks a name that a user gives.
pub fn checked_name(name: &str) -> Result<String, Message> {
    let is_name = !name.is_empty()
        && name.len() <= 100
        && !name.starts_with('-')
        && name.chars().all(|c| c.is_alphanumeric() || "._-:".contains(c));
    if is_name { Ok(name.to_owned()) } else { Err(Message::InvalidName { name: terminal::plain(name) }) }
}

/// The folder with the configuration of this program.
pub fn folder() -> Result<PathBuf, Message> {
    below("XDG_CONFIG_HOME", ".config")
}

/// The folder with what this program knows about recordings.
pub fn data_folder() -> Result<PathBuf, Message> {
    below("XDG_DATA_HOME", ".local/share")
}

fn below(variable: &str, in_home: &str) -> Result<PathBuf, Message> {
    // A relative path is invalid there, by the specification.
    let set = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = set(variable).or_else(|| set("HOME").map(|home| home.join(in_home)));
    base.map(|base| base.join("afterword")).ok_or(Message::NoConfigFolder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(name: &str) -> Login {
        let token = StoredToken::Here("secret".to_owned());
        Login { name: name.to_owned(), url: format!("http://{name}"), token, ca_file: None, uid: None }
    }

    fn put(logins: &mut Logins, name: &str) -> Result<(), Message> {
        logins.put(login(name));
        Ok(())
    }

    fn names(logins: &Logins) -> (Vec<&str>, Option<&str>) {
        (logins.logins.iter().map(|login| login.name.as_str()).collect(), logins.default.as_deref())
    }

    #[test]
    fn newest_login_is_the_default_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "work", "home"] {
            Logins::change_in(folder.path(), |logins| put(logins, name)).unwrap();
        }
        let read = || Logins::read_from(&folder.path().join(FILE)).unwrap();
        assert_eq!(names(&read()), (vec!["work", "home"], Some("home")));
        Logins::change_in(folder.path(), |logins| Ok(logins.remove("home"))).unwrap();
        assert_eq!(names(&read()), (vec!["work"], Some("work")));
        Logins::change_in(folder.path(), |logins| Ok(logins.remove("work"))).unwrap();
        assert!(read().find(None).unwrap().is_none());
    }

    #[test]
    fn damaged_or_newer_file_is_refused_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        for (text, words) in [
            ("{\"version\":1,\"logins\":[{\"token\":\"secret", "damaged in line 1"),
            ("", "damaged"),
            ("{\"version\":2,\"servers\":{}}", "newer version"),
        ] {
            std::fs::write(&path, text).unwrap();
            let told = Logins::change_in(folder.path(), |logins| put(logins, "home")).unwrap_err().to_string();
            assert!(told.contains(words) && told.contains(FILE) && !told.contains("secret"), "{told}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn name_that_is_nearly_right_is_suggested() {
        let mut logins = Logins::default();
        logins.put(login("home"));
        assert!(logins.find(Some("homes")).unwrap_err().to_string().contains("did you mean `home`?"));
        assert!(!logins.find(Some("elsewhere")).unwrap_err().to_string().contains("did you mean"));
        assert!(checked_name("a b").is_err() && checked_name("-x").is_err() && checked_name("::1:8787").is_ok());
    }

    #[test]
    fn stored_token_is_never_printed() {
        assert!(!format!("{:?}", login("home")).contains("secret"));
    }
}
