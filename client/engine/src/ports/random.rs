//! Randomness, so that a run can be repeated from its seed.

/// The source of random numbers.
pub trait Random: Send + Sync + 'static {
    /// A random number.
    fn next(&self) -> u64;

    /// A number from 0 up to, but not including, 1: for jitter.
    fn unit(&self) -> f64 {
        // The upper 53 bits are what a double holds exactly.
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
