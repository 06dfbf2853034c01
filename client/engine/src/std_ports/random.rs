//! The randomness of the system.

use crate::ports::Random;

/// The randomness of the system.
pub struct SystemRandom;

impl Random for SystemRandom {
    fn next(&self) -> u64 {
        let mut bytes = [0; 8];
        // It is used for jitter and for boundaries: a system without randomness gives the address of a local instead.
        match getrandom::fill(&mut bytes) {
            Ok(()) => u64::from_le_bytes(bytes),
            Err(_) => std::ptr::from_ref(&bytes).addr() as u64,
        }
    }
}
