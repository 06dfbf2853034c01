//! A complete file of every kind that can be read, each about half a second long.

use crate::FIXTURES;

/// A name for each kind of file, the fixture, and how many bytes of it are used.
const KINDS: [(&str, &str, usize); 33] = [
    ("a_x_opus_16000_1_fs160_1748300000.bin", "speech/audio_ss0880_opus_16000_1_fs160_1748300000.bin", 3_000),
    (
        "a_x_opus_fs320_16000_1_fs320_1748300000.bin",
        "speech/audio_ss0880_opus_fs320_16000_1_fs320_1748300000.bin",
        3_000,
    ),
    ("a_x_aac_16000_1_fs1024_1748300000.bin", "speech/audio_ss0880_aac_16000_1_fs1024_1748300000.bin", 2_500),
    (
        "a_x_lc3_fs1030_16000_1_fs160_1748300000.bin",
        "speech/audio_ss0880_lc3_fs1030_16000_1_fs160_1748300000.bin",
        1_700,
    ),
    ("a_x_lc3_fs1030_8000_1_fs80_1748300000.bin", "speech/audio_ss0880_lc3_fs1030_8000_1_fs80_1748300000.bin", 1_700),
    ("a_x_pcm16_44100_2_fs160_1748300000.bin", "speech/audio_ss0880_pcm16_16000_1_fs160_1748300000.bin", 9_000),
    ("a_x_pcm8_16000_1_fs160_1748300000.bin", "speech/audio_ss0880_pcm8_16000_1_fs160_1748300000.bin", 5_000),
    ("a_x_mulaw8_8000_1_fs160_1748300000.bin", "speech/audio_ss0880_pcm8_16000_1_fs160_1748300000.bin", 5_000),
    ("a_x_mulaw16_16000_2_fs160_1748300000.bin", "speech/audio_ss0880_pcm8_16000_1_fs160_1748300000.bin", 5_000),
    ("x.wav", "", 6_000),
    ("x.flac", "sounds/clip_16000_1.flac", 20_000),
    ("x.flac", "sounds/clip_44100_2.flac", 24_000),
    ("x.mp3", "sounds/clip_44100_2.mp3", 5_000),
    ("x.mp3", "sounds/clip_16000_1.mp3", 2_500),
    ("x.ogg", "sounds/clip_48000_2.ogg", 9_000),
    ("x.opus", "sounds/clip_48000_1.opus", 9_000),
    ("x.m4a", "sounds/clip_48000_2.m4a", 26_000),
    ("x.m4a", "sounds/clip_16000_1.m4a", 4_500),
    ("x.wav", "formats/adpcm_ima.wav", 6_000),
    ("x.wav", "formats/adpcm_ms.wav", 6_000),
    ("x.ogg", "formats/flac.ogg", 20_000),
    ("x.webm", "formats/opus.webm", 5_000),
    ("x.webm", "formats/live.webm", 5_000),
    ("x.webm", "formats/vorbis.webm", 9_000),
    ("x.mp4", "formats/fragments.mp4", 9_000),
    ("x.mp4", "formats/opus.mp4", 14_000),
    ("x.m4a", "formats/alac.m4a", 28_000),
    ("x.mp4", "formats/global_sidx.mp4", 9_000),
    ("x.opus", "formats/surround.opus", 5_000),
    ("x.mp3", "formats/mp2.mp3", 5_000),
    ("x.aac", "formats/adts.aac", 5_000),
    ("x.aiff", "formats/s16.aiff", 9_000),
    ("x.caf", "formats/s16.caf", 9_000),
];

pub fn all() -> Vec<(&'static str, Vec<u8>)> {
    KINDS.iter().map(|(name, path, length)| (*name, file(path, *length))).collect()
}

fn file(path: &str, length: usize) -> Vec<u8> {
    if path.is_empty() {
        let speech =
            std::fs::read(format!("{FIXTURES}/speech/audio_ss0880_pcm16_16000_1_fs160_1748300000.bin")).unwrap();
        let head = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0\x40\x1f\0\0\0\x7d\0\0\x04\0\x10\0data\0\0\0\0";
        return [head, &speech[..length]].concat();
    }
    let mut bytes = std::fs::read(format!("{FIXTURES}/{path}")).unwrap();
    bytes.truncate(length);
    bytes
}
