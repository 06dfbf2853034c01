//! A compact encoding of numbers for checkpoints: seven bits in each byte, the lowest first.

#[derive(Default)]
pub(crate) struct Packer {
    pub bytes: Vec<u8>,
}

impl Packer {
    pub fn put(&mut self, value: impl Into<u64>) {
        let mut value = value.into();
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    pub fn put_signed(&mut self, value: i64) {
        // Zigzag encoding: small numbers of either sign are short.
        self.put((value << 1 ^ value >> 63).cast_unsigned());
    }

    /// Writes the bytes, with their count before them.
    pub fn put_bytes(&mut self, bytes: &[u8]) {
        self.put(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }
}

/// Reads the numbers back. `None` means that the data is damaged.
pub(crate) struct Unpacker<'a> {
    left: &'a [u8],
}

impl<'a> Unpacker<'a> {
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    pub fn take(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, left) = self.left.split_first()?;
            self.left = left;
            let bits = u64::from(byte & 0x7F);
            if bits << shift >> shift != bits {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub fn take_as<T: TryFrom<u64>>(&mut self) -> Option<T> {
        self.take()?.try_into().ok()
    }

    pub fn take_signed(&mut self) -> Option<i64> {
        let value = self.take()?;
        Some((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    pub fn take_flag(&mut self) -> Option<bool> {
        match self.take()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub fn take_bytes(&mut self) -> Option<&'a [u8]> {
        let size = self.take_as()?;
        let (bytes, left) = self.left.split_at_checked(size)?;
        self.left = left;
        Some(bytes)
    }

    /// Reads how many items follow. Each takes at least a byte, so a count beyond the remaining bytes is damage.
    pub fn take_count(&mut self) -> Option<usize> {
        self.take_as().filter(|count| *count <= self.left.len())
    }

    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn packed_numbers_read_back_unchanged(numbers: Vec<u64>, signed: Vec<i64>, bytes: Vec<u8>) {
            let mut packer = Packer::default();
            packer.put(numbers.len() as u64);
            numbers.iter().for_each(|number| packer.put(*number));
            packer.put_bytes(&bytes);
            signed.iter().for_each(|number| packer.put_signed(*number));
            let mut unpacker = Unpacker::of(&packer.bytes);
            let count = unpacker.take_count().unwrap();
            prop_assert_eq!((0..count).map(|_| unpacker.take().unwrap()).collect::<Vec<_>>(), numbers);
            prop_assert_eq!(unpacker.take_bytes().unwrap(), &bytes[..]);
            let back: Vec<_> = signed.iter().map(|_| unpacker.take_signed().unwrap()).collect();
            prop_assert_eq!(back, signed);
            prop_assert!(unpacker.is_empty() && unpacker.take().is_none());
        }

        #[test]
        fn invalid_bytes_are_damage_and_take_no_memory(bytes: Vec<u8>) {
            let mut unpacker = Unpacker::of(&bytes);
            if let Some(count) = unpacker.take_count() {
                prop_assert!(count <= bytes.len());
            }
            while unpacker.take_bytes().is_some() {}
        }
    }
}
