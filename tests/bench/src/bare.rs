//! The baseline of uploads: hyper and a disk, and nothing between them. It runs as a process of its own, as our server
//! does.

use std::convert::Infallible;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// The argument that makes this program the server.
pub const ARGUMENT: &str = "--bare-server";
/// The size of one write, as in Afterword.
const PIECE: usize = 256 * 1024;

pub struct Bare {
    child: Child,
    pub url: String,
}

impl Bare {
    pub fn start(folder: &Path) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.arg(ARGUMENT).arg(folder).stdout(Stdio::piped()).spawn()?;
        let mut url = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut url)?;
        Ok(Self { child, url: url.trim().to_owned() })
    }
}

impl Bare {
    pub fn cpu(&self) -> Result<Duration> {
        crate::program::cpu(self.child.id())
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves requests until the process is killed.
pub async fn serve(folder: PathBuf) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    let desk = Arc::new(Desk { folder, next: AtomicU64::new(0) });
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let desk = Arc::clone(&desk);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let desk = Arc::clone(&desk);
                async move { Ok::<_, Infallible>(desk.take(request).await) }
            });
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

struct Desk {
    folder: PathBuf,
    next: AtomicU64,
}

impl Desk {
    async fn take(&self, request: Request<Incoming>) -> Response<Empty<Bytes>> {
        let mut answer = Response::new(Empty::new());
        *answer.status_mut() =
            if self.store(request.into_body()).await.is_ok() { StatusCode::ACCEPTED } else { StatusCode::BAD_GATEWAY };
        answer
    }

    /// Writes a temporary file in pieces, syncs it, renames it, and syncs the folder.
    async fn store(&self, mut body: Incoming) -> Result<()> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (temporary, name) = (self.folder.join(format!("{number}.tmp")), self.folder.join(number.to_string()));
        let mut file = File::create(&temporary)?;
        let mut buffer = Vec::with_capacity(PIECE);
        while let Some(frame) = body.frame().await {
            let Ok(bytes) = frame?.into_data() else { continue };
            buffer.extend_from_slice(&bytes);
            if buffer.len() >= PIECE {
                (file, buffer) = tokio::task::spawn_blocking(move || {
                    file.write_all(&buffer)?;
                    buffer.clear();
                    anyhow::Ok((file, buffer))
                })
                .await??;
            }
        }
        let folder = self.folder.clone();
        tokio::task::spawn_blocking(move || {
            file.write_all(&buffer)?;
            file.sync_all()?;
            std::fs::rename(&temporary, &name)?;
            File::open(&folder)?.sync_all()?;
            Ok(())
        })
        .await?
    }
}
