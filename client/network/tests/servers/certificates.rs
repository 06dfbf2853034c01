//! Whose certificates are trusted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::ports::HttpError;
use network::{CaFileError, Network, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::server::{self, Then};
use crate::{answer, failure, get, network};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/certificates").join(name)
}

/// The address of a server with this certificate.
async fn serving(certificate: &Path, key: &Path) -> String {
    let chain = CertificateDer::pem_file_iter(certificate).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                server::serve(stream, Then::Answer(OK.to_vec()), Arc::default()).await;
            });
        }
    });
    format!("https://127.0.0.1:{port}/")
}

pub async fn serving_named(name: &str, key: &str) -> String {
    serving(&file(&format!("{name}.pem")), &file(&format!("{key}-key.pem"))).await
}

fn trusting(path: &Path) -> Network {
    Network::new(&Settings { ca_file: Some(path.to_owned()), ..Settings::default() }).unwrap()
}

async fn refused(network: &Network, url: &str) -> String {
    match failure(network, get(url)).await {
        HttpError::Certificate(why) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn certificate_of_an_authority_in_the_file_is_trusted() {
    let url = serving_named("server", "server").await;
    let why = refused(&network(), &url).await;
    assert_eq!(why, "nobody whom this computer trusts has issued it");
    assert_eq!(answer(&trusting(&file("ca.pem")), get(&url)).await.status, 200);
    let localhost = url.replace("127.0.0.1", "localhost");
    assert_eq!(answer(&trusting(&file("ca.pem")), get(&localhost)).await.status, 200);
}

#[tokio::test]
async fn self_signed_certificate_is_trusted_if_the_file_has_exactly_it() {
    let url = serving_named("selfsigned", "selfsigned").await;
    assert!(!refused(&network(), &url).await.is_empty());
    assert!(!refused(&trusting(&file("elsewhere.pem")), &url).await.is_empty());
    assert_eq!(answer(&trusting(&file("selfsigned.pem")), get(&url)).await.status, 200);
}

#[tokio::test]
async fn self_signed_certificate_that_calls_itself_an_authority_is_trusted_too() {
    // As `openssl req -x509` makes it.
    let certificate = file("authority.pem");
    let url = serving(&certificate, &file("selfsigned-key.pem")).await;
    assert_eq!(answer(&trusting(&certificate), get(&url)).await.status, 200);
}

#[tokio::test]
async fn certificate_for_another_name_or_another_time_is_refused() {
    let url = serving_named("elsewhere", "selfsigned").await;
    let why = refused(&trusting(&file("elsewhere.pem")), &url).await;
    assert_eq!(why, "it is for another name than this address");
    let url = serving_named("expired", "expired").await;
    assert_eq!(refused(&trusting(&file("ca.pem")), &url).await, "it has expired");
}

#[tokio::test]
async fn server_without_tls_is_told_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // What a server says to a greeting that is no HTTP.
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
    });
    match failure(&trusting(&file("ca.pem")), get(&url)).await {
        HttpError::Broken(why) => assert!(why.contains("does not speak TLS"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn file_without_certificates_is_refused_by_name() {
    let refused = |path: &Path| match Network::new(&Settings { ca_file: Some(path.to_owned()), ..Settings::default() })
    {
        Err(error) => error,
        Ok(_) => panic!("{} is accepted", path.display()),
    };
    let missing = refused(Path::new("/no/such/file.pem"));
    assert!(matches!(missing, CaFileError::Unreadable { .. }) && missing.to_string().contains("/no/such/file.pem"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.pem");
    std::fs::write(&path, "no certificate\n").unwrap();
    assert!(matches!(refused(&path), CaFileError::Empty { .. }));
    std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    assert!(matches!(refused(&path), CaFileError::Invalid { .. }));
}
