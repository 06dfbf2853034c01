//! Reads the header of a model file, so that a wrong file stops the start instead of failing the first recording.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The magic number `ggml`, as whisper.cpp writes it.
const MAGIC: u32 = 0x6767_6d6c;
/// Multilingual models have at least this many tokens.
const MULTILINGUAL: i32 = 51_865;
/// The magic number and eleven fields; the last field is the format of the weights.
const HEAD: usize = 4 + 11 * 4;
/// The format with 32-bit weights. whisper.cpp loads such a model, but aborts the whole program at the first call.
const FLOAT_WEIGHTS: i32 = 0;
/// More tokens than a model of any size or version has.
const MAX_TOKENS: i32 = 100_000;

#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("the model {} cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error(
        "{} is no model for whisper.cpp: expected a file in its ggml format, such as ggml-base.en.bin",
        .0.display()
    )]
    Foreign(PathBuf),
    #[error(
        "{} has weights of 32 bits, which whisper.cpp cannot compute with: expected a converted model, such as \
         ggml-base.en.bin",
        .0.display()
    )]
    Unconverted(PathBuf),
}

pub struct Header {
    tokens: i32,
}

impl Header {
    pub fn is_multilingual(&self) -> bool {
        self.tokens >= MULTILINGUAL
    }
}

pub fn read(path: &Path) -> Result<Header, ModelError> {
    let unreadable = |source| ModelError::Unreadable { path: path.to_owned(), source };
    let mut head = [0; HEAD];
    match File::open(path).and_then(|mut file| file.read_exact(&mut head)) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(ModelError::Foreign(path.to_owned())),
        read => read.map_err(unreadable)?,
    }
    let (words, _) = head.as_chunks::<4>();
    let [magic, tokens, weights] = [words[0], words[1], words[HEAD / 4 - 1]].map(i32::from_le_bytes);
    if magic.cast_unsigned() != MAGIC || !(1..MAX_TOKENS).contains(&tokens) {
        return Err(ModelError::Foreign(path.to_owned()));
    }
    if weights == FLOAT_WEIGHTS {
        return Err(ModelError::Unconverted(path.to_owned()));
    }
    Ok(Header { tokens })
}
