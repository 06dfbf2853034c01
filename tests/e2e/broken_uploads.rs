//! Uploads that are cut off: by the client, or by the end of the server. Nothing of them stays.

use afterword_tests::recordings::{T0, name};
use afterword_tests::wait::PATIENCE;
use afterword_tests::{Server, Setup, eventually};
use reqwest::Method;

use crate::upload_rows::{UPLOAD, nothing_kept};

/// An upload that stops in the middle of its file, until bytes of it are on the disk.
async fn half_an_upload(server: &Server) -> impl Future<Output = ()> + use<> {
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
        () = &mut upload => panic!("it was to hang"),
        () = eventually("bytes are on the disk", PATIENCE, async || (!folder.blobs().is_empty()).then_some(())) => {}
    }
    upload
}

#[tokio::test]
async fn a_client_that_vanishes_leaves_nothing() {
    let server = Setup::new().start().await;
    drop(half_an_upload(&server).await);
    nothing_kept(&server).await;
}

#[tokio::test]
async fn what_a_kill_in_the_middle_of_an_upload_leaves_goes_with_the_next_start() {
    let setup = Setup::new();
    let server = setup.start().await;
    let upload = half_an_upload(&server).await;
    let ((), ()) = tokio::join!(upload, server.kill9());
    assert!(!setup.folder().blobs().is_empty(), "a kill cleans nothing up");
    nothing_kept(&setup.start().await).await;
}
