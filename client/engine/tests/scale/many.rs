//! An engine on the file system, without a network, and an index with as many rows as a test wants.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use async_trait::async_trait;
use engine::domain::{FrameFormat, Uid};
use engine::ports::{Answer, Credentials, Http, HttpError, NoToken, Ports, Request, Token, UnknownDevice};
use engine::std_ports::{SystemClock, SystemDisk, SystemRandom};
use engine::{Config, Driver, Engine, Recorder, Server, Stream};

/// Tells of the first request.
struct Offline(Sender<()>);

#[async_trait]
impl Http for Offline {
    async fn send(&self, _: Request) -> Result<Answer, HttpError> {
        let _ = self.0.send(());
        Err(HttpError::Connect("offline".to_owned()))
    }
}

#[async_trait]
impl Credentials for Offline {
    async fn token(&self, _: &Uid, _: bool) -> Result<Token, NoToken> {
        Ok(Token::new("token"))
    }
}

/// Opens the engine of a folder. The receiver is told of every request.
pub fn open(folder: &Path) -> (Engine, Driver, Receiver<()>) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let offline = Arc::new(Offline(sender));
    let mut config = Config::new(folder, Server::parse("https://afterword.example").unwrap());
    config.reserve_bytes = 0;
    let ports = Ports {
        clock: Arc::new(SystemClock::new()),
        disk: Arc::new(SystemDisk),
        http: Arc::clone(&offline) as _,
        credentials: offline,
        device: Arc::new(UnknownDevice),
        random: Arc::new(SystemRandom),
    };
    let (engine, driver) = Engine::open(config, ports).unwrap();
    (engine, driver, receiver)
}

/// Signs anna in, and begins to record.
pub fn recorder(engine: &Engine) -> Recorder {
    engine.sign_in(Uid::new("anna").unwrap()).unwrap();
    let stream = Stream { format: FrameFormat::BARE, device: "phone".to_owned(), session: "s".to_owned() };
    engine.record(stream).unwrap()
}

/// Makes an index with one recording, and copies its row until there are so many more pending ones and so many synced ones.
pub fn fill(folder: &Path, pending: u64, synced: u64) {
    let (engine, driver, _) = open(folder);
    let mut recorder = recorder(&engine);
    recorder.record(b"frame", false).unwrap();
    recorder.finalize().unwrap();
    drop((recorder, engine, driver));

    let connection = rusqlite::Connection::open(folder.join("index.db")).unwrap();
    let columns: Vec<String> = connection
        .prepare("SELECT name FROM pragma_table_info('chunk')")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let copied = |column: &String| match column.as_str() {
        "id" => "NULL".to_owned(),
        "name" => "'audio_phone_opus_16000_1_fs160_' || (1700000000 + n) || '.bin'".to_owned(),
        "captured_at" => "(1700000000 + n) * 1000".to_owned(),
        "session" => "'session-' || (n / 10)".to_owned(),
        "state" => format!("CASE WHEN n < {pending} THEN 'pending' ELSE 'synced' END"),
        "confirmed_at" => format!("CASE WHEN n < {pending} THEN NULL ELSE (1700000000 + n) * 1000 END"),
        _ => column.clone(),
    };
    let values: Vec<_> = columns.iter().map(copied).collect();
    let sql = format!(
        "WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n + 1 < {}) \
         INSERT INTO chunk SELECT {} FROM chunk, number WHERE chunk.id = 1",
        pending + synced,
        values.join(", ")
    );
    connection.execute(&sql, []).unwrap();
}
