//! `afterword completions`.

use clap_complete::Shell;
use terminal::output::print;

use crate::exit::Exit;
use crate::failure::Failure;

const EXAMPLES: &str = "\
Examples:
  afterword completions bash >~/.local/share/bash-completion/completions/afterword
  afterword completions zsh >~/.zfunc/_afterword
  afterword completions fish >~/.config/fish/completions/afterword.fish";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub fn run(args: &Args, mut program: clap::Command) -> Result<Exit, Failure> {
    let (name, mut script) = (program.get_name().to_owned(), Vec::new());
    clap_complete::generate(args.shell, &mut program, name, &mut script);
    print(String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
