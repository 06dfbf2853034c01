//! How the log names users.

use domain::Uid;
use sha2::{Digest, Sha256};

/// How many hex digits of the hash are shown: enough to tell the users of one server apart.
const DIGITS: usize = 16;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogUsers {
    /// By the beginning of the SHA-256 of the id, so that the lines of one user can be found without naming anybody.
    #[default]
    Hashed,
    Plain,
}

impl LogUsers {
    pub fn shown(self, uid: &Uid) -> String {
        match self {
            Self::Plain => uid.as_str().to_owned(),
            Self::Hashed => {
                let hash = Sha256::digest(uid.as_str().as_bytes());
                hash.iter().take(DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_is_shown_as_the_beginning_of_its_hash_or_as_it_is() {
        let uid = Uid::new("local").unwrap();
        // printf %s local | sha256sum | cut -c1-16
        assert_eq!(LogUsers::default().shown(&uid), "25bf8e1a2393f110");
        assert_eq!(LogUsers::Plain.shown(&uid), "local");
    }
}
