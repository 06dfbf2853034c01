//! One clip in every container, with damage to its header, index and lengths, and joined with other files: the result
//! is never silent, and never whole with less speech than there is.

use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use audio::{Analysis, AudioError, Verdict};

use crate::random::Random;
use crate::{FIXTURES, lengths, number, seal, subject, units};

/// Every file, the length of its packets, and whether it states its own length.
const FILES: [(&str, u64, bool); 30] = [
    ("formats/s24.wav", 20, true),
    ("formats/f32.wav", 20, true),
    ("formats/s16_48000_2.wav", 20, true),
    ("formats/mulaw.wav", 20, true),
    ("formats/adpcm_ima.wav", 130, true),
    ("formats/adpcm_ms.wav", 130, true),
    ("formats/s32_96000.flac", 100, true),
    ("formats/vbr.mp3", 72, true),
    ("formats/mp2.mp3", 72, false),
    ("formats/vorbis.ogg", 130, false),
    ("formats/opus.ogg", 20, false),
    ("formats/flac.ogg", 300, false),
    ("formats/surround.opus", 20, false),
    ("formats/opus.webm", 20, true),
    ("formats/live.webm", 20, false),
    ("formats/opus.mka", 20, true),
    ("formats/vorbis.webm", 130, true),
    ("formats/aac.m4a", 64, true),
    ("formats/faststart.mp4", 64, true),
    ("formats/fragments.mp4", 64, false),
    ("formats/global_sidx.mp4", 64, true),
    ("formats/adts.aac", 64, false),
    ("formats/alac.m4a", 256, true),
    ("formats/opus.mp4", 20, true),
    ("formats/s16.aiff", 20, true),
    ("formats/s16.caf", 20, true),
    ("formats/s16.mov", 20, true),
    ("sounds/clip_44100_2.mp3", 27, true),
    ("sounds/clip_16000_1.mp3", 36, false),
    ("sounds/clip_16000_1.flac", 256, true),
];

/// The number of cases in a normal test run; `make fuzz` runs all.
const CASES: usize = 2_500;
/// How much the detected speech may differ if the samples differ by a packet.
const SLACK_MS: u64 = 60;

struct File {
    name: &'static str,
    bytes: Vec<u8>,
    packet_ms: u64,
    promises: bool,
    speech_ms: u64,
}

enum Damage {
    /// The file ends here.
    Cut(usize),
    /// These bytes of a length are replaced.
    Length(usize, Vec<u8>),
    /// Another file follows, with these bytes between both.
    Followed(usize, Vec<u8>),
    /// These bytes are put before the file.
    Before(Vec<u8>),
    /// This range in the middle was cut out: pages, clusters or fragments.
    Removed(std::ops::Range<usize>),
}

fn analysed(bytes: &[u8]) -> Result<Analysis, AudioError> {
    subject::run("x.wav", bytes, false).unwrap()
}

fn files() -> Vec<File> {
    FILES
        .iter()
        .map(|&(name, packet_ms, promises)| {
            let bytes = std::fs::read(format!("{FIXTURES}/{name}")).unwrap();
            let found = analysed(&bytes).unwrap();
            assert!(!found.survey.is_damaged() && found.speech_ms > 500, "{name}: {found:?}");
            File { name, bytes, packet_ms, promises, speech_ms: found.speech_ms }
        })
        .collect()
}

fn cases(files: &[File]) -> Vec<(usize, Damage)> {
    let mut cases = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let (size, mut random) = (file.bytes.len(), Random::of(index as u64));
        // Every position near the start and, because of an index, near the end; samples of the rest.
        let cuts = (1..size).filter(|at| *at < 800 || at + 1_500 > size || at % 211 == 0);
        cases.extend(cuts.map(|at| (index, Damage::Cut(at))));
        for place in lengths::of(&file.bytes) {
            let old = &file.bytes[place.clone()];
            let mut other = |new: Vec<u8>| {
                if new != old {
                    cases.push((index, Damage::Length(place.start, new)));
                }
            };
            for bit in 0..8 * old.len() {
                let mut new = old.to_vec();
                new[bit / 8] ^= 1 << (bit % 8);
                other(new);
            }
            other(vec![0; old.len()]);
            other(vec![0xFF; old.len()]);
        }
        // Without its first or last unit, the recording may just have begun later or ended earlier.
        let units = units::of(&file.bytes);
        for first in 1..units.len() {
            let gone = (first..units.len()).map(|last| units[first].start..units[last].end);
            cases.extend(gone.map(|gone| (index, Damage::Removed(gone))));
        }
        for behind in 0..files.len() {
            cases.push((index, Damage::Followed(behind, Vec::new())));
            let garbage = random.below(700);
            cases.push((index, Damage::Followed(behind, random.bytes(garbage))));
        }
        cases.extend([1, 40, 3_000].map(|garbage| (index, Damage::Before(random.bytes(garbage)))));
    }
    cases
}

fn damaged(files: &[File], index: usize, damage: &Damage) -> (Vec<u8>, u64) {
    let file = &files[index];
    let mut bytes = file.bytes.clone();
    match damage {
        Damage::Cut(at) => bytes.truncate(*at),
        Damage::Length(at, new) => {
            bytes[*at..*at + new.len()].copy_from_slice(new);
            seal::ogg(&mut bytes);
        }
        Damage::Followed(other, garbage) => {
            bytes.extend(garbage);
            bytes.extend(&files[*other].bytes);
            return (bytes, file.speech_ms + files[*other].speech_ms);
        }
        Damage::Removed(gone) => drop(bytes.drain(gone.clone())),
        Damage::Before(garbage) => drop(bytes.splice(0..0, garbage.iter().copied())),
    }
    (bytes, file.speech_ms)
}

/// Returns what is wrong with the result, if anything is.
fn verdict(file: &File, damage: &Damage, speech_ms: u64, found: &Result<Analysis, AudioError>) -> Option<String> {
    let found = match found {
        Ok(found) => found,
        Err(AudioError::Unreadable(_) | AudioError::TooLong) => return None,
        Err(why) => return Some(format!("told as {why}")),
    };
    let survey = &found.survey;
    // If nothing states the length of the file, it may have ended there.
    let exempt = matches!(damage, Damage::Cut(_)) && !file.promises;
    if found.verdict() == Verdict::Silent && !exempt {
        return Some("silent".to_owned());
    }
    let slack = SLACK_MS + file.packet_ms;
    let less = found.speech_ms + slack < speech_ms;
    let reported = found.verdict() == Verdict::Invalid || survey.is_damaged();
    (less && !reported && !exempt).then(|| {
        format!(
            "{} of {speech_ms} ms, {} dropped, {} ms in all",
            found.speech_ms, survey.dropped_bytes, survey.duration_ms
        )
    })
}

fn describe(files: &[File], index: usize, damage: &Damage) -> String {
    let name = files[index].name;
    match damage {
        Damage::Cut(at) => format!("{name} cut at {at} of {}", files[index].bytes.len()),
        Damage::Length(at, new) => format!("{name}: {new:?} at {at}"),
        Damage::Followed(other, garbage) => format!("{name}, {} bytes, {}", garbage.len(), files[*other].name),
        Damage::Removed(gone) => format!("{name} without {gone:?} of {}", files[index].bytes.len()),
        Damage::Before(garbage) => format!("{} bytes, {name}", garbage.len()),
    }
}

#[test]
fn no_damage_to_container_hides_speech() {
    let _alone = crate::alone();
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    let files = files();
    let cases = cases(&files);
    let count = usize::try_from(number("CONTAINER_CASES", CASES as u64)).unwrap().clamp(1, cases.len());
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(nth) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|nth| *nth < count) {
            // The cases are spread over all that exist.
            let (index, damage) = &cases[nth * cases.len() / count];
            let (bytes, speech_ms) = damaged(&files, *index, damage);
            let found = catch_unwind(|| analysed(&bytes));
            let why = match &found {
                Ok(found) => verdict(&files[*index], damage, speech_ms, found),
                Err(_) => Some("it panicked".to_owned()),
            };
            if let Some(why) = why {
                wrong.lock().unwrap().push(format!("{}: {why}", describe(&files, *index, damage)));
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    let wrong = wrong.into_inner().unwrap();
    println!("{count} of {} cases, {} wrong", cases.len(), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Two streams of an Ogg file whose pages alternate: one is heard, and the other one is reported as dropped.
#[test]
fn interleaved_streams_are_reported() {
    let _alone = crate::alone();
    let pages = |name: &str, serial: u32| {
        let (bytes, mut pages, mut at) = (std::fs::read(format!("{FIXTURES}/{name}")).unwrap(), Vec::new(), 0);
        while at < bytes.len() {
            let segments = usize::from(bytes[at + 26]);
            let body: usize = bytes[at + 27..at + 27 + segments].iter().map(|&size| usize::from(size)).sum();
            let mut page = bytes[at..at + 27 + segments + body].to_vec();
            page[14..18].copy_from_slice(&serial.to_le_bytes());
            seal::ogg(&mut page);
            at += page.len();
            pages.push(page);
        }
        pages
    };
    let names = ["formats/opus.ogg", "formats/vorbis.ogg", "formats/flac.ogg"];
    for (one, other) in names.iter().flat_map(|one| names.iter().map(move |other| (*one, *other))) {
        let (first, second) = (pages(one, 1), pages(other, 2));
        let alone = analysed(&first.concat()).unwrap();
        let mut turns = Vec::new();
        for n in 0..first.len().max(second.len()) {
            turns.extend(first.get(n).into_iter().chain(second.get(n)).flatten());
        }
        let found = analysed(&turns).unwrap();
        assert!(found.survey.is_damaged(), "{one} and {other}: {found:?}");
        assert!(found.speech_ms + SLACK_MS >= alone.speech_ms, "{one} and {other}: {found:?}");
        // A stream that begins while the first one is not over and has no end: both are heard.
        let unended: Vec<u8> = first.iter().take(first.len() - 1).chain(&second).flatten().copied().collect();
        let both = analysed(&unended).unwrap();
        assert_ne!(both.verdict(), Verdict::Silent, "{one} then {other}");
        assert!(both.survey.is_damaged() || both.speech_ms > alone.speech_ms, "{one} then {other}: {both:?}");
    }
}

#[test]
fn random_bytes_behind_signature_are_never_silence() {
    let _alone = crate::alone();
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    for (seed, (name, ..)) in (0u64..).zip(FILES) {
        let whole = std::fs::read(format!("{FIXTURES}/{name}")).unwrap();
        for head in [4, 12, 64, 300] {
            let mut random = Random::of(seed * 1_000 + head as u64);
            let noise = [&whole[..head], &random.bytes(40_000)].concat();
            let zeros = [&whole[..head], &[0; 40_000]].concat();
            for bytes in [noise, zeros] {
                match analysed(&bytes) {
                    // A complete header followed by nothing but zeros: these are samples.
                    Ok(found) if found.verdict() == Verdict::Silent => {
                        assert!(bytes.ends_with(&[0; 40_000]) && found.survey.frames > 0, "{name} {head}: {found:?}");
                    }
                    _ => {}
                }
            }
        }
    }
}
