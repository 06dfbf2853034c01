//! Writes Opus packets into Ogg, WebM and fragmented MP4 files, in units of a second: pages, clusters and fragments
//! whose numbers and times a test chooses.

use crate::sound::ogg;

/// Packets of 20 ms that are stored together, their number in the file, and the time of the first one.
#[derive(Clone)]
pub(super) struct Unit {
    pub number: u32,
    pub at_ms: u32,
    pub packets: Vec<Vec<u8>>,
}

pub(super) const PACKET_MS: u32 = 20;

/// Splits the recording into units of a second, numbered from `first` on.
pub(super) fn units(samples: &[f32], first: u32) -> Vec<Unit> {
    units_of(&packets(samples, false), 50, first)
}

/// Encodes the recording into packets. With `dtx`, the packets of silence are empty, except for one every 400 ms.
pub(super) fn packets(samples: &[f32], dtx: bool) -> Vec<Vec<u8>> {
    let mut encoder = opus::Encoder::new(16_000, opus::Channels::Mono, opus::Application::Voip).unwrap();
    encoder.set_dtx(dtx).unwrap();
    samples.chunks_exact(320).map(|packet| encoder.encode_vec_float(packet, 1_275).unwrap()).collect()
}

/// Groups packets into units of `many`, numbered from `first` on.
pub(super) fn units_of(packets: &[Vec<u8>], many: usize, first: u32) -> Vec<Unit> {
    let unit = |(n, packets): (u32, &[Vec<u8>])| Unit {
        number: first + n,
        at_ms: n * many as u32 * PACKET_MS,
        packets: packets.to_vec(),
    };
    (0..).zip(packets.chunks(many)).map(unit).collect()
}

fn opus_head() -> Vec<u8> {
    [&b"OpusHead\x01\x01"[..], &[0x38, 1], &16_000u32.to_le_bytes(), &[0, 0, 0]].concat()
}

fn page(flags: u8, granule: u64, number: u32, packets: &[Vec<u8>]) -> Vec<u8> {
    let mut lacing = Vec::new();
    for packet in packets {
        lacing.extend(std::iter::repeat_n(255, packet.len() / 255));
        lacing.push((packet.len() % 255) as u8);
    }
    let mut page =
        [&b"OggS\0"[..], &[flags], &granule.to_le_bytes(), &7u32.to_le_bytes(), &number.to_le_bytes()].concat();
    page.extend([0, 0, 0, 0, u8::try_from(lacing.len()).unwrap()]);
    page.extend(lacing);
    page.extend(packets.concat());
    let sum = ogg::crc(&page).to_le_bytes();
    page[22..26].copy_from_slice(&sum);
    page
}

/// The first unit has to be number 2.
pub(super) fn ogg(units: &[Unit]) -> Vec<u8> {
    let tags = [&b"OpusTags"[..], &[0; 8]].concat();
    let mut file = [page(2, 0, 0, &[opus_head()]), page(0, 0, 1, &[tags])].concat();
    for unit in units {
        let end_ms = u64::from(unit.at_ms) + unit.packets.len() as u64 * u64::from(PACKET_MS);
        file.extend(page(0, 312 + end_ms * 48, unit.number, &unit.packets));
    }
    file
}

fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
    [id, &(0x1000_0000 | u32::try_from(body.len()).unwrap()).to_be_bytes(), body].concat()
}

/// A file as browsers write it, without a duration.
pub(super) fn webm(units: &[Unit]) -> Vec<u8> {
    webm_lasting(None, false, units)
}

/// A file that states this duration in milliseconds, and may have a track of pictures.
pub(super) fn webm_lasting(ms: Option<f32>, has_pictures: bool, units: &[Unit]) -> Vec<u8> {
    let duration = ms.map_or(Vec::new(), |ms| element(&[0x44, 0x89], &ms.to_be_bytes()));
    let scale = element(&[0x2A, 0xD7, 0xB1], &1_000_000u32.to_be_bytes());
    let info = element(&[0x15, 0x49, 0xA9, 0x66], &[scale, duration].concat());
    let entry = [
        element(&[0xD7], &[1]),
        element(&[0x83], &[2]),
        element(&[0x86], b"A_OPUS"),
        element(&[0x63, 0xA2], &opus_head()),
    ];
    let pictures = [element(&[0xD7], &[2]), element(&[0x83], &[1]), element(&[0x86], b"V_VP8")];
    let pictures = if has_pictures { element(&[0xAE], &pictures.concat()) } else { Vec::new() };
    let tracks = element(&[0x16, 0x54, 0xAE, 0x6B], &[element(&[0xAE], &entry.concat()), pictures].concat());
    let unknown = [0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
    let mut file = [element(&[0x1A, 0x45, 0xDF, 0xA3], &element(&[0x42, 0x82], b"webm")), vec![0x18, 0x53, 0x80, 0x67]];
    file[1].extend(unknown);
    let mut file = [file.concat(), info, tracks].concat();
    for unit in units {
        file.extend([&[0x1F, 0x43, 0xB6, 0x75][..], &unknown, &element(&[0xE7], &unit.at_ms.to_be_bytes())].concat());
        for (behind, packet) in (0..).step_by(PACKET_MS as usize).zip(&unit.packets) {
            let behind: i16 = behind;
            file.extend(element(&[0xA3], &[&[0x81][..], &behind.to_be_bytes(), &[0x80], packet].concat()));
        }
    }
    file
}

pub(super) fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len() + 8).unwrap().to_be_bytes()[..], kind, body].concat()
}

pub(super) fn numbers(numbers: impl IntoIterator<Item = u32>) -> Vec<u8> {
    numbers.into_iter().flat_map(u32::to_be_bytes).collect()
}

/// The parts of a fragmented file: the header before the fragments, and each of them.
pub(super) fn fragments(units: &[Unit], with_times: bool) -> (Vec<u8>, Vec<Vec<u8>>) {
    let dops = boxed(b"dOps", &[0, 1, 1, 0x38, 0, 0, 0x3E, 0x80, 0, 0, 0]);
    let fixed = [numbers([0, 1, 0, 0, 0x1_0010, 0, 0xBB80_0000]), dops].concat();
    let description = [numbers([0, 1]), boxed(b"Opus", &fixed)].concat();
    let stbl = [boxed(b"stsd", &description), boxed(b"stsz", &numbers([0, 0, 0]))].concat();
    let media = [
        boxed(b"mdhd", &numbers([0, 0, 0, 48_000, 0])),
        boxed(b"hdlr", &[&[0; 8][..], b"soun", &[0; 13]].concat()),
        boxed(b"minf", &boxed(b"stbl", &stbl)),
    ];
    let track = [boxed(b"tkhd", &numbers([0, 0, 0, 1])), boxed(b"mdia", &media.concat())].concat();
    let index = [
        boxed(b"mvhd", &numbers([0, 0, 0, 1_000, 0])),
        boxed(b"trak", &track),
        boxed(b"mvex", &boxed(b"trex", &numbers([0, 1, 1, 960, 0, 0]))),
    ];
    let head = [boxed(b"ftyp", b"iso5\0\0\0\0"), boxed(b"moov", &index.concat())].concat();
    let fragment = |unit: &Unit| {
        let sizes = unit.packets.iter().map(|packet| packet.len() as u32);
        let moof = |offset: u32| {
            let run = [numbers([0x201, unit.packets.len() as u32, offset]), numbers(sizes.clone())].concat();
            let time = boxed(b"tfdt", &numbers([0, unit.at_ms * 48]));
            let time = if with_times { time } else { Vec::new() };
            let traf = [boxed(b"tfhd", &numbers([0x2_0000, 1])), time, boxed(b"trun", &run)].concat();
            boxed(b"moof", &[boxed(b"mfhd", &numbers([0, unit.number])), boxed(b"traf", &traf)].concat())
        };
        [moof(moof(0).len() as u32 + 8), boxed(b"mdat", &unit.packets.concat())].concat()
    };
    (head, units.iter().map(fragment).collect())
}

pub(super) fn mp4(units: &[Unit]) -> Vec<u8> {
    let (head, fragments) = fragments(units, true);
    [head, fragments.concat()].concat()
}

/// An index of these fragments that stands behind `before` bytes, and an index at the end.
pub(super) fn indexes(fragments: &[Vec<u8>], before: usize) -> (Vec<u8>, Vec<u8>) {
    let size = |fragment: &Vec<u8>| fragment.len() as u32;
    let sizes = fragments.iter().flat_map(|fragment| [size(fragment), 48_000, 0x9000_0000]);
    let sidx = [numbers([0, 1, 48_000, 0, 0, fragments.len() as u32]), numbers(sizes)].concat();
    let sidx = boxed(b"sidx", &sidx);
    let mut at = (before + sidx.len()) as u32;
    let mut entries = Vec::new();
    for (n, fragment) in (0..).zip(fragments) {
        entries.extend([&numbers([n * 48_000, at])[..], &[1, 1, 1]].concat());
        at += size(fragment);
    }
    let tfra = [numbers([0, 1, 0, fragments.len() as u32]), entries].concat();
    (sidx, boxed(b"mfra", &[boxed(b"tfra", &tfra), boxed(b"mfro", &numbers([0, 0]))].concat()))
}
