//! A network with planned failures: forwards TCP connections from a fixed address, and cuts them at given byte counts.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use testkit::SeededRandom;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::wait::PATIENCE;

/// The largest piece that is forwarded at once.
const MAX_FORWARD: usize = 16 * 1024;
/// A network holds few bytes. The system's own buffer grows to megabytes if the server is slow.
const SEND_BUFFER: u32 = 64 * 1024;

/// How a connection ends too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cut {
    /// Both connections are reset, and the bytes on their way are lost.
    Reset,
    /// The server sees the end of the request; its answer still arrives.
    HalfClose,
    /// Nothing is forwarded any more, and neither side is told, for as long as the proxy lives.
    Stall,
}

pub const CUTS: [Cut; 3] = [Cut::Reset, Cut::HalfClose, Cut::Stall];

/// Cuts in the order of their positions: each position counts the bytes of all connections towards the server.
#[derive(Clone, Debug, Default)]
pub struct Plan(VecDeque<(u64, Cut)>);

impl Plan {
    pub fn new(cuts: impl IntoIterator<Item = (u64, Cut)>) -> Self {
        let mut cuts: Vec<_> = cuts.into_iter().collect();
        cuts.sort_unstable();
        Self(cuts.into())
    }

    /// This many cuts of every kind in turn, at random positions within the range.
    pub fn random(random: &SeededRandom, count: usize, within: Range<u64>) -> Self {
        let length = usize::try_from(within.end - within.start).unwrap();
        let place = |n: usize| (within.start + random.below(length) as u64, CUTS[n % CUTS.len()]);
        Self::new((0..count).map(place))
    }
}

/// The proxy; dropping it closes all connections.
pub struct Proxy {
    pub url: String,
    shared: Arc<Shared>,
    _work: JoinSet<()>,
}

struct Shared {
    target: Mutex<String>,
    plan: Mutex<Plan>,
    /// The number of bytes forwarded towards the server.
    passed: watch::Sender<u64>,
}

impl Proxy {
    pub async fn to(url: &str, plan: Plan) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = format!("http://{}", listener.local_addr().unwrap());
        let shared = Shared { target: Mutex::new(address(url)), plan: Mutex::new(plan), passed: watch::Sender::new(0) };
        let shared = Arc::new(shared);
        let mut work = JoinSet::new();
        work.spawn(accept(listener, Arc::clone(&shared)));
        Self { url: own, shared, _work: work }
    }

    /// Sets the target of new connections: a restarted server has another port.
    pub fn set_target(&self, url: &str) {
        *self.shared.target.lock().unwrap() = address(url);
    }

    /// Returns once this many bytes went towards the server.
    pub async fn until_passed(&self, bytes: u64) {
        let mut passed = self.shared.passed.subscribe();
        let wait = tokio::time::timeout(PATIENCE, passed.wait_for(|passed| *passed >= bytes)).await;
        // The returned value holds a lock: reading again while it is held, and while a writer waits, would deadlock.
        let in_time = wait.map(drop).is_ok();
        assert!(in_time, "{} of {bytes} bytes were forwarded", *self.shared.passed.borrow());
    }

    /// The bytes that went towards the server.
    pub fn passed(&self) -> u64 {
        *self.shared.passed.borrow()
    }

    /// The number of cuts that are still to come.
    pub fn cuts_left(&self) -> usize {
        self.shared.plan.lock().unwrap().0.len()
    }
}

fn address(url: &str) -> String {
    url.strip_prefix("http://").unwrap().to_owned()
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(forward(client, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

/// A connection that holds few bytes on their way: those that the server has not read are lost when it is cut.
async fn connect(target: &str) -> io::Result<TcpStream> {
    let address = target.parse().map_err(io::Error::other)?;
    let socket = TcpSocket::new_v4()?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.connect(address).await
}

async fn forward(mut client: TcpStream, shared: Arc<Shared>) {
    let target = shared.target.lock().unwrap().clone();
    // Without a server the client's connection is closed.
    let Ok(mut server) = connect(&target).await else { return };
    let cut = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        tokio::select! {
            cut = towards_server(from_client, to_server, &shared) => cut,
            () = towards_client(from_server, to_client) => None,
        }
    };
    match cut {
        None => {}
        Some(Cut::Reset) => {
            let _ = (client.set_zero_linger(), server.set_zero_linger());
        }
        Some(Cut::HalfClose) => {
            let _ = server.shutdown().await;
            let (from_server, to_client) = (server.split().0, client.split().1);
            towards_client(from_server, to_client).await;
        }
        Some(Cut::Stall) => std::future::pending().await,
    }
}

/// Ends at a cut, or when the connection has broken. If the client has finished sending, it waits for the other
/// direction.
async fn towards_server(mut client: ReadHalf<'_>, mut server: WriteHalf<'_>, shared: &Shared) -> Option<Cut> {
    let mut piece = vec![0; MAX_FORWARD];
    loop {
        let read = client.read(&mut piece).await.ok()?;
        if read == 0 {
            server.shutdown().await.ok()?;
            return std::future::pending().await;
        }
        let (bytes, cut) = shared.let_pass(read);
        server.write_all(&piece[..bytes]).await.ok()?;
        shared.passed.send_modify(|passed| *passed += bytes as u64);
        if cut.is_some() {
            return cut;
        }
    }
}

async fn towards_client(mut server: ReadHalf<'_>, mut client: WriteHalf<'_>) {
    let copied: io::Result<u64> = tokio::io::copy(&mut server, &mut client).await;
    if copied.is_ok() {
        let _ = client.shutdown().await;
    }
}

impl Shared {
    /// How many of these bytes are forwarded, and which cut follows them.
    fn let_pass(&self, bytes: usize) -> (usize, Option<Cut>) {
        let mut plan = self.plan.lock().unwrap();
        let passed = *self.passed.borrow();
        match plan.0.front() {
            Some((at, _)) if *at <= passed + bytes as u64 => {
                let before = usize::try_from(at.saturating_sub(passed)).unwrap();
                (before, plan.0.pop_front().map(|(_, cut)| cut))
            }
            _ => (bytes, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Accepts one connection; returns the number of bytes received, and whether the connection ended well.
    async fn accept_one(listener: TcpListener) -> (usize, bool) {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        let ended = stream.read_to_end(&mut seen).await;
        let _ = stream.write_all(b"seen").await;
        (seen.len(), ended.is_ok())
    }

    async fn scene(plan: Plan) -> (Proxy, TcpStream, tokio::task::JoinHandle<(usize, bool)>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::to(&format!("http://{}", listener.local_addr().unwrap()), plan).await;
        let client = TcpStream::connect(address(&proxy.url)).await.unwrap();
        (proxy, client, tokio::spawn(accept_one(listener)))
    }

    #[tokio::test]
    async fn all_bytes_and_the_answer_arrive_without_a_cut() {
        let (proxy, mut client, server) = scene(Plan::default()).await;
        client.write_all(&[7; 100_000]).await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!((answer.as_str(), server.await.unwrap()), ("seen", (100_000, true)));
        proxy.until_passed(100_000).await;
    }

    #[tokio::test]
    async fn half_close_happens_at_its_byte_and_the_answer_still_arrives() {
        let (proxy, mut client, server) = scene(Plan::new([(70_001, Cut::HalfClose)])).await;
        client.write_all(&[7; 100_000]).await.unwrap();
        let mut answer = vec![0; 4];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!((answer.as_slice(), server.await.unwrap()), (&b"seen"[..], (70_001, true)));
        assert_eq!(proxy.cuts_left(), 0);
    }

    #[tokio::test]
    async fn reset_is_an_error_on_both_sides_and_a_stall_is_not() {
        let (proxy, mut client, server) = scene(Plan::new([(50, Cut::Reset)])).await;
        client.write_all(&[7; 100]).await.unwrap();
        assert!(client.read(&mut [0]).await.is_err());
        let (seen, ended_well) = server.await.unwrap();
        assert!(seen <= 50 && !ended_well);
        drop(proxy);

        let (proxy, mut client, server) = scene(Plan::new([(50, Cut::Stall)])).await;
        client.write_all(&[7; 100]).await.unwrap();
        proxy.until_passed(50).await;
        assert!(!server.is_finished());
        drop(proxy);
        assert_eq!(client.read(&mut [0]).await.unwrap_or(0), 0);
        assert_eq!(server.await.unwrap().0, 50);
    }
}
