//! A model for whisper.cpp that always produces the same text. It has the real file format and is computed like any
//! other model, but is as small as possible: a real model may not be shipped with a test, and the engine's tests do not
//! depend on what a real model hears.
//!
//! Its layers are empty, so that the next token depends on the position alone: the embedding of each position points
//! into a direction of its own, and the token to be produced there points the same way.

use std::io::{self, Write};

const AUDIO_PLACES: usize = 1500;
const TEXT_PLACES: usize = 448;
const WIDTH: usize = 32;
const HEADS: usize = 1;
const LAYERS: usize = 4;
const MELS: usize = 80;
/// Number formats: weight tables have 16 bits per number, everything else 32.
const F16_WEIGHTS: usize = 1;
const WHOLES: usize = 0;
const FREQUENCIES: usize = 201;
/// The tokens of languages and timestamps follow those of text.
const TOKENS: usize = 51_864;
const END: usize = 50_256;
const FIRST_LANGUAGE: usize = 50_258;
const FIRST_TIME: usize = 50_363;
/// The number of positions that can be told apart.
const MAX_POSITIONS: usize = WIDTH;

/// The text that it produces for the first second of every thirty seconds of audio.
pub const TEXT: &str = "Hello world.";
const WORDS: [&str; 4] = [" ", " Hello", " wor", "ld."];
const TEXT_TOKENS: [usize; 3] = [1, 2, 3];
/// A second, in steps of 20 ms.
const SECOND_STEPS: usize = 50;

/// The language that a multilingual model detects: German, the third of the list.
pub const DETECTED_LANGUAGE: &str = "de";
const GERMAN: usize = 2;

pub struct GgmlModel {
    pub multilingual: bool,
}

/// The bytes of a model, about four megabytes.
pub fn model(model_kind: &GgmlModel) -> Vec<u8> {
    let shift = usize::from(model_kind.multilingual);
    let script = script(shift);
    let mut file = Vec::new();
    // Writing into memory does not fail.
    let _ = write(&mut file, TOKENS + shift, &script);
    file
}

/// Pairs of a position and the token that is produced there.
fn script(shift: usize) -> Vec<(usize, usize)> {
    let time = |step: usize| FIRST_TIME + shift + step;
    let mut script = Vec::new();
    // A multilingual model is asked for the language first; then the language and the task are given to it before it
    // begins.
    let begin = if shift == 0 { 0 } else { 2 };
    if shift > 0 {
        script.push((0, FIRST_LANGUAGE + shift + GERMAN));
    }
    let tokens_said = std::iter::once(time(0)).chain(TEXT_TOKENS).chain([time(SECOND_STEPS), END + shift]);
    script.extend(tokens_said.enumerate().map(|(n, token)| (begin + n, token)));
    script
}

fn write(file: &mut Vec<u8>, tokens: usize, script: &[(usize, usize)]) -> io::Result<()> {
    number(file, 0x6767_6d6c)?;
    let sizes = [tokens, AUDIO_PLACES, WIDTH, HEADS, LAYERS, TEXT_PLACES, WIDTH, HEADS, LAYERS, MELS, F16_WEIGHTS];
    sizes.iter().try_for_each(|size| number(file, *size))?;
    number(file, MELS)?;
    number(file, FREQUENCIES)?;
    zeros(file, MELS * FREQUENCIES * 4)?;
    number(file, WORDS.len())?;
    for word in WORDS {
        number(file, word.len())?;
        file.write_all(word.as_bytes())?;
    }
    for (name, shape) in shapes(tokens) {
        let table = name.ends_with(".weight") && shape.len() > 1;
        head(file, &name, &shape, if table { F16_WEIGHTS } else { WHOLES })?;
        let values: usize = shape.iter().product();
        match name.as_str() {
            "decoder.positional_embedding" => pointers(file, values, &positions(script), &100_f32.to_le_bytes())?,
            "decoder.token_embedding.weight" => pointers(file, values, &tokens_of(script), &FOUR_IN_HALVES)?,
            "decoder.ln.weight" => (0..values).try_for_each(|_| file.write_all(&1_f32.to_le_bytes()))?,
            _ if table => zeros(file, values * 2)?,
            _ => zeros(file, values * 4)?,
        }
    }
    Ok(())
}

/// 4.0 as a 16-bit float.
const FOUR_IN_HALVES: [u8; 2] = 0x4400_u16.to_le_bytes();

/// Which row points into which direction.
fn positions(script: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let last = script.last().map_or(0, |(place, _)| *place);
    (0..TEXT_PLACES).map(|place| (place, place.min(last).min(MAX_POSITIONS - 1))).collect()
}

fn tokens_of(script: &[(usize, usize)]) -> Vec<(usize, usize)> {
    script.iter().map(|(place, token)| (*token, *place)).collect()
}

fn pointers(file: &mut Vec<u8>, values: usize, rows: &[(usize, usize)], length: &[u8]) -> io::Result<()> {
    let mut table = vec![0; values * length.len()];
    for (row, direction) in rows {
        let at = (row * WIDTH + direction) * length.len();
        table[at..at + length.len()].copy_from_slice(length);
    }
    file.write_all(&table)
}

fn head(file: &mut Vec<u8>, name: &str, shape: &[usize], numbers: usize) -> io::Result<()> {
    number(file, shape.len())?;
    number(file, name.len())?;
    number(file, numbers)?;
    shape.iter().try_for_each(|size| number(file, *size))?;
    file.write_all(name.as_bytes())
}

fn number(file: &mut Vec<u8>, value: usize) -> io::Result<()> {
    file.write_all(&u32::try_from(value).map_err(io::Error::other)?.to_le_bytes())
}

fn zeros(file: &mut Vec<u8>, bytes: usize) -> io::Result<()> {
    file.resize(file.len() + bytes, 0);
    Ok(())
}

/// Every tensor of the model, innermost dimension first.
fn shapes(tokens: usize) -> Vec<(String, Vec<usize>)> {
    let mut all = vec![
        ("encoder.positional_embedding".to_owned(), vec![WIDTH, AUDIO_PLACES]),
        ("encoder.conv1.weight".to_owned(), vec![3, MELS, WIDTH]),
        ("encoder.conv1.bias".to_owned(), vec![1, WIDTH]),
        ("encoder.conv2.weight".to_owned(), vec![3, WIDTH, WIDTH]),
        ("encoder.conv2.bias".to_owned(), vec![1, WIDTH]),
        ("decoder.positional_embedding".to_owned(), vec![WIDTH, TEXT_PLACES]),
        ("decoder.token_embedding.weight".to_owned(), vec![WIDTH, tokens]),
    ];
    let norm = |all: &mut Vec<_>, name: String| {
        all.push((format!("{name}.weight"), vec![WIDTH]));
        all.push((format!("{name}.bias"), vec![WIDTH]));
    };
    norm(&mut all, "encoder.ln_post".to_owned());
    norm(&mut all, "decoder.ln".to_owned());
    for side in ["encoder", "decoder"] {
        for layer in 0..LAYERS {
            let name = |part: &str| format!("{side}.blocks.{layer}.{part}");
            norm(&mut all, name("mlp_ln"));
            all.push((name("mlp.0.weight"), vec![WIDTH, 4 * WIDTH]));
            all.push((name("mlp.0.bias"), vec![4 * WIDTH]));
            all.push((name("mlp.2.weight"), vec![4 * WIDTH, WIDTH]));
            all.push((name("mlp.2.bias"), vec![WIDTH]));
            let attentions: &[&str] = if side == "decoder" { &["attn", "cross_attn"] } else { &["attn"] };
            for attention in attentions {
                norm(&mut all, name(&format!("{attention}_ln")));
                for part in ["query", "key", "value", "out"] {
                    all.push((name(&format!("{attention}.{part}.weight")), vec![WIDTH, WIDTH]));
                    if part != "key" {
                        all.push((name(&format!("{attention}.{part}.bias")), vec![WIDTH]));
                    }
                }
            }
        }
    }
    all
}
