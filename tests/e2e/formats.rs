//! One recording in each format that a name can announce, through the real program: transcribed, placed, and of the
//! right length.

use serde_json::{Value, json};
use tests::recordings::T0;
use tests::{Recording, Setup};

/// The fixture, the name under which it is uploaded, and its length.
const KINDS: [(&str, &str, u64); 15] = [
    ("speech/audio_ss0880_pcm16_16000_1_fs160_1748300000.bin", "audio_phone_pcm16_16000_1_fs160", 2_990),
    ("speech/audio_ss0880_pcm8_16000_1_fs160_1748300000.bin", "audio_phone_pcm8_16000_1_fs160", 2_990),
    ("speech/audio_ss0880_opus_16000_1_fs160_1748300000.bin", "audio_phone_opus_16000_1_fs160", 2_990),
    ("speech/audio_ss0880_opus_fs320_16000_1_fs320_1748300000.bin", "audio_phone_opus_fs320_16000_1_fs320", 2_980),
    ("speech/audio_ss0880_aac_16000_1_fs1024_1748300000.bin", "audio_phone_aac_16000_1_fs1024", 3_072),
    ("speech/audio_ss0880_lc3_fs1030_16000_1_fs160_1748300000.bin", "audio_phone_lc3_fs1030_16000_1_fs160", 2_990),
    ("speech/audio_ss0880_lc3_fs1030_8000_1_fs80_1748300000.bin", "audio_phone_lc3_fs1030_8000_1_fs80", 2_990),
    ("sounds/clip_16000_1.flac", "memo.flac", 2_990),
    ("sounds/clip_44100_2.flac", "memo.flac", 2_990),
    ("sounds/clip_44100_2.mp3", "memo.mp3", 2_990),
    ("sounds/clip_16000_1.mp3", "memo.mp3", 3_096),
    ("sounds/clip_48000_2.ogg", "memo.ogg", 2_990),
    ("sounds/clip_48000_1.opus", "memo.opus", 2_990),
    ("sounds/clip_48000_2.m4a", "memo.m4a", 2_990),
    ("sounds/clip_16000_1.m4a", "memo.m4a", 2_990),
];

/// One clip in the formats of phones, browsers and programs: its length, and how many of its first words it contains,
/// because only a part of large files is kept. Packets are complete, so some files are longer than the clip.
const FORMATS: [(&str, std::ops::RangeInclusive<u64>, usize); 24] = [
    ("s24.wav", 1_600..=1_600, 4),
    ("f32.wav", 1_600..=1_600, 4),
    ("s16_48000_2.wav", 1_600..=1_600, 4),
    ("mulaw.wav", 2_990..=2_990, 8),
    ("adpcm_ima.wav", 2_990..=3_130, 8),
    ("s32_96000.flac", 1_600..=1_601, 4),
    ("vbr.mp3", 2_990..=2_992, 8),
    ("vorbis.ogg", 2_990..=2_991, 8),
    ("opus.ogg", 2_990..=2_991, 8),
    ("flac.ogg", 1_600..=1_600, 4),
    ("opus.opus", 2_990..=2_991, 8),
    ("opus.webm", 2_990..=3_030, 8),
    ("live.webm", 2_990..=3_030, 8),
    ("opus.mka", 2_990..=3_030, 8),
    ("aac.m4a", 2_990..=2_991, 8),
    ("faststart.mp4", 2_990..=2_991, 8),
    ("fragments.mp4", 2_990..=3_120, 8),
    ("adts.aac", 2_990..=3_120, 8),
    ("alac.m4a", 1_600..=1_600, 4),
    ("opus.mp4", 2_990..=3_010, 8),
    ("s16.aiff", 1_600..=1_600, 4),
    ("s16.caf", 1_600..=1_600, 4),
    ("s16.mov", 1_600..=1_600, 4),
    ("vorbis.webm", 2_990..=3_060, 8),
];
const WORDS: [&str; 8] = ["he", "was", "not", "an", "ill", "disposed", "young", "man"];

fn fixture(path: &str) -> Vec<u8> {
    std::fs::read(format!("{}/fixtures/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// `<name>_<timestamp>.<extension>`
fn named(name: &str, at: i64) -> String {
    let (stem, extension) = name.split_once('.').unwrap_or((name, "bin"));
    format!("{stem}_{at}.{extension}")
}

fn wav() -> Vec<u8> {
    let frames = fixture("speech/audio_ss0880_pcm16_16000_1_fs160_1748300000.bin");
    let audio: Vec<u8> = frames.chunks(324).flat_map(|frame| frame[4..].to_vec()).collect();
    let head = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data\0\0\0\0";
    [head, &audio[..]].concat()
}

#[tokio::test]
async fn every_kind_of_recording_is_transcribed_with_its_duration() {
    let server = Setup::new().start().await;
    let client = server.client();
    let mut files = vec![Recording::new(named("memo.wav", T0), wav())];
    let mut lengths = vec![2_990];
    for ((path, name, length), hour) in KINDS.into_iter().zip(1..) {
        files.push(Recording::new(named(name, T0 + 3600 * hour), fixture(path)));
        lengths.push(length);
    }
    let job = client.done(&files).await;
    assert_eq!(job["status"], "completed", "{job}");
    for ((file, sent), length) in job["files"].as_array().unwrap().iter().zip(&files).zip(lengths) {
        assert_eq!((&file["status"], &file["duration_ms"]), (&json!("done"), &json!(length)), "{}: {file}", sent.name);
    }
    assert_eq!(client.conversations().await.len(), files.len());
}

fn words(text: &str) -> Vec<String> {
    let plain = |word: &str| word.chars().filter(|c| c.is_alphabetic()).collect::<String>().to_lowercase();
    text.replace('-', " ").split_whitespace().map(plain).filter(|word| !word.is_empty()).collect()
}

/// The embedded engine transcribes it: the spoken words come back, whatever the file was called.
#[tokio::test]
async fn every_format_of_phones_and_browsers_is_transcribed() {
    let server = Setup::new().with("engine.name", "auto").start().await;
    let client = server.client();
    let misnamed = [("aac.m4a", "memo.wav", 8), ("opus.webm", "memo.m4a", 8)];
    let own = FORMATS.iter().map(|(name, _, word_count)| (*name, *name, *word_count));
    for ((fixture_name, name, word_count), hour) in own.chain(misnamed).zip(0..) {
        let file = Recording::new(named(name, T0 + 3600 * hour), fixture(&format!("formats/{fixture_name}")));
        let job = client.done(&[file]).await;
        let file_result = &job["files"][0];
        assert_eq!((&job["status"], &file_result["status"]), (&json!("completed"), &json!("done")), "{name}: {job}");
        assert_eq!(file_result["code"], Value::Null, "{name}: {file_result}");
        let known = FORMATS.iter().find(|(known, ..)| *known == fixture_name).unwrap();
        assert!(known.1.contains(&file_result["duration_ms"].as_u64().unwrap()), "{name}: {file_result}");
        let conversation = file_result["conversation_ids"][0].as_str().unwrap();
        let lines = client.get(&format!("/v2/conversations/{conversation}")).await.ok();
        let text: String =
            lines["segments"].as_array().unwrap().iter().map(|line| format!("{} ", line["text"])).collect();
        let heard = words(&text);
        let missed = WORDS[..word_count].iter().filter(|word| !heard.iter().any(|heard| heard == *word)).count();
        assert!(missed <= 1, "{name}: {text}");
    }
}

/// Larger than the buffer that is kept in memory between two reads: the index at its end is read by byte ranges.
#[tokio::test]
async fn a_large_file_with_its_index_at_the_end_is_read_by_ranges() {
    let server = Setup::new().start().await;
    let client = server.client();
    let whole = fixture("sounds/clip_48000_2.m4a");
    // An unknown box between the audio and its index.
    let index = whole.windows(4).position(|four| four == b"moov").unwrap() - 4;
    let padding = 5u32 << 20;
    let free = [&padding.to_be_bytes()[..], b"free", &vec![0; padding as usize - 8]].concat();
    let large = [&whole[..index], &free, &whole[index..]].concat();
    let job = client.done(&[Recording::new(named("memo.m4a", T0), large)]).await;
    assert_eq!((&job["status"], &job["files"][0]["duration_ms"]), (&json!("completed"), &json!(2_990)), "{job}");
}

#[tokio::test]
async fn wrong_codec_in_the_name_is_never_reported_as_silence() {
    let server = Setup::new().start().await;
    let client = server.client();
    let opus = fixture("speech/audio_ss0880_opus_16000_1_fs160_1748300000.bin");
    let mp3 = fixture("sounds/clip_16000_1.mp3");
    let names = ["audio_phone_pcm16_16000_1_fs160", "audio_phone_aac_16000_1_fs1024", "audio_phone_opus_16000_1_fs160"];
    for (name, bytes) in [(names[0], &opus), (names[1], &opus), (names[2], &mp3), ("memo.wav", &opus)] {
        let job = client.done(&[Recording::new(named(name, T0), bytes.clone())]).await;
        let file: &Value = &job["files"][0];
        assert_ne!(file["status"], "silent", "{name}: {file}");
    }
}

#[tokio::test]
async fn file_that_does_not_match_its_name_fails_alone_with_a_reason() {
    let server = Setup::new().start().await;
    let client = server.client();
    let zip = [&b"PK\x03\x04\x14\0\0\0\x08\0"[..], &[0x5A; 4_000]].concat();
    let marks = [&0xFFFF_FFFBu32.to_le_bytes()[..], &[1; 32]].concat().repeat(20);
    let (nothing, unknown) = ("nothing in the file can be decoded", "not a sound file of a known kind");
    let bad = [
        ("audio_phone_pcm16_16000_1_fs160", &zip, nothing),
        ("audio_phone_lc3_fs1030_16000_1_fs160", &zip, nothing),
        ("memo.wav", &zip, unknown),
        ("memo.m4a", &zip, unknown),
        ("audio_phone_opus_16000_1_fs160", &marks, nothing),
        ("audio_phone_pcm16_16000_1_fs160", &wav(), "the file is a WAV file; its name has to say so"),
    ];
    let mut files = vec![Recording::speech(T0)];
    for ((name, bytes, _), hour) in bad.iter().zip(1..) {
        files.push(Recording::new(named(name, T0 + 3600 * hour), bytes.to_vec()));
    }
    let job = client.done(&files).await;
    assert_eq!((&job["status"], &job["files"][0]["status"]), (&json!("partial_failure"), &json!("done")), "{job}");
    for (file, (name, _, why)) in job["files"].as_array().unwrap()[1..].iter().zip(&bad) {
        assert_eq!((&file["status"], &file["code"]), (&json!("failed"), &json!("invalid_audio")), "{name}: {file}");
        assert!(file["detail"].as_str().unwrap().contains(why), "{name}: {file}");
    }
}

#[tokio::test]
async fn sample_rate_unsupported_by_the_codec_is_refused_at_upload() {
    let server = Setup::new().start().await;
    let lc3 = Recording::new(named("audio_phone_lc3_fs1030_44100_1_fs160", T0), vec![30, 0, 0, 0]);
    let answer = server.client().upload(&[lc3]).await;
    answer.problem(400, "invalid_filename");
    let detail = answer.body["errors"][0]["detail"].as_str().unwrap();
    let expected = "the rate `44100` is not possible with lc3_fs1030; expected 8000, 16000, 24000, 32000 or 48000";
    assert_eq!(detail, expected);
}
