//! The voice detector that the configuration selects.

use anyhow::{Context, Result};
use audio::Detection;
use config::{Config, Detector};
use models::Models;

pub fn detection(config: &Config) -> Result<Detection> {
    match config.detector {
        Detector::Silero => {
            let model = Models::new(&config.engine.models).bytes(models::SILERO);
            Detection::silero(model.context("voice detection")?).context("voice detection")
        }
        Detector::Energy => Ok(Detection::energy()),
    }
}
