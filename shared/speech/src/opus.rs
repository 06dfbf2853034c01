//! What is known about an Opus packet without decoding it.

use std::time::Duration;

/// What a decoder drops at the start of a file: the encoder's look-ahead at 16 kHz.
pub const LOOK_AHEAD: Duration = Duration::from_micros(6_500);

/// The duration of a packet, from its first bytes (RFC 6716, 3.1 and 3.2).
pub fn duration(packet: &[u8]) -> Duration {
    let Some(&toc) = packet.first() else { return Duration::ZERO };
    let config = toc >> 3;
    // Frame sizes in steps of 2.5 ms. SILK: 10, 20, 40, 60 ms; hybrid: 10, 20 ms; CELT: 2.5, 5, 10, 20 ms.
    let steps = match config {
        0..12 => [4, 8, 16, 24][usize::from(config & 3)],
        12..16 => [4, 8][usize::from(config & 1)],
        _ => 1 << (config & 3),
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => packet.get(1).map_or(0, |count| u32::from(count & 0x3F)),
    };
    Duration::from_micros(2_500) * steps * frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_of_a_packet_follows_from_its_first_bytes() {
        // Durations of configurations 0 to 31 in microseconds.
        let one = [10_000, 20_000, 40_000, 60_000].repeat(3);
        let all = [one, [10_000, 20_000].repeat(2), [2_500, 5_000, 10_000, 20_000].repeat(4)].concat();
        for (config, micros) in (0u8..).zip(all) {
            let frame = Duration::from_micros(micros);
            assert_eq!(duration(&[config << 3]), frame, "{config}");
            assert_eq!(duration(&[config << 3 | 4 | 1, 0]), 2 * frame);
            assert_eq!(duration(&[config << 3 | 2, 0]), 2 * frame);
            assert_eq!(duration(&[config << 3 | 3, 0x80 | 5]), 5 * frame);
        }
        assert_eq!((duration(&[]), duration(&[3])), (Duration::ZERO, Duration::ZERO));
    }
}
