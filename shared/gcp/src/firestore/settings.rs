//! The address of the database, and the time limits.

use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Settings {
    pub project: String,
    pub database: String,
    /// `None` means Google's address, with Application Default Credentials. Otherwise the
    /// `http://host:port` of an emulator.
    pub endpoint: Option<String>,
    /// The time limit for connecting.
    pub connect: Duration,
    /// The time limit of one request.
    pub request: Duration,
    /// The time limit of an operation with all its tries.
    pub operation: Duration,
    /// How much of that time reads leave that could be made later as well.
    pub spare: Duration,
    /// How often watchers of a user's jobs read again, because another process may have written.
    pub look_again: Duration,
}

impl Settings {
    pub const DEFAULT_DATABASE: &str = "(default)";

    pub fn new(project: impl Into<String>) -> Self {
        Self {
            project: project.into(),
            database: Self::DEFAULT_DATABASE.to_owned(),
            endpoint: None,
            connect: Duration::from_secs(5),
            request: Duration::from_secs(10),
            operation: Duration::from_secs(30),
            spare: Duration::from_secs(10),
            look_again: Duration::from_secs(5),
        }
    }
}
