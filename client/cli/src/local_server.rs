//! The server on this machine: it needs no login, because whoever can read its data folder may do everything.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

/// The data folder that is looked for if no server is named.
pub const USUAL_FOLDER: &str = "./afterword-data";

/// A server that runs on this machine.
pub struct LocalServer {
    pub url: String,
    /// Its certificate, if nobody else vouches for it.
    pub ca_file: Option<PathBuf>,
    /// The user for whom tokens are issued.
    pub uid: String,
    /// Issues a token.
    pub token: Box<dyn Fn() -> Result<SecretString, String> + Send + Sync>,
}

/// Why there is no server on a folder.
#[derive(Debug)]
pub enum LocalServerError {
    /// The folder is no data folder of a server.
    NoFolder,
    /// No server runs on it at the moment.
    NotRunning,
    /// The folder cannot be read; in a sentence.
    Unusable(String),
}

/// Finds the servers of this machine by their data folders.
pub trait LocalServers {
    fn find(&self, data_dir: &Path) -> Result<LocalServer, LocalServerError>;
}
