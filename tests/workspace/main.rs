//! Tests of the workspace itself: allowed dependencies, and whether documents refer to what exists.

#![allow(clippy::unwrap_used, reason = "all of this runs inside tests, where a panic is the message")]

mod circles;
mod client_rules;
mod configuration;
mod dependencies;
mod documents;
mod error_lines;
mod errors;
mod links;
mod makefile;
mod modules;
mod monitoring;
mod names;
mod openapi;
mod setup;
mod third_party;

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}
