//! Compressed bodies are refused: they are neither stored as they are nor decompressed.

use reqwest::Method;
use tests::recordings::T0;
use tests::{Recording, Setup};

use super::{Target, form, good_form};

#[tokio::test]
async fn compressed_upload_is_refused() {
    let target = Target::with(Setup::new()).await;
    let body = good_form(&Recording::short(T0));
    for encoding in ["gzip", "br", "deflate", "zstd", "identity, gzip", "GZIP"] {
        let head = target.head(&format!("content-encoding: {encoding}\r\ncontent-length: {}\r\n", body.len()));
        let reply = target.raw([head.as_bytes(), &body].concat()).await;
        reply.problem(415, "unsupported_media_type");
        assert_eq!(reply.header("accept-encoding"), Some("identity"), "{encoding}");
    }
    target.assert_unchanged().await;
}

#[tokio::test]
async fn compressed_part_is_refused() {
    let target = Target::start().await;
    for header in
        ["Content-Encoding: gzip", "Content-Transfer-Encoding: base64", "content-transfer-encoding: quoted-printable"]
    {
        let disposition = format!("filename=\"a_1748300000.bin\"\r\n{header}");
        target.raw(target.upload(&form(disposition.as_bytes()))).await.problem(415, "unsupported_media_type");
    }
    target.assert_unchanged().await;
}

#[tokio::test]
async fn compressed_json_is_refused_and_identity_encoding_is_accepted() {
    let target = Target::start().await;
    let client = target.server.client();
    let put = client.request(Method::PUT, "/v2/devices/phone").header("content-type", "application/json");
    let packed = put.header("content-encoding", "gzip").body(vec![0x1f, 0x8b, 8, 0]);
    client.send(packed).await.problem(415, "unsupported_media_type");
    // A header that common libraries still send.
    let named = Recording::short(T0).header("content-transfer-encoding", "binary");
    let answer = client.send(client.request(Method::GET, "/v2/usage").header("content-encoding", "identity")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(client.upload(&[named]).await.status, 202);
    target.assert_running().await;
}
