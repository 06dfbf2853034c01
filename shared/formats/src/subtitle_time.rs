//! Times of subtitles.

use std::fmt::Write;

/// Writes `hh:mm:ss`, the separator and three digits. There are more digits for the hours if it takes more.
pub fn write_time(to: &mut String, ms: u64, separator: char) {
    let (seconds, ms) = (ms / 1000, ms % 1000);
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    // A string takes everything.
    let _ = write!(to, "{:02}:{:02}:{seconds:02}{separator}{ms:03}", minutes / 60, minutes % 60);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_may_have_more_than_two_digits() {
        let mut to = String::new();
        write_time(&mut to, 0, ',');
        to.push(' ');
        write_time(&mut to, 100 * 3_600_000 + 61_007, '.');
        assert_eq!(to, "00:00:00,000 100:01:01.007");
    }
}
