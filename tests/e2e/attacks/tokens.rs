//! Tokens that were not issued by this server: none is accepted, on any route, in any form.

use std::collections::BTreeMap;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::Method;
use serde_json::{Value, json};
use tests::Client;
use tests::wait::now_secs;

use super::Target;

const VICTIM: &str = "local";

fn claims(sub: &str, from: i64, until: i64) -> Value {
    json!({"iss": "afterword-local", "aud": "afterword", "sub": sub, "iat": from, "exp": until})
}

fn valid() -> Value {
    claims(VICTIM, now_secs() - 60, now_secs() + 3600)
}

fn part(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

fn unsigned(header: &Value, signature: &str) -> String {
    format!("{}.{}.{signature}", part(header), part(&valid()))
}

fn signed(header: &Header, claims: &Value, key: &[u8]) -> String {
    let key = match header.alg {
        Algorithm::EdDSA => EncodingKey::from_ed_der(key),
        _ => EncodingKey::from_secret(key),
    };
    encode(header, claims, &key).unwrap()
}

/// The server's own signing key, which never leaves its machine.
fn own_key(target: &Target) -> Vec<u8> {
    std::fs::read(target.server.folder().path.join("secrets/identity.pk8")).unwrap()
}

fn eddsa(kid: Option<&str>) -> Header {
    Header { kid: kid.map(str::to_owned), ..Header::new(Algorithm::EdDSA) }
}

/// Checks every route: the answer is 401 with a challenge, and gives no reason beyond one sentence.
async fn assert_rejected(target: &Target, tokens: &BTreeMap<&str, String>) {
    for (what, token) in tokens {
        let client = Client::new(&target.server.url, token);
        for (method, path) in [
            (Method::GET, "/v2/usage"),
            (Method::GET, "/v2/sync/jobs"),
            (Method::POST, "/v2/sync/upload"),
            (Method::PUT, "/v2/devices/phone"),
        ] {
            let answer = client.send(client.request(method, path)).await;
            assert_eq!(answer.status, 401, "{what}: {}", answer.text);
            answer.problem(401, "unauthenticated");
            assert_eq!(answer.header("www-authenticate"), "Bearer", "{what}");
            assert!(!answer.text.contains(token.as_str()), "{what} is returned in the answer");
        }
    }
    let log_text = target.server.log.text();
    assert!(
        tokens.values().filter(|token| token.len() > 20).all(|token| !log_text.contains(token.as_str())),
        "in the log"
    );
}

#[tokio::test]
async fn tokens_without_a_signature_of_this_server_are_rejected() {
    let target = Target::start().await;
    let own = own_key(&target);
    let public = Ed25519KeyPair::from_pkcs8(&own).unwrap().public_key().as_ref().to_vec();
    let other = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
    let good = signed(&eddsa(None), &valid(), &own);
    target.server.client().with_token(&good).get("/v2/usage").await.ok();
    let parts: Vec<&str> = good.split('.').collect();
    let (head, body, signature) = (parts[0], parts[1], parts[2]);
    let for_another = part(&claims("somebody", 0, i64::from(u32::MAX)));
    let tokens = BTreeMap::from([
        ("alg none", unsigned(&json!({"alg": "none", "typ": "JWT"}), "")),
        ("alg None", unsigned(&json!({"alg": "None"}), "")),
        ("no alg", unsigned(&json!({"typ": "JWT"}), "")),
        ("alg none with a signature", unsigned(&json!({"alg": "none"}), signature)),
        ("EdDSA without a signature", unsigned(&json!({"alg": "EdDSA"}), "")),
        ("a list of algorithms", unsigned(&json!({"alg": ["EdDSA", "none"]}), signature)),
        ("HS256 with the public key", signed(&Header::new(Algorithm::HS256), &valid(), &public)),
        ("HS256 with nothing", signed(&Header::new(Algorithm::HS256), &valid(), b"")),
        ("another key", signed(&eddsa(None), &valid(), other.as_ref())),
        ("another key in the header", jwk(other.as_ref())),
        ("another body", format!("{head}.{for_another}.{signature}")),
        ("a cut signature", good[..good.len() - 4].to_owned()),
        ("no signature", format!("{head}.{body}")),
        ("four parts", format!("{good}.{signature}")),
        ("dots", "..".to_owned()),
        ("a word", "admin".to_owned()),
        ("padding", format!("{good}==")),
    ]);
    assert_rejected(&target, &tokens).await;
    target.assert_unchanged().await;
}

/// A token that brings its own key along.
fn jwk(key: &[u8]) -> String {
    let public = Ed25519KeyPair::from_pkcs8(key).unwrap().public_key().as_ref().to_vec();
    let x = BASE64_URL_SAFE_NO_PAD.encode(public);
    let jwk = serde_json::from_value(json!({"kty": "OKP", "crv": "Ed25519", "x": x})).unwrap();
    let header = Header { jwk: Some(jwk), jku: Some("http://127.0.0.1:1/keys".to_owned()), ..eddsa(None) };
    signed(&header, &valid(), key)
}

#[tokio::test]
async fn tokens_with_a_wrong_time_issuer_or_audience_are_rejected() {
    let target = Target::start().await;
    let (own, now) = (own_key(&target), now_secs());
    let with = |change: Value| {
        let mut claims = valid();
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        signed(&eddsa(None), &claims, &own)
    };
    let tokens = BTreeMap::from([
        ("expired", with(json!({"exp": now - 1}))),
        ("expired in 1970", with(json!({"exp": 0}))),
        ("of the future", with(json!({"iat": now + 3600, "exp": now + 7200}))),
        ("not before", with(json!({"nbf": now + 3600}))),
        ("without an end", with(json!({"exp": null}))),
        ("an end in words", with(json!({"exp": "never"}))),
        ("an absurd end", with(json!({"exp": 1e300}))),
        ("another issuer", with(json!({"iss": "https://securetoken.google.com/x"}))),
        ("another audience", with(json!({"aud": "afterword-other"}))),
        ("two audiences", with(json!({"aud": ["afterword", "other"]}))),
        ("no user", with(json!({"sub": ""}))),
        ("a user too many", with(json!({"sub": "x".repeat(1000)}))),
        ("a list of users", with(json!({"sub": ["local"]}))),
    ]);
    assert_rejected(&target, &tokens).await;
    target.assert_unchanged().await;
}

/// The key id is never used as a path, or in any other way than as an id.
#[tokio::test]
async fn malicious_key_id_changes_nothing() {
    let target = Target::start().await;
    let own = own_key(&target);
    let other = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
    let kids =
        ["../../../../dev/null", "/dev/null", "secrets/identity.pk8", "' OR 1=1 --", "\0", "http://127.0.0.1:1/"];
    let empty = kids.map(|kid| {
        (kid, signed(&Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::HS256) }, &valid(), b""))
    });
    assert_rejected(&target, &BTreeMap::from(empty)).await;
    assert_rejected(
        &target,
        &BTreeMap::from(kids.map(|kid| (kid, signed(&eddsa(Some(kid)), &valid(), other.as_ref())))),
    )
    .await;
    // A malicious user id stays a user id: it is escaped wherever it becomes part of a path.
    for sub in ["../../etc", "a/b", "..", "local/../local"] {
        let client = target.server.client().with_token(&signed(&eddsa(None), &claims(sub, 0, now_secs() + 60), &own));
        let answer = client.upload(&[tests::Recording::new("a_1748300000.bin", &b"abc"[..])]).await;
        assert!(matches!(answer.status, 202 | 401), "{sub}: {}", answer.text);
    }
    let folder = target.server.folder();
    assert_eq!(std::fs::read_dir(folder.path.parent().unwrap()).unwrap().count(), 1, "beside the data folder");
    target.assert_running().await;
}

#[tokio::test]
async fn a_token_of_a_mebibyte_is_refused() {
    let target = Target::start().await;
    let ask = |bytes: usize| {
        format!(
            "GET /v2/usage HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {}\r\n\r\n",
            "x".repeat(bytes)
        )
    };
    target.raw(ask(30_000)).await.problem(401, "unauthenticated");
    target.raw(ask(40_000)).await.problem(431, "headers_too_large");
    target.send_and_read_to_end(ask(1 << 20)).await.assert_bare_status(431);
    target.assert_unchanged().await;
}

#[tokio::test]
async fn token_outside_the_authorization_header_is_ignored() {
    let target = Target::start().await;
    let token = target.server.token.clone();
    let open = target.server.client_without_token();
    for name in ["token", "access_token", "authorization", "id_token", "auth"] {
        open.get(&format!("/v2/usage?{name}={token}")).await.problem(401, "unauthenticated");
        open.get(&format!("/v2/usage?{name}=Bearer%20{token}")).await.problem(401, "unauthenticated");
    }
    for (name, value) in [
        ("cookie", format!("token={token}")),
        ("x-authorization", format!("Bearer {token}")),
        ("proxy-authorization", format!("Bearer {token}")),
        ("authorization", token.clone()),
        ("authorization", format!("Basic {token}")),
        ("authorization", format!("Bearer Bearer {token}")),
        ("authorization", format!("Bearer {token}, Bearer {token}")),
    ] {
        let request = open.request(Method::GET, "/v2/usage").header(name, value);
        open.send(request).await.problem(401, "unauthenticated");
    }
    let body = open.request(Method::POST, "/v2/sync/upload").body(format!("access_token={token}"));
    let body = body.header("content-type", "application/x-www-form-urlencoded");
    open.send(body).await.problem(401, "unauthenticated");
    assert!(!target.server.log.text().contains(&token), "a token of the query is in the log");
    target.assert_unchanged().await;
}
