//! Every sentence that a command says when something is not as it should be: what happened, which thing, what to do.
//!
//! The name of a variant is the id of the message, its fields are its parameters, and the attribute is its English.

use std::path::PathBuf;

use crate::exit::Exit;

/// A message to the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Message {
    // Which server?
    #[error(
        "no server is known: log in with `afterword login --server URL --token TOKEN`, set AFTERWORD_SERVER and \
         AFTERWORD_TOKEN, or name the data folder of a server that runs on this machine with --data-dir"
    )]
    NoServer,
    #[error("no login is named `{name}`{}; `afterword login --list` lists them", near(nearest.as_deref()))]
    NoSuchLogin { name: String, nearest: Option<String> },
    #[error("no token is known for {server}: set AFTERWORD_TOKEN, or log in with `afterword login --server {server}`")]
    NoToken { server: String },
    #[error("AFTERWORD_TOKEN is set, but no server is known: set AFTERWORD_SERVER too, or log in")]
    TokenWithoutServer,
    #[error("{folder} is no data folder of a server: start one with `afterword serve --data-dir {folder}`")]
    NoDataFolder { folder: String },
    #[error("no server runs on the data folder {folder}: start it with `afterword serve --data-dir {folder}`")]
    NoServerRuns { folder: String },
    #[error("the data folder {folder} cannot be used: {why}")]
    DataFolderUnusable { folder: String, why: String },

    // Logging in.
    #[error("`{url}` is not the address of a server: {why}")]
    InvalidAddress { url: String, why: String },
    #[error("a login needs a token: --token TOKEN, --token - to read it from standard input, or --token-command CMD")]
    TokenMissing,
    #[error("the token that was given is empty, or is no token: it has a space or a character that cannot be sent")]
    InvalidToken,
    #[error("{server} cannot be reached: {why}. The login is not kept; check the address and whether the server runs")]
    LoginUnreachable { server: String, why: String },
    #[error("no token can be read from standard input: {why}")]
    TokenNotRead { why: String },
    #[error("`{name}` cannot be the name of a login: use letters, digits, and any of . _ - :")]
    InvalidName { name: String },
    #[error("the token command {why}; it must print a token and end with 0: {command}")]
    TokenCommandFailed { command: String, why: String },
    #[error("the logins in {} cannot be read: {why}", path.display())]
    LoginsUnreadable { path: PathBuf, why: String },
    #[error("the logins in {} are of a newer version of this program; update it, or move the file away", path.display())]
    LoginsNewer { path: PathBuf },
    #[error("the login cannot be kept in {}: {why}", path.display())]
    LoginsNotWritten { path: PathBuf, why: String },
    #[error("there is no folder for what has to be kept: set HOME, or XDG_CONFIG_HOME and XDG_DATA_HOME")]
    NoConfigFolder,
    #[error("the keychain refuses the token of `{name}`: {why}")]
    Keychain { name: String, why: String },

    // Talking to the server.
    #[error("{server} cannot be reached: {why}. Nothing is lost; check the network and whether the server runs")]
    Unreachable { server: String, why: String },
    #[error("{server} does not answer in time. Nothing is lost; try again later")]
    Timeout { server: String },
    #[error("the connection to {server} broke: {why}. Nothing is lost; try again")]
    Broken { server: String, why: String },
    #[error(
        "the certificate of {server} is refused: {why}. If the server is your own, trust its certificate with \
         --ca-file FILE; otherwise somebody may be listening"
    )]
    Certificate { server: String, why: String },
    #[error("{why}")]
    CaFile { why: String },
    #[error("{why}. NO_PROXY names the servers that are reached without it")]
    Proxy { why: String },
    #[error("{server} is no Afterword server: GET {path} answered {what}. Check the address")]
    NotAfterword { server: String, path: String, what: String },
    #[error("{server} sends its callers elsewhere, to {to}; log in with that address if you trust it")]
    Redirected { server: String, to: String },
    #[error("{server} refuses the token: {detail}. Log in again with a new one")]
    TokenRefused { server: String, detail: String },
    #[error("{server} does not allow this: {detail} ({code})")]
    Forbidden { server: String, detail: String, code: String },
    #[error("{server} asks to wait{}: {detail} ({code})", span_of(*seconds))]
    AsksToWait { server: String, detail: String, code: String, seconds: Option<u64> },
    #[error("{server} has a fault ({what}). Nothing is lost; try again later{}", request(request_id.as_deref()))]
    ServerFault { server: String, what: String, request_id: Option<String> },
    #[error("{server} refuses: {detail} ({code})")]
    Refused { server: String, detail: String, code: String },

    // Jobs and conversations.
    #[error("`{id}` is no id of a job: it has hexadecimal digits and dashes, and at least 4 of them")]
    InvalidJobId { id: String },
    #[error("no job of yours is named {id}, or it has expired; `afterword jobs` lists them")]
    NoSuchJob { id: String },
    #[error("{count} jobs begin with {id}; give more of its digits")]
    SeveralJobs { id: String, count: usize },
    #[error("name the jobs to run again, or use --all-failed; `afterword jobs --status failed` lists them")]
    NoJobNamed,
    #[error("no conversation is named {id}; `afterword transcripts --json` lists them")]
    NoSuchConversation { id: String },
    #[error("{} exists; choose another file, or replace it with --force", path.display())]
    FileExists { path: PathBuf },

    // Pushing.
    #[error("{} cannot be read: {why}", path.display())]
    PathUnreadable { path: PathBuf, why: String },
    #[error("{} has no recordings: no file with a name that ends in .bin, and no sound file", path.display())]
    NoRecordings { path: PathBuf },
    #[error("{} is not sent: {why}", path.display())]
    NotSent { path: PathBuf, why: String },
    #[error("more than {most} files are named; push them in parts")]
    TooManyFiles { most: usize },
    #[error(
        "the index {path} is damaged ({why}): `afterword rebuild` makes a new one from the recordings, which are not \
         touched"
    )]
    IndexDamaged { path: String, why: String },
    #[error("the recordings on this computer cannot be used: {why}")]
    EngineUnusable { why: String },
    #[error(
        "another `afterword push`, `watch` or `record` for this server runs on this computer; this command can run when \
         that one has ended"
    )]
    PushRuns,
    #[error("{reason}; {}: the same command goes on later", waiting(*count))]
    RecordingsWait { reason: String, count: usize },
    #[error("{reason}; {} on this computer: `afterword push --waiting` sends them later", waiting(*count))]
    RecordingsStay { reason: String, count: usize },
    #[error("{why}; {} on this computer", waiting(*count))]
    UploadRefused { why: String, count: usize },
    #[error("{} of {all} recordings did not arrive as they should; see above", failed)]
    RecordingsFailed { failed: usize, all: usize },

    // Recording.
    #[error("standard input is a terminal: send audio into the command, as in `arecord -t raw … | afterword record …`")]
    NoInput,
    #[error("this cannot be recorded: {why}")]
    InvalidFormat { why: String },
    #[error("frames of {codec} cannot be found without their lengths, or are too long: use --input frames")]
    NotRaw { codec: String },
    #[error("no audio came on standard input")]
    NoAudio,
    #[error("the recording ended early: {why}. What came before is kept")]
    RecordingEnded { why: String },

    // Watching.
    #[error("{} is no folder", path.display())]
    NoFolder { path: PathBuf },
    #[error("what `watch` knows about its files cannot be used: {why}")]
    LedgerUnusable { why: String },

    // What is on this computer.
    #[error("{why}")]
    NotImported { why: String },
    #[error("{} of the older app cannot be imported; see above", entries(*count))]
    EntriesLost { count: usize },
    #[error("there is nothing to rebuild: nothing was recorded or pushed on this computer for this server ({})", folder.display())]
    NothingToRebuild { folder: PathBuf },
    #[error("a new index is made only if somebody confirms it: use --yes")]
    NotConfirmed,
    #[error("not everything could be read ({count} times); nothing of it is changed, and the command can be repeated")]
    LeftOut { count: usize },

    #[error("{} exists; choose another file for the report", path.display())]
    ReportExists { path: PathBuf },
    #[error("{} cannot be written: {why}", path.display())]
    FileNotWritten { path: PathBuf, why: String },
}

impl Message {
    /// How a command ends that says this.
    pub fn exit(&self) -> Exit {
        match self {
            Self::NoServerRuns { .. }
            | Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::Broken { .. }
            | Self::AsksToWait { .. }
            | Self::ServerFault { .. }
            | Self::PushRuns
            | Self::RecordingsWait { .. }
            | Self::RecordingsStay { .. } => Exit::Waiting,
            Self::TokenMissing
            | Self::InvalidAddress { .. }
            | Self::InvalidName { .. }
            | Self::InvalidJobId { .. }
            | Self::NoInput
            | Self::InvalidFormat { .. }
            | Self::NotRaw { .. }
            | Self::NoFolder { .. }
            | Self::NotConfirmed
            | Self::NoJobNamed => Exit::Usage,
            _ => Exit::Failed,
        }
    }
}

fn entries(count: usize) -> String {
    if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") }
}

fn waiting(count: usize) -> String {
    if count == 1 { "1 recording waits".to_owned() } else { format!("{count} recordings wait") }
}

fn near(nearest: Option<&str>) -> String {
    nearest.map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}

fn span_of(seconds: Option<u64>) -> String {
    let span = |seconds| format!(" {}", crate::times::span(std::time::Duration::from_secs(seconds)));
    seconds.map(span).unwrap_or_default()
}

fn request(id: Option<&str>) -> String {
    id.map(|id| format!("; its log has more under {id}")).unwrap_or_default()
}
