//! A token that a user gives.

use std::io::Read;

use secrecy::SecretString;

pub use crate::api::checked;
use crate::messages::Message;

/// The most that is read of standard input.
const MAX_INPUT_BYTES: u64 = 64 * 1024;

/// The token that the user gave; `-` reads it from standard input, so that no list of processes shows it.
pub fn given(token: &str) -> Result<SecretString, Message> {
    if token != "-" {
        return checked(token);
    }
    let mut text = String::new();
    let read = std::io::stdin().lock().take(MAX_INPUT_BYTES).read_to_string(&mut text);
    read.map_err(|error| Message::TokenNotRead { why: error.to_string() })?;
    checked(&text)
}
