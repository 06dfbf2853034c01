//! `afterword config`: what is configured, and where from.

use anyhow::Result;
use config::{DEFAULT, Layers};

use crate::args::{Config, ConfigCommand};

pub fn run(args: &Config) -> Result<()> {
    match &args.command {
        ConfigCommand::Default => print!("{DEFAULT}"),
        ConfigCommand::Show { config } => {
            let layers = layers(config.as_deref())?;
            // A configuration that would stop the start is said to be wrong here too.
            layers.config()?.settings()?;
            print!("{}", layers.show());
        }
    }
    Ok(())
}

/// Default, file, environment.
pub fn layers(file: Option<&std::path::Path>) -> Result<Layers> {
    let mut layers = Layers::defaults()?;
    if let Some(file) = file {
        layers = layers.file(file)?;
    }
    // A variable that is no text is not one of ours.
    let variables = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
    Ok(layers.env(variables)?)
}
