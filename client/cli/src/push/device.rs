//! The recordings of a user on this computer for a server: the device engine over the connection of a command.

use std::path::PathBuf;
use std::sync::Arc;

use domain::Uid;
use engine::ports::{Ports, UnknownDevice};
use engine::std_ports::{SystemClock, SystemDisk, SystemRandom};
use engine::{Config, Driver, Engine, IndexError, OpenError, Server};

use super::credentials::CommandCredentials;
use super::event_log::EventLog;
use super::folder::folder;
use crate::connection::{Connection, Origin};
use crate::messages::Message;

/// An open engine. When it is dropped, what happened is kept for reports.
pub struct Device {
    pub engine: Engine,
    /// The user to whom the recordings belong.
    pub account: Uid,
    /// Where the index is.
    pub folder: PathBuf,
    events: EventLog,
}

impl Device {
    /// Opens the engine, and signs the user of the connection in.
    pub async fn open(connection: &Connection) -> Result<(Self, Driver), Message> {
        let account = account(connection).await?;
        let (config, ports) = parts(connection, &account).await?;
        let folder = config.folder.clone();
        let (engine, driver) = Engine::open(config, ports).map_err(not_opened)?;
        engine.sign_in(account.clone()).map_err(unusable)?;
        let events = EventLog::of(&folder);
        Ok((Self { engine, account, folder, events }, driver))
    }

    /// Keeps what happened so far, so that a kill of a long command leaves most of it.
    pub fn keep_events(&self) {
        self.events.keep(&self.engine.events());
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.keep_events();
    }
}

/// What an engine is opened with.
pub async fn parts(connection: &Connection, account: &Uid) -> Result<(Config, Ports), Message> {
    let api = &connection.api;
    let server = Server::parse(api.server())
        .map_err(|error| Message::InvalidAddress { url: api.server().to_owned(), why: error.to_string() })?;
    let (http, tokens) = api.shared();
    let ports = Ports {
        clock: Arc::new(SystemClock::new()),
        disk: Arc::new(SystemDisk),
        http,
        credentials: Arc::new(CommandCredentials { account: account.clone(), tokens }),
        device: Arc::new(UnknownDevice),
        random: Arc::new(SystemRandom),
    };
    Ok((Config::new(folder(api).await?, server), ports))
}

/// The account under which the engine keeps the recordings: the user of the token that is sent, whatever login it is used
/// with. A token that is no JSON Web Token names nobody: then it is the user of the login, or that of this very token.
pub async fn account(connection: &Connection) -> Result<Uid, Message> {
    let user = match (connection.api.claims().await?.sub, &connection.uid, &connection.origin) {
        (Some(sub), _, _) => sub,
        (None, Some(uid), _) => uid.clone(),
        (None, None, Origin::Login { name }) if !connection.has_token_of_environment => format!("login {name}"),
        (None, None, _) => format!("token {}", connection.api.token_digest().await?),
    };
    Uid::new(user).map_err(|error| Message::EngineUnusable { why: error.to_string() })
}

pub fn not_opened(error: OpenError) -> Message {
    match error {
        OpenError::InUse(_) => Message::PushRuns,
        OpenError::Index(IndexError::Damaged { path, why }) => Message::IndexDamaged { path, why },
        other => Message::EngineUnusable { why: other.to_string() },
    }
}

pub fn unusable(error: engine::Error) -> Message {
    Message::EngineUnusable { why: error.to_string() }
}

#[cfg(test)]
pub mod tests {
    use domain::Timestamp;
    use engine::{Chunk, ChunkId, Place, Transfer};

    use super::*;

    /// A recording that begins at this time.
    pub fn chunk(captured_at: Timestamp) -> Chunk {
        Chunk {
            id: ChunkId(1),
            owner: Uid::new("ann").unwrap(),
            name: "memo.wav".to_owned(),
            place: Place::Foreign("/in/memo.wav".to_owned()),
            captured_at,
            sends_captured_at: true,
            format: None,
            duration_ms: 0,
            frames: 0,
            synced_prefix: 0,
            device: "upload".to_owned(),
            session: String::new(),
            conversation_id: None,
            bytes: 1,
            sha256: None,
            crc32c: 0,
            transfer: Transfer::pending(),
        }
    }
}
