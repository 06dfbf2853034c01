//! A function on AWS Lambda: the emulator of `cargo-lambda` turns HTTP requests into events, which the function fetches
//! as it does on Lambda.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::function::Function;
use crate::wait::{PATIENCE, eventually};

/// The emulator and the function; both are killed when this is dropped.
pub struct Lambda {
    pub function: Function,
    /// The address of the emulator.
    pub url: String,
    emulator: Child,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

impl Lambda {
    /// Returns `Err` with what is missing on this machine.
    pub async fn start(program: &str, env: &[(String, String)]) -> Result<Self, String> {
        let emulator = root().join("target/python/bin/cargo-lambda");
        if !emulator.exists() {
            return Err("cargo-lambda is not installed: scripts/setup-python".to_owned());
        }
        // A port that was free a moment ago: the emulator cannot choose one.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let mut command = Command::new(emulator);
        command.args(["lambda", "watch", "--only-lambda-apis", "-A", "127.0.0.1", "-P", &port]);
        // The emulator must run inside some package.
        command.current_dir(root().join("functions/cloud")).stdin(Stdio::null()).stdout(Stdio::null());
        let mut emulator = command.stderr(Stdio::null()).spawn().unwrap();
        eventually("the Lambda emulator listens", PATIENCE, async || {
            assert!(emulator.try_wait().unwrap().is_none(), "the Lambda emulator ended");
            TcpStream::connect(format!("127.0.0.1:{port}")).ok()
        })
        .await;
        let url = format!("http://127.0.0.1:{port}");
        let runtime = [
            ("AWS_LAMBDA_RUNTIME_API", format!("{url}/.rt")),
            ("AWS_LAMBDA_FUNCTION_NAME", "_".to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
        ];
        let runtime = runtime.into_iter().map(|(name, value)| (name.to_owned(), value));
        let env: Vec<_> = env.iter().cloned().chain(runtime).collect();
        Ok(Self { function: Function::start(program, &env).await, url, emulator })
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        let _ = self.emulator.kill();
        let _ = self.emulator.wait();
    }
}
