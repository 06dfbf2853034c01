//! What a command prints. A reader may go away before the end, as `head` does, and a disk may be full: neither is a reason
//! to panic.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use domain::masking::without_credentials;

/// Why a command could not print.
#[derive(Debug)]
pub enum OutputError {
    /// Nobody reads any more.
    Closed,
    Failed(io::Error),
}

impl fmt::Display for OutputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("nobody reads the output any more"),
            Self::Failed(error) => write!(f, "the output cannot be written: {error}"),
        }
    }
}

impl Error for OutputError {}

impl From<io::Error> for OutputError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::Closed } else { Self::Failed(error) }
    }
}

/// A signal that ended a command.
#[derive(Debug)]
pub struct EndedBySignal {
    pub name: &'static str,
    pub number: u8,
    /// What became of the command's work.
    pub outcome: String,
}

impl fmt::Display for EndedBySignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.outcome)
    }
}

impl Error for EndedBySignal {}

/// What shells add to the number of the signal that ended a program.
const SIGNAL_CODES: u8 = 128;

/// Prints a line on standard output.
pub fn print_line(line: impl fmt::Display) -> Result<(), OutputError> {
    print(format_args!("{line}\n"))
}

/// Prints text on standard output.
pub fn print(text: impl fmt::Display) -> Result<(), OutputError> {
    let mut output = io::stdout().lock();
    write!(output, "{text}")?;
    Ok(output.flush()?)
}

/// Tells the user about something on standard error, in a line that begins with the name of the program.
pub fn tell(program: &str, text: impl fmt::Display) {
    // Where even standard error cannot be written, nobody can be told.
    let _ = writeln!(io::stderr(), "{program}: {}", without_credentials(&text.to_string()));
}

/// Ends a command: 0 if it is done, 1 with a line that says why it failed, or as shells do after a signal. A command
/// whose reader went away is done.
pub fn exit_code<E>(program: &str, done: Result<(), E>) -> ExitCode
where
    E: fmt::Display + AsRef<dyn Error + Send + Sync>,
{
    let Err(error) = done else { return ExitCode::SUCCESS };
    if let Some(OutputError::Closed) = error.as_ref().downcast_ref() {
        return ExitCode::SUCCESS;
    }
    // The line has the whole chain of causes.
    tell(program, format_args!("{error:#}"));
    match error.as_ref().downcast_ref::<EndedBySignal>() {
        Some(signal) => ExitCode::from(SIGNAL_CODES + signal.number),
        None => ExitCode::FAILURE,
    }
}
