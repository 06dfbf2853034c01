//! One address for several servers: each connection goes to the next server. It plays the load balancer before the
//! instances of a cloud function.

use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

pub struct Balancer {
    pub url: String,
    targets: Arc<Mutex<Vec<String>>>,
    cut: Arc<Notify>,
    _work: JoinSet<()>,
}

impl Balancer {
    /// The address is `host:port`, for `TcpStream`; without a target, connections are closed.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let targets: Arc<Mutex<Vec<String>>> = Arc::default();
        let cut = Arc::new(Notify::new());
        let mut work = JoinSet::new();
        work.spawn(forward(listener, Arc::clone(&targets), Arc::clone(&cut)));
        Self { url, targets, cut, _work: work }
    }

    /// Closes all current connections.
    pub fn cut(&self) {
        self.cut.notify_waiters();
    }

    pub fn targets(&self, urls: impl IntoIterator<Item = String>) {
        let hosts = urls.into_iter().map(|url| url.trim_start_matches("http://").to_owned());
        *self.targets.lock().unwrap() = hosts.collect();
    }
}

async fn forward(listener: TcpListener, targets: Arc<Mutex<Vec<String>>>, cut: Arc<Notify>) {
    let mut connections = JoinSet::new();
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        while connections.try_join_next().is_some() {}
        let target = {
            let mut targets = targets.lock().unwrap();
            if !targets.is_empty() {
                targets.rotate_left(1);
            }
            targets.first().cloned()
        };
        let cut = Arc::clone(&cut).notified_owned();
        connections.spawn(async move {
            let Some(target) = target else { return };
            let Ok(mut server) = TcpStream::connect(&target).await else { return };
            tokio::select! {
                () = cut => {}
                _ = copy_bidirectional(&mut client, &mut server) => {}
            }
        });
    }
}
