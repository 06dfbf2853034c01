//! The voice detector that the configuration selects.

use anyhow::{Context, Result, bail};
use audio::Detection;
use config::Config;
use models::Models;

pub fn detection(config: &Config) -> Result<Detection> {
    match config.audio.detector.as_str() {
        "silero" => {
            let model = Models::new(&config.engine.models).bytes(models::SILERO);
            Detection::silero(model.context("voice detection")?).context("voice detection")
        }
        "energy" => Ok(Detection::energy()),
        odd => bail!("configuration: audio.detector must be `silero` or `energy`, not `{odd}`"),
    }
}
