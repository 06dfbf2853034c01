use emulators::keys::Mode;

use super::*;

/// Answers that are not a set of keys.
fn outages(elsewhere: &str) -> Vec<Mode> {
    let few = json!({"keys": [{"kty": "EC", "kid": "x"}]}).to_string();
    vec![
        Mode::Status(503),
        Mode::Status(500),
        Mode::Status(404),
        Mode::Text("<html>bad gateway</html>".to_owned()),
        Mode::Text(String::new()),
        Mode::Text("{}".to_owned()),
        Mode::Text(r#"{"keys": []}"#.to_owned()),
        Mode::Text(few),
        Mode::Padded(64 * 1024 + 1),
        Mode::Padded(8 * 1024 * 1024),
        Mode::Redirect(elsewhere.to_owned()),
    ]
}

#[tokio::test]
async fn tokens_are_unavailable_not_denied_while_no_keys_are_known() {
    let elsewhere = KeyServer::start(&[google()]).await;
    for mode in outages(&elsewhere.url) {
        let site = site().await;
        site.server.mode(mode.clone());
        site.cannot_be_checked(google()).await;
        site.cannot_be_checked(stranger()).await;
        site.server.mode(Mode::Serve);
        // A server that fails is not asked again with every request.
        site.clock.advance(5 * SECOND - Duration::from_millis(1));
        site.cannot_be_checked(google()).await;
        assert_eq!(site.server.requests(), 1);
        site.clock.advance(Duration::from_millis(1));
        site.is_let_in().await;
        assert_eq!(site.server.requests(), 2);
    }
    assert_eq!(elsewhere.requests(), 0, "keys are believed from one address only");
}

#[tokio::test]
async fn key_set_of_maximum_size_is_read() {
    let site = site().await;
    site.server.mode(Mode::Padded(64 * 1024));
    site.is_let_in().await;
}

#[tokio::test]
async fn expired_keys_are_used_for_a_limited_time_during_outage() {
    let elsewhere = KeyServer::start(&[stranger()]).await;
    for mode in outages(&elsewhere.url) {
        let site = site().await;
        site.is_let_in().await;
        site.server.mode(mode);
        site.clock.advance(10 * MINUTE);
        for minute in 0..3 {
            for _ in 0..20 {
                site.is_let_in().await;
            }
            assert_eq!(site.server.requests(), 2 + minute, "once a minute");
            site.clock.advance(MINUTE);
        }
        // A key that the old set does not have may be new.
        site.cannot_be_checked(stranger()).await;
        site.clock.advance(24 * HOUR - 3 * MINUTE - Duration::from_millis(1));
        site.is_let_in().await;
        site.clock.advance(Duration::from_millis(1));
        site.cannot_be_checked(google()).await;
        site.server.mode(Mode::Serve);
        site.clock.advance(5 * SECOND);
        site.is_let_in().await;
    }
}

#[tokio::test]
async fn fetch_from_silent_server_times_out() {
    let site = site_with(|settings| settings.keys_limit = Duration::from_millis(500)).await;
    site.server.mode(Mode::Held);
    site.cannot_be_checked(google()).await;
    site.server.mode(Mode::Serve);
    site.clock.advance(5 * SECOND);
    site.is_let_in().await;
}

#[tokio::test]
async fn caller_with_known_key_does_not_wait_for_fetch() {
    // Longer than the test waits, so that a caller that waits for the fetch is noticed.
    let site = Arc::new(site_with(|settings| settings.keys_limit = MINUTE).await);
    site.is_let_in().await;
    site.server.mode(Mode::Held);
    site.clock.advance(HOUR);
    let first = site.clone();
    let first = tokio::spawn(async move { first.is_let_in().await });
    site.server.until_requests(2).await;
    for _ in 0..20 {
        emulators::soon("an answer by the old key", site.is_let_in()).await;
    }
    site.server.mode(Mode::Serve);
    first.await.unwrap();
    assert_eq!(site.server.requests(), 2);
}

#[tokio::test]
async fn cancelled_fetch_lets_next_caller_fetch() {
    let site = Arc::new(site().await);
    site.server.mode(Mode::Held);
    let gone = site.clone();
    let gone = tokio::spawn(async move { gone.ask(google()).await });
    site.server.until_requests(1).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    site.server.mode(Mode::Serve);
    // A fetch that was cut off says nothing about a token.
    site.cannot_be_checked(google()).await;
    site.clock.advance(5 * SECOND);
    site.is_let_in().await;
}

#[tokio::test]
async fn unreachable_key_server_is_unavailable_not_denied() {
    let (listener, address) = emulators::listen().await;
    drop(listener);
    let site = site_with(|settings| settings.keys_url = format!("http://{address}/jwk")).await;
    site.cannot_be_checked(google()).await;
}

#[tokio::test]
async fn outage_is_logged_with_cause_and_address_but_no_token() {
    let (lines, _guard) = emulators::log::caught("gcp=trace");
    let site = site().await;
    let token = google().sign(&fresh(&site));
    site.server.mode(Mode::Status(503));
    for _ in 0..3 {
        assert!(site.try_verify(&token).await.is_err());
    }
    let [line] = &lines.with("the keys of tokens could not be fetched")[..] else { panic!("{}", lines.text()) };
    assert!(line.contains("WARN") && line.contains("503 Service Unavailable") && line.contains(&site.server.url));
    assert!(token.split('.').all(|part| !lines.text().contains(part)));
}
