//! How far listening to a file has come.

use serde::{Deserialize, Serialize};

/// How far listening to a file has come in its job, according to its checkpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listened {
    /// The version of the listening rules. Places of two versions cannot be compared.
    pub rules: u32,
    /// A number that grows along the recording, over both passes.
    pub place: u32,
    /// How many checkpoints got further than every one before them.
    pub advances: u32,
}

impl Listened {
    /// Whether the file has no checkpoint.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Records a checkpoint. One of an older version of the rules never counts as further, so that two versions that
    /// work on a file in turns do not count progress without end.
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
    fn only_a_checkpoint_that_gets_further_is_an_advance() {
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
    fn file_of_a_job_stored_before_checkpoints_existed_has_none() {
        assert!(Listened::default().is_nothing());
        assert!(!Listened { rules: 1, ..Listened::default() }.is_nothing());
    }
}
