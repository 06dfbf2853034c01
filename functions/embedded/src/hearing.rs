//! What finds speech in recordings, by the configuration.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use audio::Detection;
use config::Config;

pub fn detection(config: &Config) -> Result<Detection> {
    match config.audio.detector.as_str() {
        "silero" => Detection::silero(silero_model()?).context("voice detection"),
        "energy" => Ok(Detection::energy()),
        odd => bail!("configuration: audio.detector must be `silero` or `energy`, not `{odd}`"),
    }
}

/// THE ONE PLACE where the model's bytes come from.
fn silero_model() -> Result<&'static [u8]> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let models = folder("AFTERWORD_MODELS")
        .or_else(|| folder("XDG_CACHE_HOME").map(|cache| cache.join("afterword/models")))
        .or_else(|| folder("HOME").map(|home| home.join(".cache/afterword/models")))
        .context("voice detection: neither AFTERWORD_MODELS nor HOME says where models are")?;
    let path = models.join("silero/silero_vad_16k_sequence.onnx");
    let bytes = std::fs::read(&path)
        .with_context(|| format!("voice detection: {} cannot be read; `make setup` installs it", path.display()))?;
    Ok(Vec::leak(bytes))
}
