//! The speech engine that the configuration selects, with the model that it needs.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use config::Config;
use models::{ModelError, Models};
use speech::{Arithmetic, CloudSettings, Engine, MoonshineFiles};

/// The server chooses the engine.
const AUTO: &str = "auto";
/// Prefix of the names of the built-in engines; the size of the model follows.
const MOONSHINE: &str = "moonshine-";
const SMALLEST: &str = "moonshine-tiny";

/// The whisper.cpp engine, which is only in programs that were built with the feature `whisper`.
const WHISPER: &str = "whisper";

/// Creates the engine. It is called before anything else is opened, so that a missing or wrong model stops the start.
pub fn engine(config: &Config) -> Result<Arc<dyn Engine>> {
    arithmetic(&config.engine)?;
    match config.engine.name.as_str() {
        WHISPER => whisper(config),
        _ => speech::select(&settings(config)?).context("configuration"),
    }
}

#[cfg(feature = "whisper")]
fn whisper(config: &Config) -> Result<Arc<dyn Engine>> {
    let model = config.engine.whisper_model.as_str();
    if model.is_empty() {
        bail!(
            "configuration: engine.name is `{WHISPER}`, and engine.whisper_model names no file: expected a model in whisper.cpp's ggml format"
        );
    }
    let whisper = whisper::Whisper::start(model.as_ref(), config.settings.worker.parallelism);
    Ok(Arc::new(whisper.context("configuration: engine.whisper_model")?))
}

#[cfg(not(feature = "whisper"))]
fn whisper(_: &Config) -> Result<Arc<dyn Engine>> {
    bail!(
        "configuration: engine.name is `{WHISPER}`, and this program was built without it: build it with `--features whisper`"
    )
}

fn arithmetic(engine: &config::Engine) -> Result<Arithmetic> {
    Arithmetic::named(&engine.arithmetic).context("configuration")
}

fn settings(config: &Config) -> Result<speech::Settings> {
    let engine = &config.engine;
    let null_fail = match engine.null_fail.as_str() {
        "" => None,
        text => Some(text.parse().context("configuration: engine.null_fail")?),
    };
    let (models, cloud) = (Models::new(&engine.models), engine.cloud.clone());
    let (name, moonshine) = match engine.name.as_str() {
        AUTO => choose_engine(&models, &cloud)?,
        name => (name.to_owned(), files_for_engine(&models, name)?),
    };
    let null_delay = engine.null_delay;
    let (parallelism, null_languages) = (config.settings.worker.parallelism, engine.null_languages.clone());
    let arithmetic = arithmetic(engine)?;
    Ok(speech::Settings { name, moonshine, parallelism, arithmetic, null_delay, null_fail, null_languages, cloud })
}

/// For `auto`: the first engine that can be used. A model that exists but is wrong is an error and is not skipped.
fn choose_engine(models: &Models, cloud: &CloudSettings) -> Result<(String, Option<MoonshineFiles>)> {
    if let Some(name) = cloud.configured() {
        return Ok((name.to_owned(), None));
    }
    match files(models, "tiny") {
        Ok(files) => Ok((SMALLEST.to_owned(), Some(files))),
        Err(why) if why.is_missing() => {
            bail!("configuration: engine.name is `{AUTO}`, and there is no speech engine that can be used: {why}")
        }
        Err(why) => Err(why).context("configuration: engine.name"),
    }
}

/// The model files for an engine that is configured by name; `None` if it needs none.
fn files_for_engine(models: &Models, name: &str) -> Result<Option<MoonshineFiles>> {
    match name.strip_prefix(MOONSHINE) {
        Some(size) if speech::KNOWN.contains(&name) => {
            Ok(Some(files(models, size).with_context(|| format!("configuration: engine.name is `{name}`"))?))
        }
        _ => Ok(None),
    }
}

fn files(models: &Models, size: &str) -> Result<MoonshineFiles, ModelError> {
    let [encoder, decoder, tokenizer] = models::moonshine(size);
    Ok(MoonshineFiles {
        encoder: models.bytes(&encoder)?,
        decoder: models.bytes(&decoder)?,
        tokenizer: models.bytes(&tokenizer)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings_of(keys: &[(&str, &str)]) -> Result<speech::Settings> {
        settings(&config_of(keys))
    }

    fn config_of(keys: &[(&str, &str)]) -> Config {
        let set = |layers: config::Layers, (key, value): &(&str, &str)| {
            layers.flag(&format!("engine.{key}"), Some((*value).to_owned()), "--test")
        };
        keys.iter().fold(config::Layers::default(), set).config().unwrap()
    }

    #[test]
    fn default_engine_is_the_smallest_moonshine() {
        let settings = settings_of(&[]).unwrap();
        assert_eq!(settings.name, SMALLEST);
        assert!(settings.moonshine.is_some());
    }

    #[test]
    fn error_without_usable_engine_is_one_line_with_the_fix() {
        if models::are_embedded() {
            return;
        }
        let empty = tempfile::tempdir().unwrap();
        let folder = empty.path().to_str().unwrap();
        let message = format!("{:#}", settings_of(&[("models", folder)]).unwrap_err());
        assert!(
            message.starts_with("configuration: engine.name is `auto`, and there is no speech engine"),
            "{message}"
        );
        assert!(
            message.contains(folder) && message.contains("make setup") && message.lines().count() == 1,
            "{message}"
        );
        let message = format!("{:#}", settings_of(&[("models", folder), ("name", "moonshine-base")]).unwrap_err());
        assert!(
            message.contains("`moonshine-base`") && message.contains("moonshine-base/encoder_model.onnx"),
            "{message}"
        );
    }

    #[test]
    fn unknown_arithmetic_is_an_error_with_every_engine() {
        for name in ["auto", "null"] {
            let mut config = config_of(&[("name", name)]);
            config.engine.arithmetic = "abacus".to_owned();
            let message = format!("{:#}", engine(&config).err().unwrap());
            let expected = "configuration: engine.arithmetic: `abacus` is not known; expected auto, vnni, avx2, neon, plain; this machine has ";
            assert!(
                message.starts_with(expected) && message.ends_with("plain") && message.lines().count() == 1,
                "{message}"
            );
        }
        assert_eq!(settings_of(&[("arithmetic", "plain")]).unwrap().arithmetic, Arithmetic::Plain);
    }

    #[test]
    fn wrong_model_is_an_error_and_is_not_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("moonshine-tiny/encoder_model.onnx");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, b"not a model").unwrap();
        let message = format!("{:#}", settings_of(&[("models", folder.path().to_str().unwrap())]).unwrap_err());
        assert!(
            message.contains("is not the one that is expected") && message.contains(path.to_str().unwrap()),
            "{message}"
        );
    }

    #[test]
    fn engines_except_moonshine_start_without_model_files() {
        for name in ["null", "parrot", "moonshine-huge"] {
            let mut config = config_of(&[("models", "/does/not/exist")]);
            config.engine.name = name.to_owned();
            let settings = settings(&config).unwrap();
            assert!(settings.moonshine.is_none() && settings.name == name);
        }
    }
}
