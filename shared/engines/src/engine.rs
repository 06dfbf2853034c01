//! Which speech engine the configuration asks for, and the model that it needs.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use config::Config;
use models::{ModelError, Models};
use speech::{Arithmetic, CloudSettings, Engine, MoonshineFiles};

/// Let the server choose.
const AUTO: &str = "auto";
/// What the engines on this machine are called before the size of their model.
const MOONSHINE: &str = "moonshine-";
const SMALLEST: &str = "moonshine-tiny";

/// By whisper.cpp, in programs that were built with it.
const WHISPER: &str = "whisper";

/// Judged before anything else is opened: a model that is missing or wrong stops the start.
pub fn engine(config: &Config) -> Result<Arc<dyn Engine>> {
    arithmetic(&config.engine)?;
    match config.engine.name.as_str() {
        WHISPER => whisper(&config.engine),
        _ => speech::select(&settings(config)?).context("configuration"),
    }
}

#[cfg(feature = "whisper")]
fn whisper(engine: &config::Engine) -> Result<Arc<dyn Engine>> {
    let model = engine.whisper_model.as_str();
    if model.is_empty() {
        bail!(
            "configuration: engine.name is `{WHISPER}`, and engine.whisper_model names no file: expected a model in whisper.cpp's ggml format"
        );
    }
    let whisper = whisper::Whisper::start(model.as_ref(), engine.parallelism);
    Ok(Arc::new(whisper.context("configuration: engine.whisper_model")?))
}

#[cfg(not(feature = "whisper"))]
fn whisper(_: &config::Engine) -> Result<Arc<dyn Engine>> {
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
    let (models, cloud) = (Models::new(&engine.models), cloud(engine));
    let (name, moonshine) = match engine.name.as_str() {
        AUTO => choose(&models, &cloud)?,
        name => (name.to_owned(), named(&models, name)?),
    };
    let null_delay = Duration::from_millis(engine.null_delay_ms);
    let (parallelism, null_languages) = (engine.parallelism, config.null_languages());
    let arithmetic = arithmetic(engine)?;
    Ok(speech::Settings { name, moonshine, parallelism, arithmetic, null_delay, null_fail, null_languages, cloud })
}

fn cloud(engine: &config::Engine) -> CloudSettings {
    let (deepgram, http) = (&engine.deepgram, &engine.http);
    CloudSettings {
        deepgram: speech::DeepgramSettings {
            api_key: deepgram.api_key.clone(),
            url: deepgram.url.clone(),
            model: deepgram.model.clone(),
            max_span: Duration::from_secs(deepgram.max_span_seconds),
            concurrency: deepgram.concurrency,
        },
        http: speech::HttpSettings {
            url: http.url.clone(),
            api_key: http.api_key.clone(),
            model: http.model.clone(),
            max_span: Duration::from_secs(http.max_span_seconds),
            concurrency: http.concurrency,
            format: http.format.clone(),
        },
    }
}

/// `auto`: the first engine that can be used. A model that is there, but wrong, is told and not passed over.
fn choose(models: &Models, cloud: &CloudSettings) -> Result<(String, Option<MoonshineFiles>)> {
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

/// What an engine that was asked for by its name needs from this machine.
fn named(models: &Models, name: &str) -> Result<Option<MoonshineFiles>> {
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
        let mut layers = config::Layers::defaults().unwrap();
        for (key, value) in keys {
            let (section, key) = match key.split_once('.') {
                Some((inner, key)) => (format!("engine.{inner}"), key),
                None => ("engine".to_owned(), *key),
            };
            layers = layers.flag(&section, key, Some((*value).to_owned()), "--test");
        }
        layers.config().unwrap()
    }

    #[test]
    fn the_default_is_the_engine_that_needs_nothing_but_its_model() {
        let settings = settings_of(&[]).unwrap();
        assert_eq!(settings.name, SMALLEST);
        assert!(settings.moonshine.is_some());
    }

    #[test]
    fn without_any_engine_the_start_is_refused_with_one_line_that_says_what_to_do() {
        if models::are_embedded() {
            return;
        }
        let empty = tempfile::tempdir().unwrap();
        let folder = empty.path().to_str().unwrap();
        let said = format!("{:#}", settings_of(&[("models", folder)]).unwrap_err());
        assert!(said.starts_with("configuration: engine.name is `auto`, and there is no speech engine"), "{said}");
        assert!(said.contains(folder) && said.contains("make setup") && said.lines().count() == 1, "{said}");
        let said = format!("{:#}", settings_of(&[("models", folder), ("name", "moonshine-base")]).unwrap_err());
        assert!(said.contains("`moonshine-base`") && said.contains("moonshine-base/encoder_model.onnx"), "{said}");
    }

    #[test]
    fn an_arithmetic_that_this_machine_lacks_stops_the_start_whatever_the_engine_is() {
        for name in ["auto", "null"] {
            let keys = [("name", name), ("arithmetic", "abacus")];
            let said = format!("{:#}", engine(&config_of(&keys)).err().unwrap());
            let expected = "configuration: engine.arithmetic: `abacus` is not known; expected auto, vnni, avx2, neon, plain; this machine has ";
            assert!(said.starts_with(expected) && said.ends_with("plain") && said.lines().count() == 1, "{said}");
        }
        assert_eq!(settings_of(&[("arithmetic", "plain")]).unwrap().arithmetic, Arithmetic::Plain);
    }

    #[test]
    fn a_wrong_model_is_told_and_not_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("moonshine-tiny/encoder_model.onnx");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, b"not a model").unwrap();
        let said = format!("{:#}", settings_of(&[("models", folder.path().to_str().unwrap())]).unwrap_err());
        assert!(said.contains("is not the one that is expected") && said.contains(path.to_str().unwrap()), "{said}");
    }

    #[test]
    fn other_engines_ask_for_no_model() {
        for name in ["null", "parrot", "moonshine-huge"] {
            let settings = settings_of(&[("name", name), ("models", "/does/not/exist")]).unwrap();
            assert!(settings.moonshine.is_none() && settings.name == name);
        }
    }
}
