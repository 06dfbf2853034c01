//! A well-written client of resumable uploads: it sends pieces on a kept-alive connection, and after any fault it asks
//! how many bytes have arrived and continues from there.

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

/// The bytes that are sent before the next acknowledgement: at most this many are lost with a connection.
pub const CHUNK: usize = 512 * 1024;
/// The bytes that are written to the socket at once.
const WRITE_SIZE: usize = 64 * 1024;
/// The kernel's send buffer; its content is lost with the connection, too.
const SEND_BUFFER: u32 = 64 * 1024;
/// Without an answer for this long the connection is considered dead.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// What is known of a file beyond the life of the app that sends it. Clones share their state.
#[derive(Clone, Default)]
pub struct Tally(Arc<Counts>);

#[derive(Default)]
struct Counts {
    handed: AtomicU64,
    acknowledged: AtomicU64,
    failures: AtomicU64,
}

impl Tally {
    /// Bytes of the file that were written to a socket, repetitions included.
    pub fn handed(&self) -> u64 {
        self.0.handed.load(Ordering::Relaxed)
    }

    /// Requests that ended without an answer.
    pub fn failures(&self) -> u64 {
        self.0.failures.load(Ordering::Relaxed)
    }

    /// Records that the server has this many bytes: it must never report fewer again.
    #[track_caller]
    pub fn acknowledge(&self, offset: u64) {
        let before = self.0.acknowledged.fetch_max(offset, Ordering::Relaxed);
        assert!(offset >= before, "{before} bytes were acknowledged, but now the server has {offset}");
    }
}

/// An upload in progress. Dropping it kills the app: only the tally survives.
pub struct Resumable {
    address: SocketAddr,
    path: String,
    content: Bytes,
    tally: Tally,
    connection: Option<TcpStream>,
}

/// The state of the file on the server.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Open(u64),
    Whole,
}

impl Resumable {
    /// `path` is the `upload_url`, as the server returned it.
    pub fn new(url: &str, path: &str, content: &Bytes, tally: &Tally) -> Self {
        let address = url.strip_prefix("http://").unwrap().parse().unwrap();
        Self { address, path: path.to_owned(), content: content.clone(), tally: tally.clone(), connection: None }
    }

    /// Sends the file to its end, from where the server has it.
    pub async fn send(&mut self) {
        let mut state = self.ask().await;
        while let State::Open(offset) = state {
            state = match self.send_chunk(offset).await {
                Ok(next) => next,
                Err(_) => self.ask().await,
            };
        }
    }

    /// Asks until there is an answer: the network and the server come back.
    async fn ask(&mut self) -> State {
        let range = format!("bytes */{}", self.content.len());
        eventually_or("an answer with the offset of the file", PATIENCE, async || self.put(&range, 0, 0).await).await
    }

    async fn send_chunk(&mut self, offset: u64) -> io::Result<State> {
        let from = usize::try_from(offset).unwrap();
        let to = self.content.len().min(from + CHUNK);
        let range = format!("bytes {from}-{}/{}", to - 1, self.content.len());
        self.put(&range, from, to).await
    }

    async fn put(&mut self, range: &str, from: usize, to: usize) -> io::Result<State> {
        let reply = match tokio::time::timeout(ANSWER_TIMEOUT, self.exchange(range, from, to)).await {
            Ok(reply) => reply,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        match reply {
            Ok(reply) => self.read(&reply),
            Err(error) => {
                // Whatever a broken connection might still return is ignored.
                self.connection = None;
                self.tally.0.failures.fetch_add(1, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    async fn dial(&self) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.set_send_buffer_size(SEND_BUFFER)?;
        socket.connect(self.address).await
    }

    /// Sends one request and reads its answer, which may come before the whole body is sent.
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
                let end = length.min(sent + WRITE_SIZE);
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
            // The server is stopping, or its disk is slow: the client asks again.
            408 | 500.. => Err(io::Error::other(reply.text.clone())),
            _ => panic!("no valid answer to a correct client: {}", reply.text),
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
