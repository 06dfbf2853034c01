//! Proxies: a tunnel for servers with TLS, and a clear reason where there is none.

use std::path::Path;
use std::sync::{Arc, Mutex};

use engine::ports::HttpError;
use network::{Network, Proxy, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::certificates::serving_named;
use crate::{answer, failure, get};

/// A proxy that answers with this, and then passes everything on to the server, whatever name it was asked for.
struct TestProxy {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    passed: Arc<Mutex<Vec<u8>>>,
}

impl TestProxy {
    async fn start(says: &'static str, server: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self { port: listener.local_addr().unwrap().port(), asked: Arc::default(), passed: Arc::default() };
        let (asked, passed) = (Arc::clone(&proxy.asked), Arc::clone(&proxy.passed));
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await.unwrap());
                }
                asked.lock().unwrap().push(String::from_utf8(head).unwrap());
                client.write_all(says.as_bytes()).await.unwrap();
                let Some(server) = &server else { continue };
                let mut upstream = TcpStream::connect(server).await.unwrap();
                // The first bytes are looked at, as a curious proxy would.
                let mut first = vec![0; 4096];
                let read = client.read(&mut first).await.unwrap();
                passed.lock().unwrap().extend(&first[..read]);
                upstream.write_all(&first[..read]).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut upstream).await;
            }
        });
        proxy
    }

    fn network(&self, user: &str) -> Network {
        let url = format!("http://{user}127.0.0.1:{}", self.port);
        let proxy = Proxy::of_environment(|name| (name == "HTTPS_PROXY").then(|| url.clone())).unwrap();
        let ca_file = Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/certificates/elsewhere.pem"));
        Network::new(&Settings { proxy, ca_file, ..Settings::default() }).unwrap()
    }
}

async fn refused(network: &Network, url: &str) -> String {
    match failure(network, get(url)).await {
        HttpError::Connect(why) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn server_with_tls_is_reached_through_the_proxy_which_never_sees_the_token() {
    // Its certificate is for a name that only the proxy can resolve.
    let server = serving_named("elsewhere", "selfsigned").await;
    let server = server.trim_start_matches("https://").trim_end_matches('/').to_owned();
    let proxy = TestProxy::start("HTTP/1.1 200 Connection established\r\nX-More: 1\r\n\r\n", Some(server)).await;
    let name = "recorder.example";
    let network = proxy.network("ann:secret@");
    assert_eq!(answer(&network, get(&format!("https://{name}/v2/limits"))).await.status, 200);
    let asked = proxy.asked.lock().unwrap().join("");
    let expected = format!(
        "CONNECT {name}:443 HTTP/1.1\r\nHost: {name}:443\r\nProxy-Authorization: Basic YW5uOnNlY3JldA==\r\n\r\n"
    );
    assert_eq!(asked, expected);
    let seen = String::from_utf8_lossy(&proxy.passed.lock().unwrap()).into_owned();
    assert!(!seen.contains("Bearer") && !seen.contains("v2/limits"), "{seen:?}");
}

#[tokio::test]
async fn proxy_that_refuses_is_told_with_its_reason_and_without_its_password() {
    for (says, user, words) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "", "asks for a user and a password (407)"),
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "ann:secret@", "refuses the user or the password"),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "ann:secret@", "refuses a connection to example.org:8443 (403)"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "", "does not reach example.org:8443 (502)"),
        ("SSH-2.0-OpenSSH_9.9\r\n\r\n", "", "does not answer in HTTP"),
        ("HTTP/1.1 200", "", "ends the connection without an answer"),
    ] {
        let proxy = TestProxy::start(says, None).await;
        let told = refused(&proxy.network(user), "https://example.org:8443/").await;
        assert!(told.starts_with(&format!("the proxy 127.0.0.1:{}", proxy.port)), "{told}");
        assert!(told.contains(words) && !told.contains("secret"), "{says:?}: {told}");
    }
}

#[tokio::test]
async fn proxy_that_is_not_there_or_never_ends_its_answer_is_told() {
    let proxy = TestProxy::start("", None).await;
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let gone = TestProxy { port, ..proxy };
    let told = refused(&gone.network(""), "https://example.org/").await;
    assert_eq!(told, format!("the proxy 127.0.0.1:{port} cannot be reached: the connection is refused"));
    let endless: &'static str = Box::leak(format!("HTTP/1.1 200 {}", "x".repeat(20_000)).into_boxed_str());
    let proxy = TestProxy::start(endless, None).await;
    let told = refused(&proxy.network(""), "https://example.org/").await;
    assert!(told.ends_with("answers without an end"), "{told}");
}

#[tokio::test]
async fn server_on_this_machine_is_reached_without_the_proxy() {
    let server = serving_named("server", "server").await;
    let proxy = TestProxy::start("HTTP/1.1 403 Forbidden\r\n\r\n", None).await;
    // Its authority is not trusted here: the certificate was seen, so that there was a connection.
    let why = failure(&proxy.network(""), get(&server)).await;
    assert!(matches!(why, HttpError::Certificate(_)), "{why:?}");
    assert_eq!(*proxy.asked.lock().unwrap(), [] as [String; 0]);
}
