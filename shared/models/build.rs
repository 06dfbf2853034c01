//! Embeds the models in release builds if the cache folder has them.

#[path = "src/list.rs"]
mod list;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use list::File;

/// The models that are embedded. All others are only read from a folder.
const EMBEDDED: [&str; 2] = ["moonshine-tiny", "silero"];
const VARIABLES: [&str; 4] = ["AFTERWORD_EMBED_MODELS", "AFTERWORD_MODELS", "XDG_CACHE_HOME", "HOME"];

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=models.list");
    println!("cargo::rerun-if-changed=src/list.rs");
    for variable in VARIABLES {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let required = match std::env::var("AFTERWORD_EMBED_MODELS").as_deref() {
        Ok("required") => true,
        Err(_) | Ok("") => false,
        Ok(other) => {
            println!("cargo::error=AFTERWORD_EMBED_MODELS is `{other}`; it can be `required`, or unset");
            return Ok(());
        }
    };
    // `PROFILE` is `release` for profiles that inherit from it too, such as `dist`.
    let release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let files = if release || required { embeddable(required) } else { Vec::new() };
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    std::fs::write(out.join("embedded.rs"), table(&files))
}

/// The files to embed, or none of them if one is missing: an incomplete model cannot be used.
fn embeddable(required: bool) -> Vec<(File, PathBuf)> {
    let folder = list::cache_folder(|name| std::env::var_os(name)).unwrap_or_default();
    let mut found = Vec::new();
    for file in list::parse(include_str!("models.list")) {
        if !EMBEDDED.contains(&file.model()) || file.is_licence() {
            continue;
        }
        let path = folder.join(file.name);
        println!("cargo::rerun-if-changed={}", path.display());
        match unusable_because(&file, &path) {
            None => found.push((file, path)),
            Some(why) if required => {
                println!("cargo::error={why}: run `make setup`, so that the models can be built in");
                return Vec::new();
            }
            Some(why) => {
                println!("cargo::warning={why}: this build has no models inside and looks for them when it runs");
                return Vec::new();
            }
        }
    }
    found
}

fn unusable_because(file: &File, path: &Path) -> Option<String> {
    match std::fs::read(path) {
        Ok(bytes) if file.is(&bytes) => None,
        Ok(_) => Some(format!("{} is not the file that is expected (SHA-256 {})", path.display(), file.sha256)),
        Err(error) => Some(format!("{} cannot be read ({error})", path.display())),
    }
}

/// Rust source of the table of embedded files: names and bytes.
fn table(files: &[(File, PathBuf)]) -> String {
    let mut code = String::from("&[\n");
    for (file, path) in files {
        // Writing into a string cannot fail.
        let _ = writeln!(code, "    ({:?}, include_bytes!({:?})),", file.name, path);
    }
    code + "]\n"
}
