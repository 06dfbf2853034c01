//! Uploads that are interrupted, by the client or by the end of the server, leave nothing.

use std::time::Duration;

use reqwest::Method;
use tests::recordings::{T0, name};
use tests::wait::{PATIENCE, Stopwatch};
use tests::{Recording, Server, Setup, eventually};
use tokio::sync::mpsc::Receiver;

use crate::upload_answers::{UPLOAD, assert_nothing_stored};

const BOUNDARY: &[u8] = b"--b\r\n";
/// More than twice the interval of the orphan check.
const LOOKED: Duration = Duration::from_millis(2500);

/// An upload that stops in the middle of its file; returns when bytes of it are on the disk.
async fn half_upload(server: &Server) -> impl Future<Output = ()> + use<> {
    let client = server.client();
    let name = name(T0);
    let begin = format!("--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n\r\n");
    // More than a server may keep in memory.
    let first = [begin.as_bytes(), &[1; 1 << 20]].concat();
    let stream = futures_util::stream::iter([Ok::<_, std::io::Error>(first)]);
    let then_nothing = futures_util::StreamExt::chain(stream, futures_util::stream::pending());
    let request = client.request(Method::POST, UPLOAD).header("content-type", "multipart/form-data; boundary=b");
    let request = request.body(reqwest::Body::wrap_stream(then_nothing));
    let mut upload = Box::pin(async move {
        let ended = client.try_send(request).await;
        assert!(ended.is_err(), "half an upload was answered: {ended:?}");
    });
    let folder = server.folder();
    tokio::select! {
        () = &mut upload => panic!("the upload should hang"),
        () = eventually("bytes are on the disk", PATIENCE, async || (!folder.blobs().is_empty()).then_some(())) => {}
    }
    upload
}

#[tokio::test]
async fn upload_of_a_vanished_client_leaves_nothing() {
    let server = Setup::new().start().await;
    drop(half_upload(&server).await);
    assert_nothing_stored(&server).await;
}

#[tokio::test]
async fn remains_of_an_upload_after_a_kill_are_removed_at_the_next_start() {
    let setup = Setup::new();
    let server = setup.start().await;
    let upload = half_upload(&server).await;
    let ((), ()) = tokio::join!(upload, server.kill9());
    assert!(!setup.folder().blobs().is_empty(), "a kill cleans nothing up");
    assert_nothing_stored(&setup.start().await).await;
}

/// The orphan check must not remove the first file while the second is still being received.
#[tokio::test]
async fn upload_longer_than_the_orphan_check_interval_keeps_its_files() {
    let server = Setup::new().with("sweep.orphan_blob_seconds", 0).with("sweep.interval_seconds", 1).start().await;
    let client = server.client();
    let (send, pieces) = tokio::sync::mpsc::channel::<Vec<u8>>(1);
    let next = async |mut pieces: Receiver<Vec<u8>>| Some((Ok::<_, std::io::Error>(pieces.recv().await?), pieces));
    let body = reqwest::Body::wrap_stream(futures_util::stream::unfold(pieces, next));
    let request = client.request(Method::POST, UPLOAD).header("content-type", "multipart/form-data; boundary=b");
    let slowly = async {
        // The boundary behind it ends the first file.
        send.send([&part(&Recording::short(T0)), BOUNDARY].concat()).await.unwrap();
        let folder = server.folder();
        eventually("the first file is staged", PATIENCE, async || (!folder.blobs().is_empty()).then_some(())).await;
        let watch = Stopwatch::start();
        // The check leaves no trace if it finds nothing to do, but it runs every second.
        eventually("the orphan check has run", PATIENCE, async || (watch.elapsed() > LOOKED).then_some(())).await;
        send.send(part(&Recording::short(T0 + 1000))[BOUNDARY.len()..].to_vec()).await.unwrap();
        send.send(b"--b--\r\n".to_vec()).await.unwrap();
        drop(send);
    };
    let (answer, ()) = tokio::join!(client.send(request.body(body)), slowly);
    let job = client.terminal(answer.ok()["job_id"].as_str().unwrap()).await;
    assert_eq!(job["status"], "completed", "{job}");
}

fn part(file: &Recording) -> Vec<u8> {
    let disposition = format!("Content-Disposition: form-data; name=\"files\"; filename=\"{}\"\r\n\r\n", file.name);
    [BOUNDARY, disposition.as_bytes(), &file.bytes, b"\r\n"].concat()
}
