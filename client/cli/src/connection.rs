//! Which server a command talks to, with which token.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;

use network::{Network, Proxy, Settings};

use crate::api::{Api, Tokens};
use crate::local_server::{LocalServer, LocalServerError, LocalServers, USUAL_FOLDER};
use crate::login::address::Address;
use crate::login::store::{Login, Logins};
use crate::login::token_store;
use crate::messages::Message;

/// The options by which every command chooses its server.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct ServerArgs {
    /// The login to use [default: the newest one]
    #[arg(long, value_name = "NAME", conflicts_with = "data_dir")]
    pub name: Option<String>,
    /// The data folder of a server that runs on this machine; no login is needed [default: ./afterword-data, if nothing
    /// else is known]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// A PEM file with certificates to trust besides those of the system
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// Where the address of the server comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Environment,
    Login { name: String },
    DataFolder { path: PathBuf },
}

impl Origin {
    /// In a few words.
    pub fn describe(&self) -> String {
        match self {
            Self::Environment => "from AFTERWORD_SERVER".to_owned(),
            Self::Login { name } => format!("login `{name}`"),
            Self::DataFolder { path } => format!("runs on {}", path.display()),
        }
    }
}

/// A server that was chosen.
pub struct Connection {
    pub api: Api,
    pub origin: Origin,
    /// The user, where it is known without a look at the token.
    pub uid: Option<String>,
    pub has_token_of_environment: bool,
}

/// The environment variables that win over what is stored.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    pub server: Option<String>,
    pub token: Option<String>,
}

impl Environment {
    pub fn of_process() -> Self {
        let set = |name: &str| env::var(name).ok().filter(|value| !value.trim().is_empty());
        Self { server: set("AFTERWORD_SERVER"), token: set("AFTERWORD_TOKEN") }
    }
}

/// Chooses the server: an option of the command line wins over the environment, that over what is stored, and that
/// over a server that runs on the usual folder.
pub fn connect(args: &ServerArgs, local: &dyn LocalServers) -> Result<Connection, Message> {
    let environment = Environment::of_process();
    if let Some(folder) = &args.data_dir {
        return on_folder(folder.clone(), args, local);
    }
    if args.name.is_none() && environment.server.is_some() {
        return from_environment(environment, args);
    }
    let logins = Logins::read()?;
    if let Some(login) = logins.find(args.name.as_deref())? {
        return of_login(login, environment.token.filter(|_| args.name.is_none()), args);
    }
    match on_folder(USUAL_FOLDER.into(), args, local) {
        Err(Message::NoDataFolder { .. }) if environment.token.is_some() => Err(Message::TokenWithoutServer),
        Err(Message::NoDataFolder { .. }) => Err(Message::NoServer),
        found => found,
    }
}

fn from_environment(environment: Environment, args: &ServerArgs) -> Result<Connection, Message> {
    let address = Address::parse(&environment.server.unwrap_or_default())?;
    let (tokens, ca_file) = match environment.token {
        Some(token) => (Tokens::fixed(crate::login::token::checked(&token)?), None),
        // A stored token goes only to the server that it is stored for.
        None => {
            let logins = Logins::read()?;
            let login = logins.of_server(&address);
            let login = login.ok_or_else(|| Message::NoToken { server: address.to_string() })?;
            (token_store::tokens(login)?, login.ca_file.clone())
        }
    };
    connection(address.to_string(), tokens, ca_file, Origin::Environment, None, args)
}

fn of_login(login: &Login, token: Option<String>, args: &ServerArgs) -> Result<Connection, Message> {
    let has_token_of_environment = token.is_some();
    let tokens = match token {
        Some(token) => Tokens::fixed(crate::login::token::checked(&token)?),
        None => token_store::tokens(login)?,
    };
    let origin = Origin::Login { name: login.name.clone() };
    // A token of the environment may be another user's.
    let uid = login.uid.clone().filter(|_| !has_token_of_environment);
    let connection = connection(login.url.clone(), tokens, login.ca_file.clone(), origin, uid, args)?;
    Ok(Connection { has_token_of_environment, ..connection })
}

fn on_folder(folder: PathBuf, args: &ServerArgs, local: &dyn LocalServers) -> Result<Connection, Message> {
    let shown = folder.display().to_string();
    let server: LocalServer = local.find(&folder).map_err(|error| match error {
        LocalServerError::NoFolder => Message::NoDataFolder { folder: shown },
        LocalServerError::NotRunning => Message::NoServerRuns { folder: shown },
        LocalServerError::Unusable(why) => Message::DataFolderUnusable { folder: shown, why },
    })?;
    let (url, ca_file, uid) = (server.url.clone(), server.ca_file.clone(), server.uid.clone());
    let path = std::path::absolute(&folder).unwrap_or(folder);
    connection(url, Tokens::local(server), ca_file, Origin::DataFolder { path }, Some(uid), args)
}

fn connection(
    server: String,
    tokens: Tokens,
    ca_file: Option<PathBuf>,
    origin: Origin,
    uid: Option<String>,
    args: &ServerArgs,
) -> Result<Connection, Message> {
    let network = network(args.ca_file.clone().or(ca_file))?;
    let has_token_of_environment = matches!(origin, Origin::Environment);
    Ok(Connection { api: Api::new(Arc::new(network), server, tokens), origin, uid, has_token_of_environment })
}

pub fn network(ca_file: Option<PathBuf>) -> Result<Network, Message> {
    let settings = Settings { ca_file, proxy: proxy()?, ..Settings::default() };
    Network::new(&settings).map_err(|why| Message::CaFile { why: why.to_string() })
}

/// The proxy of the environment.
pub fn proxy() -> Result<Option<Proxy>, Message> {
    Proxy::of_environment(|name| env::var(name).ok()).map_err(|why| Message::Proxy { why: why.to_string() })
}
