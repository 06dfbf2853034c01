//! A page of an Ogg file (RFC 3533).

/// The length of a page's header before the lacing values.
pub(super) const HEADER: usize = 27;
/// The longest page: header, 255 lacing values, and 255 segments of 255 bytes.
pub(super) const MOST_PAGE: usize = HEADER + 255 + 255 * 255;

pub(super) struct Page {
    pub continued: bool,
    pub first: bool,
    pub last: bool,
    pub granule: u64,
    pub serial: u32,
    pub sequence: u32,
    /// The sizes of the segments that packets are laced into.
    pub lacing: Vec<u8>,
    pub size: usize,
}

impl Page {
    /// Reads the page that begins here, if it is complete and its checksum is right.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let page = Self::header(bytes)?;
        let whole = bytes.get(..page.size)?;
        (crc(whole).to_le_bytes() == whole[22..26]).then_some(page)
    }

    /// Reads only the header of a page that may be damaged or cut off.
    pub fn header(bytes: &[u8]) -> Option<Self> {
        let (header, _) = bytes.split_first_chunk::<HEADER>()?;
        let [b'O', b'g', b'g', b'S', 0, flags, rest @ ..] = *header else { return None };
        let [a, b, c, d, e, f, g, h, s0, s1, s2, s3, n0, n1, n2, n3, _, _, _, _, segments] = rest;
        let segments = usize::from(segments);
        let lacing = bytes.get(HEADER..HEADER + segments)?.to_vec();
        let size = HEADER + segments + lacing.iter().map(|&size| usize::from(size)).sum::<usize>();
        Some(Self {
            continued: flags & 1 != 0,
            first: flags & 2 != 0,
            last: flags & 4 != 0,
            granule: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            serial: u32::from_le_bytes([s0, s1, s2, s3]),
            sequence: u32::from_le_bytes([n0, n1, n2, n3]),
            lacing,
            size,
        })
    }
}

const CRC: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000_0000 == 0 { crc << 1 } else { crc << 1 ^ 0x04C1_1DB7 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// Computes the checksum of a page, with the checksum's own bytes taken as 0.
pub(in super::super) fn crc(page: &[u8]) -> u32 {
    let byte = |(at, &byte): (usize, &u8)| if (22..26).contains(&at) { 0 } else { byte };
    let step = |crc: u32, byte: u8| crc << 8 ^ CRC[usize::from((crc >> 24) as u8 ^ byte)];
    page.iter().enumerate().map(byte).fold(0, step)
}
