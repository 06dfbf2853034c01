//! A connection that dies without notice, as when a process was frozen and the network has dropped its state.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Forwards bytes until it falls silent: existing connections then stay open and receive nothing more. Dropping it
/// closes all connections.
pub struct Wire {
    endpoint: String,
    /// How many clients have connected, and how many of the connections are silent.
    connected: Arc<AtomicUsize>,
    silent: watch::Sender<usize>,
    _work: JoinSet<()>,
}

impl Wire {
    pub async fn to(endpoint: &str) -> Self {
        let (listener, address) = crate::listen().await;
        let upstream = endpoint.trim_start_matches("http://").to_owned();
        let (connected, silent, mut work) = (Arc::new(AtomicUsize::new(0)), watch::Sender::new(0), JoinSet::new());
        let (counted, heard) = (connected.clone(), silent.subscribe());
        work.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(&upstream).await.unwrap();
                let number = counted.fetch_add(1, Ordering::SeqCst);
                connections.spawn(pass(near, far, number, heard.clone()));
            }
        });
        Self { endpoint: format!("http://{address}"), connected, silent, _work: work }
    }

    /// `http://host:port`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Silences the existing connections; new ones still work.
    pub fn fall_silent(&self) {
        self.silent.send_replace(self.connected.load(Ordering::SeqCst));
    }
}

async fn pass(mut near: TcpStream, mut far: TcpStream, number: usize, mut silent: watch::Receiver<usize>) {
    let falls_silent = async { silent.wait_for(|silent| *silent > number).await.map(drop) };
    tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => {}
        _ = falls_silent => std::future::pending().await,
    }
}
