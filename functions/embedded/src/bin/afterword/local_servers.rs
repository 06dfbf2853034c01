//! Finds the server of a data folder for the commands of users, and issues their tokens.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cli::{LocalServer, LocalServerError, LocalServers};
use domain::Uid;
use local::folder::FolderError;
use local::{DataFolder, LocalIdentity};
use secrecy::SecretString;
use system::SystemClock;

/// The user of these commands, for whom the server also prints a token.
const LOCAL_USER: &str = "local";
/// A command that runs longer gets a new token when this one is refused.
const TOKEN_TTL: Duration = Duration::from_secs(3600);

/// The data folders of this machine.
pub struct DataFolders;

impl LocalServers for DataFolders {
    fn find(&self, data_dir: &Path) -> Result<LocalServer, LocalServerError> {
        let unusable = |why: String| LocalServerError::Unusable(why);
        let folder = DataFolder::open_shared(data_dir).map_err(|error| match error {
            FolderError::Missing { .. } | FolderError::NotAFolder { .. } => LocalServerError::NoFolder,
            other => unusable(other.to_string()),
        })?;
        let owner = folder.running().ok_or(LocalServerError::NotRunning)?;
        // A process without an address is a server that starts, or a command that has the folder for itself.
        let url = owner.url.ok_or(LocalServerError::NotRunning)?;
        let identity = LocalIdentity::open(&folder.secrets_dir(), Arc::new(SystemClock));
        let identity = identity.map_err(|error| unusable(error.to_string()))?;
        let uid = Uid::new(LOCAL_USER).map_err(|error| unusable(error.to_string()))?;
        let issue = move || {
            let token = identity.issue(&uid, TOKEN_TTL);
            token.map(SecretString::from).map_err(|error| error.to_string())
        };
        Ok(LocalServer { url, ca_file: owner.certificate, uid: LOCAL_USER.to_owned(), token: Box::new(issue) })
    }
}
