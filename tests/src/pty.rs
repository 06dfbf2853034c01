//! The program on a terminal: a pseudo-terminal of a width, and everything that appears on it.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::program;

/// What appeared, and how the program ended.
#[derive(Debug)]
pub struct Seen {
    pub code: Option<i32>,
    pub text: String,
}

/// Runs `afterword <args>` on a terminal with so many columns, without colours, to its end.
pub async fn run(columns: u16, args: &[&str], env: &[(String, String)]) -> Seen {
    let mut command = Command::new(program::path());
    command.args(args).env_clear().envs(program::inherited()).env("TERM", "xterm").env("NO_COLOR", "1");
    command.envs(env.iter().cloned());
    tokio::task::spawn_blocking(move || on_terminal(columns, command)).await.unwrap()
}

/// The same with colours.
pub async fn run_in_colour(columns: u16, args: &[&str], env: &[(String, String)]) -> Seen {
    let colourful = [env, &[("NO_COLOR".to_owned(), String::new())]].concat();
    run(columns, args, &colourful).await
}

fn on_terminal(columns: u16, mut command: Command) -> Seen {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    tcsetwinsize(&master, Winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = || -> OwnedFd {
        let path = std::path::Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()));
        rustix::fs::open(path, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap()
    };
    command.stdin(Stdio::null()).stdout(slave()).stderr(slave());
    let mut child = command.spawn().unwrap();
    // The command holds the other side of the terminal too, and the terminal ends when nobody does.
    drop(command);
    let mut seen = Vec::new();
    // It ends with an error instead of an end of file.
    let _ = File::from(master).read_to_end(&mut seen);
    let code = child.wait().unwrap().code();
    // A terminal writes each line end as two characters.
    Seen { code, text: String::from_utf8(seen).unwrap().replace("\r\n", "\n") }
}
