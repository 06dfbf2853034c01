//! `afterword config`: what is configured, and where from.

use anyhow::Result;
use config::{DEFAULT, Layers};

use crate::args::{Config, ConfigCommand};

pub fn run(args: &Config) -> Result<()> {
    match &args.command {
        ConfigCommand::Default => print!("{DEFAULT}"),
        ConfigCommand::Show { config } => {
            let layers = Layers::of_process(config.as_deref())?;
            // A configuration that would stop the start is said to be wrong here too.
            layers.config()?.settings()?;
            print!("{}", layers.show());
        }
    }
    Ok(())
}
