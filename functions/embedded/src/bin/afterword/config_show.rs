//! `afterword config`: prints the configuration, and where each value comes from.

use anyhow::Result;
use config::{Layers, default_file};
use system::output::print;

use crate::args::{Config, ConfigCommand};

pub fn run(args: &Config) -> Result<()> {
    match &args.command {
        ConfigCommand::Default => print(default_file())?,
        ConfigCommand::Show { config } => {
            let layers = Layers::of_process(config.as_deref())?;
            // A configuration with which the server would not start is refused here too.
            layers.config()?;
            print(layers.show())?;
        }
    }
    Ok(())
}
