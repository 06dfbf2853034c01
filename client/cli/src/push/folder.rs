//! Where the device engine keeps what it knows about the recordings for a server.

use std::path::PathBuf;

use domain::Timestamp;
use engine::{Config, Reader, Server, Status};

use crate::api::Api;
use crate::login::store::data_folder;
use crate::messages::Message;

/// The longest name of a folder that every file system takes, with room for what is added to it.
const MAX_NAME: usize = 150;

/// The folder for this server. A server that was set up anew at the same address has another key and is another one:
/// it has none of the recordings.
pub async fn folder(api: &Api) -> Result<PathBuf, Message> {
    let (_, address) = api.server().split_once("://").unwrap_or_default();
    let key = api.claims().await?.server_key;
    let plain = |c: char| if c.is_ascii_alphanumeric() || ".-".contains(c) { c } else { '_' };
    let name: String = key.as_deref().unwrap_or(address).chars().map(plain).take(MAX_NAME).collect();
    Ok(data_folder()?.join("servers").join(name))
}

/// What waits on this computer for the server, also while a push runs. `None` if nothing was ever pushed to it.
pub async fn queue(api: &Api, now: Timestamp) -> Option<Status> {
    let config = Config::new(folder(api).await.ok()?, Server::parse(api.server()).ok()?);
    Reader::open(&config).ok()?.status(now).ok()
}
