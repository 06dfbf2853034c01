//! The push targets of a user.

use crate::time::Timestamp;

/// The most devices of a user. One more replaces the one that was unused for the longest time.
pub const MAX_DEVICES: usize = 20;

/// The devices to be removed when one more is registered: those of `others` that were unused for the longest time, as many
/// as the user has too many with the new one. Each is given with the time of its last use.
pub fn surplus<D: Ord>(mut others: Vec<(Timestamp, D)>) -> impl Iterator<Item = D> {
    others.sort_unstable();
    let too_many = (others.len() + 1).saturating_sub(MAX_DEVICES);
    others.into_iter().take(too_many).map(|(_, device)| device)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn others(count: usize) -> Vec<(Timestamp, usize)> {
        (0..count).map(|n| (Timestamp::from_secs(1000 - n as i64), n)).collect()
    }

    #[test]
    fn devices_unused_longest_make_room_for_a_new_one() {
        assert_eq!(surplus(others(MAX_DEVICES - 1)).count(), 0);
        assert_eq!(surplus(others(MAX_DEVICES)).collect::<Vec<_>>(), [MAX_DEVICES - 1]);
        assert_eq!(surplus(others(MAX_DEVICES + 1)).collect::<Vec<_>>(), [MAX_DEVICES, MAX_DEVICES - 1]);
    }

    #[test]
    fn device_with_the_smallest_id_goes_first_among_those_used_at_the_same_time() {
        let same = (0..MAX_DEVICES).rev().map(|n| (Timestamp::default(), n)).collect();
        assert_eq!(surplus(same).collect::<Vec<_>>(), [0]);
    }
}
