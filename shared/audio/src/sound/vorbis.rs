//! Checks Vorbis codebooks before a decoder builds tables from them: ten bytes can claim 16 MiB, 256 times.

/// The limit for all tables. Those of real encoders take less than half a MiB.
const MOST_BYTES: u64 = 8 * 1024 * 1024;
/// The memory that a decoder uses for an entry, besides its values.
const ENTRY_BYTES: u64 = 32;

/// Whether the tables of the setup header stay small. Other errors in the header are left to the decoder.
pub(super) fn fits(packet: &[u8]) -> bool {
    let Some(bytes) = packet.strip_prefix(b"\x05vorbis") else { return false };
    let mut bits = Bits { bytes, at: 0 };
    codebooks(&mut bits).is_some_and(|bytes| bytes <= MOST_BYTES)
}

fn codebooks(bits: &mut Bits) -> Option<u64> {
    let count = bits.read(8)? + 1;
    let mut sum = 0;
    for _ in 0..count {
        sum += codebook(bits)?;
        if sum > MOST_BYTES {
            return Some(sum);
        }
    }
    Some(sum)
}

/// Returns the bytes that a codebook's tables take; `None` if it is not valid.
fn codebook(bits: &mut Bits) -> Option<u64> {
    if bits.read(24)? != 0x56_4342 {
        return None;
    }
    let (dimensions, entries) = (bits.read(16)?, bits.read(24)?);
    let takes = entries * (ENTRY_BYTES + 4 * dimensions);
    if takes > MOST_BYTES || dimensions == 0 {
        return (dimensions > 0).then_some(takes);
    }
    lengths(bits, entries)?;
    let lookup = bits.read(4)?;
    let values = match lookup {
        0 => return Some(takes),
        1 => lookup_values(entries, dimensions)?,
        2 => entries * dimensions,
        _ => return None,
    };
    bits.skip(64)?;
    let width = bits.read(4)? + 1;
    bits.skip(1)?;
    bits.skip(width * values)?;
    Some(takes)
}

fn lengths(bits: &mut Bits, entries: u64) -> Option<()> {
    if bits.read(1)? == 1 {
        bits.skip(5)?;
        let mut at = 0;
        while at < entries {
            at += bits.read(u64::from(64 - (entries - at).leading_zeros()))?;
        }
        return (at == entries).then_some(());
    }
    let sparse = bits.read(1)? == 1;
    for _ in 0..entries {
        if !sparse || bits.read(1)? == 1 {
            bits.skip(5)?;
        }
    }
    Some(())
}

/// Returns the greatest number whose power of `dimensions` is at most `entries`.
fn lookup_values(entries: u64, dimensions: u64) -> Option<u64> {
    let power = |value: u64| u32::try_from(dimensions).ok().and_then(|dimensions| value.checked_pow(dimensions));
    (1..=entries + 1).find(|&value| power(value).is_none_or(|power| power > entries)).map(|value| value - 1)
}

/// Reads bits, the least significant first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: u64,
}

impl Bits<'_> {
    fn read(&mut self, count: u64) -> Option<u64> {
        let mut value = 0;
        for bit in 0..count {
            let byte = self.bytes.get(usize::try_from(self.at / 8).ok()?)?;
            value |= u64::from(byte >> (self.at % 8) & 1) << bit;
            self.at += 1;
        }
        Some(value)
    }

    fn skip(&mut self, count: u64) -> Option<()> {
        self.at = self.at.checked_add(count)?;
        (self.at <= self.bytes.len() as u64 * 8).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A setup header with this many codebooks; each entry of a codebook has a codeword of the same length.
    fn header(books: u8, dimensions: u64, entries: u64) -> Vec<u8> {
        let (mut bits, mut bytes) = (Vec::new(), b"\x05vorbis".to_vec());
        let mut put =
            |value: u64, count: u64| bits.extend((0..count).map(|bit| value.checked_shr(bit as u32).unwrap_or(0) & 1));
        put(u64::from(books - 1), 8);
        for _ in 0..books {
            put(0x56_4342, 24);
            put(dimensions, 16);
            put(entries, 24);
            put(1, 1);
            put(16, 5);
            put(entries, u64::from(64 - entries.leading_zeros()));
            put(1, 4);
            put(0, 64 + 4 + 1);
            put(0, lookup_values(entries, dimensions).unwrap());
        }
        bytes.extend(bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |all, bit| all << 1 | *bit as u8)));
        bytes
    }

    #[test]
    fn small_tables_fit_and_large_ones_claimed_by_few_bytes_do_not() {
        assert!(fits(&header(40, 4, 625)));
        let bomb = header(255, 32, 128 * 1024);
        assert!(bomb.len() < 8_000 && !fits(&bomb), "{} bytes", bomb.len());
        let many = header(255, 8, 6_561);
        assert!(!fits(&many));
    }

    #[test]
    fn cut_off_or_invalid_header_does_not_fit() {
        let whole = header(4, 4, 625);
        assert!(!fits(&whole[..whole.len() - 2]) && !fits(b"\x05vorbis") && !fits(b"") && !fits(b"\x03vorbis"));
    }

    #[test]
    fn number_of_lookup_values_is_root_of_entries() {
        for (entries, dimensions, values) in [(625, 4, 5), (624, 4, 4), (1, 3, 1), (81, 1, 81), (131_072, 17, 2)] {
            assert_eq!(lookup_values(entries, dimensions), Some(values), "{entries} {dimensions}");
        }
    }
}
