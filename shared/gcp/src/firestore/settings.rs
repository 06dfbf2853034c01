//! Where the database is, and how long is waited for it.

use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Settings {
    pub project: String,
    pub database: String,
    /// `None`: Google's, with the Application Default Credentials. Else an emulator's `http://host:port`.
    pub endpoint: Option<String>,
    /// The longest a connection may take to come about.
    pub connect: Duration,
    /// The longest one request may take.
    pub request: Duration,
    /// The longest an operation may take, all tries together.
    pub operation: Duration,
    /// How often those who watch a user's jobs look again, because another process may have written.
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
            look_again: Duration::from_secs(5),
        }
    }
}
