//! The release program as a child process.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

pub struct Program {
    child: Child,
    pub url: String,
    data_dir: PathBuf,
    pub spawned: Instant,
}

/// The program that was built beside this one.
pub fn executable() -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("afterword");
    anyhow::ensure!(path.exists(), "{} is missing: run `make bench`", path.display());
    Ok(path)
}

impl Program {
    pub fn start(data_dir: &Path, env: &[(&str, &str)]) -> Result<Self> {
        let spawned = Instant::now();
        let mut child = Command::new(executable()?)
            .args(["serve", "--json", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir)
            .env("AFTERWORD_LOG_LEVEL", "warn")
            .env("AFTERWORD_BLOBS_RESERVE_BYTES", "0")
            // The null engine costs nothing, so that only everything around it is measured.
            .env("AFTERWORD_ENGINE_NAME", "null")
            .env("AFTERWORD_AUDIO_DETECTOR", "energy")
            .envs(env.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        let start: Value = serde_json::from_str(&line).with_context(|| format!("the server said `{line}`"))?;
        let url = start["url"].as_str().context("no url")?.to_owned();
        Ok(Self { child, url, data_dir: data_dir.to_owned(), spawned })
    }

    pub fn token(&self, uid: &str) -> Result<String> {
        let output = Command::new(executable()?)
            .args(["token", "--ttl", "1d", "--uid", uid, "--data-dir"])
            .arg(&self.data_dir)
            .output()?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// A figure that the kernel reports, in bytes, such as `VmRSS` (now) or `VmHWM` (the peak).
    pub fn memory(&self, name: &str) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kib: u64 = line.and_then(|line| line.split_whitespace().next()).context("status")?.parse()?;
        Ok(kib * 1024)
    }

    /// Files and connections that are open.
    pub fn open_files(&self) -> Result<usize> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count())
    }

    pub fn threads(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("Threads:"));
        Ok(line.context("status")?.trim().parse()?)
    }

    /// Resets `VmHWM`, so that it covers only what comes afterwards.
    pub fn forget_highest(&self) -> Result<()> {
        Ok(std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5")?)
    }

    /// Processor time that the server has used.
    pub fn cpu(&self) -> Result<Duration> {
        cpu(self.child.id())
    }
}

/// Processor time that a process has used.
pub fn cpu(process: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |at: usize| -> Result<u64> { Ok(fields.get(at).context("stat")?.parse()?) };
    Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
