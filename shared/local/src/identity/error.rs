//! What can go wrong with the key and the tokens of this server.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("cannot {doing} {}", path.display())]
    File {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(
        "{} is not an Ed25519 key: {why}; the tokens that it signed are lost, and nothing else: restore the file from a backup, \
         or remove it, and the next start makes a new key",
        path.display()
    )]
    NotAKey { path: PathBuf, why: String },
    #[error("no key can be made on this machine")]
    NoKey,
    #[error("the token cannot be signed")]
    NotSigned(#[source] jsonwebtoken::errors::Error),
}
