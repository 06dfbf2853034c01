//! A long upload over a bad network, with a server and an app that are killed: it arrives, and few bytes are sent
//! twice.

use serde_json::Value;
use sha2::{Digest, Sha256};
use tests::recordings::{self, T0};
use tests::resumable::Tally;
use tests::wait::{self, PATIENCE, Stopwatch};
use tests::{Proxy, Recording, Resumable, Server, Setup, eventually, figures, proxy};

use crate::sessions::{complete, open, url};

const MIB: u64 = 1 << 20;
const SIZE: u64 = 200 * MIB;
const CUTS: usize = 20;
/// Percent of all bytes: bytes that were handed to a broken connection are lost.
const SENT_TWICE: f64 = 5.0;
/// The numbers of forwarded bytes after which first the server and then the app is killed.
const KILL_AT: [(u64, u64); 2] = [(40 * MIB, 80 * MIB), (110 * MIB, 160 * MIB)];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_upload_survives_cuts_and_kills_and_sends_little_twice() {
    let _alone = crate::alone().await;
    let (random, watch) = (wait::random(), Stopwatch::start());
    let file = Recording::large(T0, &recordings::numbered(usize::try_from(SIZE).unwrap()));
    // The staged audio is kept, so that it can be checked.
    let setup = Setup::new().with("blobs.keep_days", 1);
    let mut server = setup.start().await;
    let proxy = Proxy::to(&server.url, proxy::Plan::random(&random, CUTS, MIB..SIZE)).await;
    let (session, tally) = (open(&server.client(), &[&file]).await, Tally::default());
    for (kill, death) in KILL_AT {
        let mut app = app(&server, &proxy, &session, &file, &tally).await;
        server = tokio::select! {
            () = app.send() => panic!("the app should have been killed before the end"),
            server = kill_server_then_app(server, &setup, &proxy, kill, death) => server,
        };
    }
    app(&server, &proxy, &session, &file, &tally).await.send().await;
    assert_eq!(proxy.cuts_left(), 0);
    let sent_in = watch.elapsed();

    complete(&server.client(), &session).await.ok();
    let job = ended(&server, &session).await;
    let kept = server.folder().files("blobs/uploads");
    assert_eq!(kept.len(), 1, "{kept:?}");
    let bytes = std::fs::read(server.folder().path.join(&kept[0])).unwrap();
    assert!(Sha256::digest(&bytes) == Sha256::digest(&file.bytes), "other bytes are there than were sent");
    assert_eq!(server.client().jobs().await.len(), 1, "one session, and one job");

    let twice = tally.handed() - file.bytes.len() as u64;
    let percent = twice as f64 * 100.0 / file.bytes.len() as f64;
    figures::report_figure(&format!(
        "resumable: 200 MiB, {CUTS} cuts, 2 kills of the server and 2 of the app: {percent:.1} % sent twice, \
         {} requests failed, sent in {sent_in:.1?}, transcribed after {:.1?}: {} ms",
        tally.failures(),
        watch.elapsed(),
        job["files"][0]["duration_ms"]
    ));
    assert!(percent < SENT_TWICE, "{percent:.1} % were sent twice");
}

/// A new app without any state: the session that it asks for has the same URL, and knows all received bytes.
async fn app(server: &Server, proxy: &Proxy, session: &Value, file: &Recording, tally: &Tally) -> Resumable {
    let again = open(&server.client(), &[file]).await;
    assert_eq!((&again["job_id"], url(&again, 0)), (&session["job_id"], url(session, 0)));
    tally.acknowledge(again["files"][0]["offset"].as_u64().unwrap());
    Resumable::new(&proxy.url, &url(&again, 0), &file.bytes, tally)
}

/// Kills and restarts the server while the app sends; later kills the app.
async fn kill_server_then_app(server: Server, setup: &Setup, proxy: &Proxy, kill: u64, death: u64) -> Server {
    proxy.until_passed(kill).await;
    server.kill9().await;
    let server = setup.start().await;
    proxy.set_target(&server.url);
    proxy.until_passed(death).await;
    server
}

/// Waits for the job: almost two hours of audio are searched for speech.
async fn ended(server: &Server, session: &Value) -> Value {
    let (client, id) = (server.client(), session["job_id"].as_str().unwrap());
    let job = eventually("the job has ended", 4 * PATIENCE, async || {
        Some(client.job(id).await).filter(tests::client::is_terminal)
    })
    .await;
    assert_eq!((&job["status"], &job["files"][0]["status"]), (&"completed".into(), &"done".into()), "{job}");
    job
}
