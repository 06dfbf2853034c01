//! A wrong length in a file never hides its content: silence has to be proven.

use super::{decoded, found, wav};
use crate::Verdict;
use crate::sound::ogg;
use crate::testing::{all_samples, format_file, noise, s16, sound, sound_format};

/// Overwrites bytes, `at` bytes behind the first `mark`.
fn with(mut bytes: Vec<u8>, mark: &[u8], at: usize, written: &[u8]) -> Vec<u8> {
    let from = bytes.windows(mark.len()).position(|here| here == mark).unwrap() + mark.len() + at;
    bytes[from..from + written.len()].copy_from_slice(written);
    bytes
}

/// The last page of an Ogg file claims that the file ends at its start.
fn ogg_that_ends_at_once(mut bytes: Vec<u8>) -> Vec<u8> {
    let last = bytes.windows(4).rposition(|here| here == b"OggS").unwrap();
    bytes[last + 6..last + 14].fill(0);
    let sum = ogg::crc(&bytes[last..]).to_le_bytes();
    bytes[last + 22..last + 26].copy_from_slice(&sum);
    bytes
}

#[test]
fn length_that_is_too_short_hides_nothing() {
    let files = [
        // STREAMINFO claims one sample in all.
        ("flac", with(sound("16000_1.flac"), b"fLaC", 4 + 14, &[0, 0, 0, 1])),
        // The header claims one frame in all.
        ("mp3", with(sound("44100_2.mp3"), b"Info", 4, &[0, 0, 0, 1])),
        // The length 1 in the track's time scale, behind version, flags, two dates and the time scale.
        ("m4a", with(sound("16000_1.m4a"), b"mdhd", 16, &[0, 0, 0, 1])),
        ("opus", ogg_that_ends_at_once(sound("48000_1.opus"))),
        ("ogg", ogg_that_ends_at_once(sound("48000_2.ogg"))),
    ];
    for (extension, bytes) in files {
        let found = found(extension, &bytes).unwrap();
        assert!((2_990..3_120).contains(&found.survey.duration_ms), "{extension}: {} ms", found.survey.duration_ms);
        assert_eq!(found.verdict(), Verdict::Speech, "{extension}");
    }
}

/// Corrects the checksum of an Ogg page whose bytes were changed.
fn seal(mut page: Vec<u8>, size: usize) -> Vec<u8> {
    let sum = ogg::crc(&page[..size]).to_le_bytes();
    page[22..26].copy_from_slice(&sum);
    page
}

#[test]
fn audio_that_opus_header_declares_as_padding_is_heard() {
    for (extension, mark) in [("opus", "OpusHead"), ("webm", "OpusHead"), ("mp4", "dOps")] {
        let whole = format_file(&format!("opus.{extension}"));
        let lying = with(whole.clone(), mark.as_bytes(), 2, &[0xFF, 0xFF]);
        let lying = if extension == "opus" { seal(lying, 28 + 19) } else { lying };
        let [whole, lying] = [whole, lying].map(|bytes| found(extension, &bytes).unwrap());
        let (whole, heard) = (whole.survey.duration_ms, lying.survey.duration_ms);
        assert!((whole..=whole + 10).contains(&heard), "{extension}: {heard} of {whole} ms");
        assert_eq!((lying.verdict(), lying.survey.is_damaged()), (Verdict::Speech, false), "{extension}");
    }
}

/// The second file is not part of the length that the first one states.
#[test]
fn two_mp3_files_in_one_are_both_heard() {
    let found = found("mp3", &sound("44100_2.mp3").repeat(2)).unwrap();
    assert!((5_980..6_200).contains(&found.survey.duration_ms), "{} ms", found.survey.duration_ms);
    assert!(found.speech.last().unwrap().end_ms > 5_000, "{:?}", found.speech);
}

/// A player leaves out what lies before an edit, but the person who cut the recording like this did not delete it.
#[test]
fn edit_that_begins_late_hides_no_audio() {
    let whole = found("m4a", &sound("16000_1.m4a")).unwrap();
    for late in [20_000, 40_000, 0x7FFF_FFFF_u32] {
        let edited = found("m4a", &with(sound("16000_1.m4a"), b"elst", 12, &late.to_be_bytes())).unwrap();
        // What the encoder put before the audio becomes part of it.
        let longer = edited.survey.duration_ms - whole.survey.duration_ms;
        assert!(longer <= 64 && edited.speech_ms + 64 >= whole.speech_ms, "{late}: {longer}, {} ms", edited.speech_ms);
        assert_eq!((edited.verdict(), edited.survey.is_damaged()), (Verdict::Speech, false), "{late}");
    }
}

#[test]
fn bytes_behind_audio_of_wav_file_are_a_chunk_or_count_as_lost() {
    let quiet = wav(1, 16, 1, 16_000, &[0; 32_000]);
    let chunk = [&b"LIST\x05\0\0\0"[..], b"abcde\0"].concat();
    let whole = found("wav", &[&quiet[..], &chunk, &chunk].concat()).unwrap();
    assert_eq!((whole.verdict(), whole.survey.duration_ms, whole.survey.dropped_bytes), (Verdict::Silent, 1_000, 0));

    // A recorder wrote the size early and went on; the next samples may look like the name of a chunk.
    let more = noise(16_000, 0.3);
    for next in [&[][..], b"RATEXYZ!", b"LOUDNESS", b"AAAA\xFF\xFF\0\0"] {
        let went_on = [&quiet[..], next, &s16(&more)].concat();
        let heard = found("wav", &went_on).unwrap();
        assert_eq!(heard.survey.duration_ms, 2_000 + u64::from(!next.is_empty()), "{next:?}");
        assert_eq!(heard.survey.dropped_bytes, 0, "{next:?}");
        assert!(
            decoded(&went_on).ends_with(&more.iter().map(|s| (s * 32_768.0).trunc() / 32_768.0).collect::<Vec<_>>())
        );
    }
    // The second size is not a whole number of samples.
    for claimed in [2_001u32, 30_001] {
        let mut early = wav(1, 16, 1, 16_000, &s16(&more));
        let at = early.len() - 32_004;
        early[at..at + 4].copy_from_slice(&claimed.to_le_bytes());
        assert_eq!(decoded(&early).len(), 16_000, "{claimed}");
    }
}

fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [kind, &u32::try_from(body.len()).unwrap().to_le_bytes()[..], body].concat()
}

/// The bytes before the audio of a WAV file, and a second of silence.
fn silent_wav() -> (Vec<u8>, Vec<u8>) {
    let mut head = wav(1, 16, 1, 16_000, &[]);
    head.truncate(head.len() - 8);
    (head, chunk(b"data", &[0; 32_000]))
}

/// A chunk whose size is too great includes the audio behind it; only what stands behind that is heard.
#[test]
fn audio_swallowed_by_another_wav_chunk_is_damage() {
    let speech = chunk(b"data", &s16(&crate::testing::fixture_samples("ss0880_pcm16")));
    let (head, silence) = silent_wav();
    let list = chunk(b"LIST", &[&b"INFOICMT\x04\0\0\0abcd"[..], &speech].concat());
    let before = [list.clone(), chunk(b"LIST", &speech), chunk(b"JUNK", &speech), chunk(b"what", &speech)];
    let mut files: Vec<_> = before.iter().map(|taken| [&head[..], taken, &silence].concat()).collect();
    files.push([&head[..], &silence, &list].concat());
    for (n, file) in files.iter().enumerate() {
        let found = found("wav", file).unwrap();
        assert_eq!((found.verdict(), found.survey.is_damaged()), (Verdict::Invalid, true), "{n}");
    }
}

/// One wrong bit in its kind turns a chunk of audio into something else.
#[test]
fn audio_of_wav_file_under_another_chunk_name_is_damage() {
    let (head, silence) = silent_wav();
    let speech = s16(&crate::testing::fixture_samples("ss0880_pcm16"));
    for kind in [b"dat!", b"eata", b"JUNK", b"PAD ", b"Data"] {
        for size in [4_500, 64_000, 1_000] {
            let pieces: Vec<u8> = speech.chunks(size).flat_map(|piece| chunk(kind, piece)).collect();
            let before = found("wav", &[&head[..], &pieces, &silence].concat()).unwrap();
            assert_eq!((before.verdict(), before.survey.is_damaged()), (Verdict::Invalid, true), "{kind:?} {size}");
            // Chunks of unknown kinds that continue behind the audio are heard.
            let behind = found("wav", &[&head[..], &silence, &pieces].concat()).unwrap();
            assert!(behind.survey.is_damaged() || behind.verdict() == Verdict::Speech, "{kind:?} {size}");
        }
    }
}

/// Chunks as studio programs write them.
#[test]
fn known_wav_chunks_are_no_damage_whatever_they_hold() {
    let (head, silence) = silent_wav();
    let body = s16(&noise(20_000, 0.5));
    let kinds = [b"minf", b"elm1", b"regn", b"umid", b"DGDA", b"_PMX", b"acid", b"SMED", b"bext", b"id3 "];
    let chunks: Vec<u8> = kinds.iter().flat_map(|kind| chunk(kind, &body)).collect();
    for file in [[&head[..], &chunks, &silence].concat(), [&head[..], &silence, &chunks].concat()] {
        let found = found("wav", &file).unwrap();
        assert_eq!((found.verdict(), found.survey.is_damaged()), (Verdict::Silent, false));
    }
}

#[test]
fn large_wav_chunks_with_valid_content_are_no_damage() {
    let (head, silence) = silent_wav();
    let list = chunk(b"LIST", &[b"INFO".to_vec(), chunk(b"ICMT", &[b'a'; 4_000]).repeat(40)].concat());
    let odd = chunk(b"LIST", &[b"INFO".to_vec(), chunk(b"ICMT", b"abcde\0")].concat());
    let (junk, text) = (chunk(b"JUNK", &[0; 200_000]), chunk(b"iXML", &b"<BWFXML>".repeat(20_000)));
    let unknown = chunk(b"what", &[7; 4_000]);
    for other in [list, odd, junk, text, unknown] {
        for file in [[&head[..], &other, &silence].concat(), [&head[..], &silence, &other].concat()] {
            let found = found("wav", &file).unwrap();
            assert_eq!((found.verdict(), found.survey.is_damaged()), (Verdict::Silent, false), "{:?}", &other[..8]);
        }
    }
}

#[test]
fn second_piece_of_audio_in_wav_file_is_heard() {
    let samples = noise(1_600, 0.3);
    let second = [&b"data\x80\x0c\0\0"[..], &s16(&samples)].concat();
    let file = [&wav(1, 16, 1, 16_000, &s16(&samples))[..], b"LIST\x04\0\0\0abcd", &second].concat();
    let heard = decoded(&file);
    assert!(heard.len() == 3_200 && heard[..1_600] == heard[1_600..]);
}

#[test]
fn tags_and_filler_at_end_of_file_are_no_damage() {
    let id3 = [&b"TAG"[..], &[b'a'; 125]].concat();
    let ape = [&b"APETAGEX\xD0\x07\0\0\x4C\0\0\0\x01\0\0\0"[..], &[7; 12 + 76]].concat();
    let aac: [&[u8]; 3] = [&id3, &ape, &[&ape[..], &id3].concat()];
    let zeros: [&[u8]; 2] = [&[0; 100], &[0; 4_096]];
    for (name, ends, wrong) in [
        ("adts.aac", &aac[..], &b"TAGaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"[..]),
        ("opus.ogg", &zeros, &[0; 4_200]),
        ("vorbis.ogg", &zeros, &[0; 4_200]),
        ("live.webm", &zeros, &[0; 4_200]),
        ("opus.webm", &zeros, &[0; 4_200]),
        ("aac.m4a", &zeros, &[0; 4_200]),
        ("fragments.mp4", &zeros, &[0; 4_200]),
    ] {
        let is_damaged = |end: &[u8]| {
            let file = [&format_file(name)[..], end].concat();
            found(name.split('.').nth(1).unwrap(), &file).unwrap().survey.is_damaged()
        };
        for end in ends {
            assert!(!is_damaged(end), "{name} and {} bytes", end.len());
        }
        assert!(is_damaged(wrong), "{name}");
    }
}

#[test]
fn rest_too_short_for_a_chunk_is_no_damage() {
    let odd = wav(1, 8, 1, 16_000, &[128; 16_001]);
    for rest in [&b""[..], b"\0", b"\0\0\0", b"\0LIST\0\0\0\0"] {
        let found = found("wav", &[&odd[..], rest].concat()).unwrap();
        assert_eq!((found.verdict(), found.survey.dropped_beyond_packet), (Verdict::Silent, false), "{rest:?}");
    }
    assert_eq!(all_samples(&sound_format("wav"), &odd).len(), 16_001);
}
