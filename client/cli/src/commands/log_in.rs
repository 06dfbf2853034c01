//! `afterword login`.

use std::path::PathBuf;
use std::sync::Arc;

use terminal::output::{print, print_line, tell};
use terminal::{Cell, Screen, Table};

use crate::api::{Api, Claims, Tokens};
use crate::connection::{Environment, network};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::local_server::LocalServers;
use crate::login::address::Address;
use crate::login::store::{Login, Logins, StoredToken, checked_name};
use crate::login::{keychain, token, token_store};
use crate::messages::Message;
use crate::times::Zone;

const EXAMPLES: &str = "\
The server is asked first, and nothing is kept that does not work. The token is kept in the keychain of macOS, elsewhere in \
a file that only you may read. AFTERWORD_SERVER and AFTERWORD_TOKEN win over what is kept.

On the machine of a server that runs, no login is needed: the other commands find its data folder, ./afterword-data, or \
take it with --data-dir.

Examples:
  afterword login --server https://home.example --token - <token.txt
  afterword login --server https://work.example --token-command 'pass show afterword' --name work
  afterword login --server https://192.168.1.5:8787 --ca-file cert.pem --token TOKEN
  afterword login --list
  afterword login --use home              make another login the default";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The address of the server
    #[arg(long, value_name = "URL", required_unless_present_any = ["list", "use_login"])]
    server: Option<String>,
    /// The token; `-` reads it from standard input
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_command")]
    token: Option<String>,
    /// A command for the shell that prints a token; it runs whenever one is needed
    #[arg(long, value_name = "CMD")]
    token_command: Option<String>,
    /// The name of this login [default: the host of the server]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// A PEM file with certificates to trust besides those of the system; it is remembered
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// List the logins
    #[arg(long, conflicts_with_all = ["server", "token", "token_command", "name", "ca_file", "use_login"])]
    list: bool,
    /// Make this login the default
    #[arg(long = "use", value_name = "NAME", conflicts_with_all = ["server", "token", "token_command", "name", "ca_file"])]
    use_login: Option<String>,
}

pub async fn run(args: Args, _: &dyn LocalServers) -> Result<Exit, Failure> {
    if args.list {
        return list();
    }
    if let Some(name) = &args.use_login {
        Logins::change(|logins| logins.choose(name))?;
        print_line(format_args!("{} is the default now", terminal::plain(name)))?;
        return Ok(Exit::Done);
    }
    log_in(args).await
}

async fn log_in(args: Args) -> Result<Exit, Failure> {
    let address = Address::parse(args.server.as_deref().unwrap_or_default())?;
    let name = args.name.as_deref().map_or_else(|| Ok(address.usual_name()), checked_name)?;
    let given = Given::of(args.token, args.token_command)?;
    // A relative path would mean another file in another folder.
    let ca_file = args.ca_file.map(|path| std::path::absolute(&path).unwrap_or(path));
    let api = Api::new(Arc::new(network(ca_file.clone())?), address.to_string(), given.tokens());
    // The limits are answered to a valid token only, and by no other kind of server.
    api.limits().await.map_err(as_failure)?;
    let claims = api.claims().await?;
    let uid = claims.sub.clone();
    let who = uid.as_ref().map(|uid| format!(" as {uid}")).unwrap_or_default();
    Logins::change(|logins| {
        let token = given.keep(&name)?;
        let login = Login { name: name.clone(), url: address.to_string(), token, ca_file, uid };
        logins.put(login);
        Ok(())
    })?;
    print_line(format_args!("logged in to {address}{who}; the login is named `{name}` and is the default"))?;
    warn(&claims, matches!(given, Given::Command(_)));
    Ok(Exit::Done)
}

/// A login that could not be checked has failed, also if the server is offline: nothing was kept.
fn as_failure(message: Message) -> Failure {
    match message {
        Message::Unreachable { server, why } => Message::LoginUnreachable { server, why }.into(),
        other => other.into(),
    }
}

fn warn(claims: &Claims, is_command: bool) {
    if let Some(end) = claims.expires().filter(|_| !is_command) {
        let end = Zone::new(false).minute(end);
        tell(crate::PROGRAM, format_args!("the token is valid until {end}; --token-command gets new ones by itself"));
    }
    let environment = Environment::of_process();
    if environment.server.is_some() || environment.token.is_some() {
        let warning = "AFTERWORD_SERVER or AFTERWORD_TOKEN is set, and wins over what was kept";
        tell(crate::PROGRAM, warning);
    }
}

/// What the user gave.
enum Given {
    Token(secrecy::SecretString),
    Command(String),
}

impl Given {
    fn of(token: Option<String>, command: Option<String>) -> Result<Self, Message> {
        match (token, command) {
            (Some(token), _) => token::given(&token).map(Self::Token),
            (None, Some(command)) if !command.trim().is_empty() => Ok(Self::Command(command)),
            _ => Err(Message::TokenMissing),
        }
    }

    fn tokens(&self) -> Tokens {
        match self {
            Self::Token(token) => Tokens::fixed(token.clone()),
            Self::Command(command) => Tokens::command(command.clone()),
        }
    }

    fn keep(&self, name: &str) -> Result<StoredToken, Message> {
        match self {
            Self::Token(token) => token_store::keep(name, token),
            Self::Command(command) => Ok(StoredToken::Command(command.clone())),
        }
    }
}

fn list() -> Result<Exit, Failure> {
    let logins = Logins::read()?;
    let mut table = Table::new(["NAME", "SERVER", "USER", "TOKEN", "DEFAULT"]);
    for login in logins.all() {
        let place = match &login.token {
            StoredToken::Here(_) => "in a file",
            StoredToken::Keychain => "in the keychain",
            StoredToken::Command(_) => "by a command",
        };
        table.row([
            Cell::new(&login.name),
            Cell::new(&login.url),
            Cell::new(login.uid.clone().unwrap_or_default()),
            Cell::new(place),
            Cell::new(if logins.is_default(login) { "default" } else { "" }),
        ]);
    }
    if table.is_empty() {
        let kept = if keychain::IS_THERE { "in the keychain" } else { "in a file" };
        tell(crate::PROGRAM, format_args!("there are no logins; `afterword login` keeps one {kept}"));
        return Ok(Exit::Done);
    }
    print(table.render(Screen::of_stdout()))?;
    Ok(Exit::Done)
}
