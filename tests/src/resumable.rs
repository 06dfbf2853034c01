//! A client of resumable uploads as a good one is written: pieces on a kept connection, and after whatever went wrong it
//! asks how far the file has come and goes on from there.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::wait::{PATIENCE, eventually_or};
use crate::wire::{Reply, is_whole};

/// What is sent before the next acknowledgement: so much is lost with a connection, at most.
pub const CHUNK: usize = 512 * 1024;
/// What is handed to the socket in one go.
const PIECE: usize = 64 * 1024;
/// What waits in the kernel is lost with the connection, too.
const WAITING: u32 = 64 * 1024;
/// No answer for so long: the connection is dead, whatever it looks like.
const GIVES_UP: Duration = Duration::from_secs(1);

/// What is known of a file beyond the life of the app that sends it. Clones share it.
#[derive(Clone, Default)]
pub struct Tally(Arc<Counts>);

#[derive(Default)]
struct Counts {
    handed: AtomicU64,
    acknowledged: AtomicU64,
    failures: AtomicU64,
}

impl Tally {
    /// Bytes of the file that were handed to a socket, each time counted.
    pub fn handed(&self) -> u64 {
        self.0.handed.load(Ordering::Relaxed)
    }

    /// Requests that ended in anything but an answer.
    pub fn failures(&self) -> u64 {
        self.0.failures.load(Ordering::Relaxed)
    }

    /// So many bytes are there, says the server: it must never say less again.
    #[track_caller]
    pub fn acknowledge(&self, offset: u64) {
        let before = self.0.acknowledged.fetch_max(offset, Ordering::Relaxed);
        assert!(offset >= before, "{before} bytes were acknowledged, and now there are {offset}");
    }
}

/// A file on its way to its address. Dropped, the app is dead: only the tally goes on.
pub struct Resumable {
    address: SocketAddr,
    path: String,
    content: Bytes,
    tally: Tally,
    connection: Option<TcpStream>,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Open(u64),
    Whole,
}

impl Resumable {
    /// `path`: the `upload_url`, as the server gave it.
    pub fn new(url: &str, path: &str, content: &Bytes, tally: &Tally) -> Self {
        let address = url.strip_prefix("http://").unwrap().parse().unwrap();
        Self { address, path: path.to_owned(), content: content.clone(), tally: tally.clone(), connection: None }
    }

    /// From where the file has come to, to its end.
    pub async fn send(&mut self) {
        let mut state = self.ask().await;
        while let State::Open(offset) = state {
            state = match self.send_chunk(offset).await {
                Ok(next) => next,
                Err(_) => self.ask().await,
            };
        }
    }

    /// Asks until there is an answer: the network comes back, and so does the server.
    async fn ask(&mut self) -> State {
        let range = format!("bytes */{}", self.content.len());
        eventually_or("an answer to how far the file has come", PATIENCE, async || self.put(&range, 0, 0).await).await
    }

    async fn send_chunk(&mut self, offset: u64) -> io::Result<State> {
        let from = usize::try_from(offset).unwrap();
        let to = self.content.len().min(from + CHUNK);
        let range = format!("bytes {from}-{}/{}", to - 1, self.content.len());
        self.put(&range, from, to).await
    }

    async fn put(&mut self, range: &str, from: usize, to: usize) -> io::Result<State> {
        let reply = match tokio::time::timeout(GIVES_UP, self.exchange(range, from, to)).await {
            Ok(reply) => reply,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        match reply {
            Ok(reply) => self.read(&reply),
            Err(error) => {
                // What a broken connection would still say belongs to nobody.
                self.connection = None;
                self.tally.0.failures.fetch_add(1, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    async fn dial(&self) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.set_send_buffer_size(WAITING)?;
        socket.connect(self.address).await
    }

    /// One request and its answer, which may come before the whole body is sent.
    async fn exchange(&mut self, range: &str, from: usize, to: usize) -> io::Result<Reply> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.dial().await?,
        };
        let (path, length) = (&self.path, to - from);
        let head =
            format!("PUT {path} HTTP/1.1\r\nhost: x\r\ncontent-range: {range}\r\ncontent-length: {length}\r\n\r\n");
        let (mut reader, mut writer) = connection.split();
        let mut sent = 0;
        let sending = async {
            writer.write_all(head.as_bytes()).await?;
            while sent < length {
                let end = length.min(sent + PIECE);
                let handed = writer.write(&self.content[from + sent..from + end]).await?;
                sent += handed;
                self.tally.0.handed.fetch_add(handed as u64, Ordering::Relaxed);
            }
            std::future::pending::<io::Result<()>>().await
        };
        let reply = tokio::select! {
            failed = sending => return Err(failed.err().unwrap_or(io::ErrorKind::BrokenPipe.into())),
            reply = read_reply(&mut reader) => reply?,
        };
        if sent == length && reply.header("connection") != Some("close") {
            self.connection = Some(connection);
        }
        Ok(reply)
    }

    fn read(&self, reply: &Reply) -> io::Result<State> {
        match reply.status() {
            200 | 201 => {
                self.tally.acknowledge(self.content.len() as u64);
                Ok(State::Whole)
            }
            308 => {
                let last = reply.header("range").and_then(|range| range.strip_prefix("bytes=0-")?.parse::<u64>().ok());
                let offset = last.map_or(0, |last| last + 1);
                self.tally.acknowledge(offset);
                Ok(State::Open(offset))
            }
            // A server that stops, or whose disk is slow: asked again.
            408 | 500.. => Err(io::Error::other(reply.text.clone())),
            _ => panic!("no answer to a good client: {}", reply.text),
        }
    }
}

async fn read_reply(stream: &mut (impl AsyncReadExt + Unpin)) -> io::Result<Reply> {
    let mut seen = Vec::new();
    loop {
        if stream.read_buf(&mut seen).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(&seen);
        if is_whole(&text) {
            return Ok(Reply { text: text.into_owned() });
        }
    }
}
