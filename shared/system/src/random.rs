//! Random numbers of the operating system.

use std::io;

use flow::ports::Random;
use uuid::Uuid;

/// The number of bits that an `f64` holds without rounding, so that `unit` never returns 1.
const UNIT_BITS: u32 = 53;

pub struct SystemRandom;

/// Unpredictable bytes for secrets and keys. They come from the operating system, because a generator in a library first
/// gathers entropy for tens of milliseconds, which would delay the first start.
pub fn secret_bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|why| io::Error::other(format!("the system gives no random bytes ({why})")))?;
    Ok(bytes)
}

impl Random for SystemRandom {
    #[expect(clippy::disallowed_methods, reason = "this is where randomness comes in")]
    fn uuid(&self) -> Uuid {
        Uuid::new_v4()
    }

    fn unit(&self) -> f64 {
        // The low 62 bits of a v4 UUID are random.
        let bits = self.uuid().as_u64_pair().1 & ((1 << UNIT_BITS) - 1);
        bits as f64 / (1_u64 << UNIT_BITS) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_bytes_fill_the_array_and_differ_between_calls() {
        let (one, other) = (secret_bytes::<32>().unwrap(), secret_bytes::<32>().unwrap());
        assert_ne!(one, other);
        assert!(one[16..] != [0; 16] && other[16..] != [0; 16]);
    }

    #[test]
    fn uuids_differ_between_calls() {
        assert_ne!(SystemRandom.uuid(), SystemRandom.uuid());
        assert_eq!(SystemRandom.uuid().get_version_num(), 4);
    }

    #[test]
    fn unit_is_at_least_zero_and_below_one() {
        let drawn: Vec<_> = (0..1000).map(|_| SystemRandom.unit()).collect();
        assert!(drawn.iter().all(|unit| (0.0..1.0).contains(unit)));
        assert!(drawn.iter().any(|unit| *unit < 0.1) && drawn.iter().any(|unit| *unit > 0.9));
    }
}
