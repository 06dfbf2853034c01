//! The first bytes of a model, so that a wrong file stops the start and not the first recording.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// `ggml`, as whisper.cpp writes it.
const MAGIC: u32 = 0x6767_6d6c;
/// Models that know more than English have this many tokens, or more.
const MULTILINGUAL: i32 = 51_865;
/// Eleven sizes; the last says how the weights are written.
const HEAD: usize = 4 + 11 * 4;
/// Weights of 32 bits: whisper.cpp reads such a model, and ends the whole program with its first call.
const WHOLE_WEIGHTS: i32 = 0;
/// Models of all sizes and versions have numbers within this.
const MOST_TOKENS: i32 = 100_000;

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
    if magic.cast_unsigned() != MAGIC || !(1..MOST_TOKENS).contains(&tokens) {
        return Err(ModelError::Foreign(path.to_owned()));
    }
    if weights == WHOLE_WEIGHTS {
        return Err(ModelError::Unconverted(path.to_owned()));
    }
    Ok(Header { tokens })
}
