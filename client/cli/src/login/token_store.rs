//! Keeps the token of a login: in the keychain where there is one, else in the file of logins, which only its owner may
//! read.

use secrecy::{ExposeSecret, SecretString};

use super::keychain;
use super::store::{Login, StoredToken};
use crate::api::Tokens;
use crate::messages::Message;

/// Keeps a token, and says where it is.
pub fn keep(name: &str, token: &SecretString) -> Result<StoredToken, Message> {
    if !keychain::IS_THERE {
        return Ok(StoredToken::Here(token.expose_secret().to_owned()));
    }
    keychain::set(name, token).map_err(|why| Message::Keychain { name: name.to_owned(), why })?;
    Ok(StoredToken::Keychain)
}

/// The tokens of a login.
pub fn tokens(login: &Login) -> Result<Tokens, Message> {
    Ok(match &login.token {
        StoredToken::Here(token) => Tokens::fixed(SecretString::from(token.clone())),
        StoredToken::Command(command) => Tokens::command(command.clone()),
        StoredToken::Keychain => {
            let token = keychain::get(&login.name);
            Tokens::fixed(token.map_err(|why| Message::Keychain { name: login.name.clone(), why })?)
        }
    })
}

/// Forgets the token of a login that was removed.
pub fn forget(login: &Login) -> Result<(), Message> {
    match login.token {
        StoredToken::Keychain => {
            keychain::remove(&login.name).map_err(|why| Message::Keychain { name: login.name.clone(), why })
        }
        StoredToken::Here(_) | StoredToken::Command(_) => Ok(()),
    }
}
