//! `afterword logout`.

use terminal::output::print_line;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::login::store::Logins;
use crate::login::token_store;
use crate::messages::Message;

const EXAMPLES: &str = "\
The token stays valid until its end; only this computer forgets it.

Examples:
  afterword logout                        forget the default login
  afterword logout --name home            forget the login `home`";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The login to forget [default: the newest one]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

pub fn run(args: &Args) -> Result<Exit, Failure> {
    let removed = Logins::change(|logins| {
        let name = logins.find(args.name.as_deref())?.map(|login| login.name.clone());
        let removed = name.and_then(|name| logins.remove(&name));
        removed.ok_or(Message::NoServer)
    })?;
    token_store::forget(&removed)?;
    print_line(format_args!("{} ({}) is forgotten", removed.name, removed.url))?;
    Ok(Exit::Done)
}
