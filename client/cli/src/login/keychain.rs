//! The keychain of the platform. macOS has one for every user; elsewhere a file keeps the tokens, because a keychain
//! there is a service of some desktops only.

use secrecy::SecretString;

/// Whether there is a keychain.
pub const IS_THERE: bool = cfg!(target_os = "macos");

#[cfg(target_os = "macos")]
mod system {
    use secrecy::{ExposeSecret, SecretString};
    use security_framework::passwords;

    const SERVICE: &str = "afterword";

    pub fn set(name: &str, token: &SecretString) -> Result<(), String> {
        let token = token.expose_secret().as_bytes();
        passwords::set_generic_password(SERVICE, name, token).map_err(|error| error.to_string())
    }

    pub fn get(name: &str) -> Result<SecretString, String> {
        let token = passwords::get_generic_password(SERVICE, name).map_err(|error| error.to_string())?;
        String::from_utf8(token).map(SecretString::from).map_err(|_| "it is no text".to_owned())
    }

    pub fn remove(name: &str) -> Result<(), String> {
        passwords::delete_generic_password(SERVICE, name).map_err(|error| error.to_string())
    }
}

#[cfg(not(target_os = "macos"))]
mod system {
    use secrecy::SecretString;

    const NONE: &str = "there is no keychain on this platform";

    pub fn set(_: &str, _: &SecretString) -> Result<(), String> {
        Err(NONE.to_owned())
    }

    pub fn get(_: &str) -> Result<SecretString, String> {
        Err(NONE.to_owned())
    }

    pub fn remove(_: &str) -> Result<(), String> {
        Err(NONE.to_owned())
    }
}

pub fn set(name: &str, token: &SecretString) -> Result<(), String> {
    system::set(name, token)
}

pub fn get(name: &str) -> Result<SecretString, String> {
    system::get(name)
}

pub fn remove(name: &str) -> Result<(), String> {
    system::remove(name)
}
