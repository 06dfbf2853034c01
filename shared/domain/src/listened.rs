//! How far listening to a file has come.

use serde::{Deserialize, Serialize};

/// How far listening to a file has come in its job, as its checkpoints say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listened {
    /// The version of the rules by which the file was listened to: places of two versions cannot be compared.
    pub rules: u32,
    /// A number that grows along the recording, over both passes.
    pub place: u32,
    /// How often a checkpoint went further than every one before it.
    pub advances: u32,
}

impl Listened {
    /// The file has no checkpoint.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// An older version of the rules never counts as further: two versions at work by turns come to an end.
    pub(crate) fn go_to(&mut self, rules: u32, place: u32) {
        if (rules, place) > (self.rules, self.place) {
            (self.rules, self.place) = (rules, place);
            self.advances = self.advances.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_checkpoint_that_goes_further_is_an_advance() {
        let mut listened = Listened::default();
        let mut advances = Vec::new();
        for (rules, place) in [(1, 1), (1, 1), (1, 3), (1, 2), (2, 1), (1, 9), (2, 1), (2, 2)] {
            listened.go_to(rules, place);
            advances.push(listened.advances);
        }
        assert_eq!(advances, [1, 1, 2, 2, 3, 3, 3, 4]);
        assert_eq!((listened.rules, listened.place), (2, 2));
    }

    #[test]
    fn a_file_of_a_job_that_was_stored_before_there_were_checkpoints_has_none() {
        assert!(Listened::default().is_nothing());
        assert!(!Listened { rules: 1, ..Listened::default() }.is_nothing());
    }
}
