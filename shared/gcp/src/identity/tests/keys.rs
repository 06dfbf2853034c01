use emulators::keys::Mode;
use flow::ports::Clock;

use super::*;

#[tokio::test]
async fn concurrent_callers_fetch_keys_once() {
    let site = Arc::new(site().await);
    site.server.mode(Mode::Held);
    let come = |_| {
        let site = site.clone();
        tokio::spawn(async move { site.ask(google()).await.unwrap() })
    };
    let all: Vec<_> = (0..50).map(come).collect();
    site.server.until_requests(1).await;
    site.server.mode(Mode::Serve);
    for one in all {
        assert_eq!(one.await.unwrap().as_deref(), Ok("ann"));
    }
    assert_eq!(site.server.requests(), 1);
}

#[tokio::test]
async fn keys_are_kept_as_long_as_server_says_within_limits() {
    let day = 24 * HOUR;
    let cases: [(&[(&str, &str)], Duration); 11] = [
        (&[("cache-control", "public, max-age=600, must-revalidate")], 10 * MINUTE),
        (&[("cache-control", "Max-Age=\"600\"")], 10 * MINUTE),
        (&[("cache-control", "max-age=600"), ("age", "200")], Duration::from_secs(400)),
        (&[("cache-control", "max-age=600"), ("age", "9999")], MINUTE),
        (&[("cache-control", "max-age=0")], MINUTE),
        (&[("cache-control", "no-store")], MINUTE),
        (&[("cache-control", "no-cache, max-age=600")], MINUTE),
        (&[("cache-control", "max-age=99999999999")], day),
        (&[("cache-control", "max-age=soon")], HOUR),
        (&[("cache-control", "private")], HOUR),
        (&[], HOUR),
    ];
    for (headers, wanted) in cases {
        let site = site().await;
        let headers: Vec<_> = headers.iter().map(|(name, value)| (leaked(name), *value)).collect();
        site.server.headers(&headers);
        site.is_let_in().await;
        site.clock.advance(wanted - Duration::from_millis(1));
        site.is_let_in().await;
        assert_eq!(site.server.requests(), 1, "{headers:?}");
        site.clock.advance(Duration::from_millis(1));
        site.is_let_in().await;
        assert_eq!(site.server.requests(), 2, "{headers:?}");
    }
}

/// The names of headers in these tests are constants.
fn leaked(name: &str) -> &'static str {
    ["cache-control", "age"].into_iter().find(|known| *known == name).unwrap()
}

#[tokio::test]
async fn new_key_is_fetched_when_a_token_names_it() {
    let site = site().await;
    site.is_let_in().await;
    site.server.publish(&[stranger()]);
    site.clock.advance(MINUTE);
    assert_eq!(site.ask(stranger()).await.unwrap().as_deref(), Ok("ann"));
    assert_eq!(site.server.requests(), 2);
    // The old key is revoked.
    assert!(site.ask(google()).await.unwrap().unwrap_err().contains("not Google's"));
}

#[tokio::test]
async fn unknown_key_ids_fetch_keys_at_most_once_a_minute() {
    let site = site().await;
    site.is_let_in().await;
    for (seconds, requests) in [(0, 1), (59, 1), (1, 2), (59, 2), (1, 3)] {
        site.clock.advance(seconds * SECOND);
        for n in 0..20 {
            let token = stranger().sign_as(&json!({"alg": "RS256", "kid": format!("made-up-{n}")}), &fresh(&site));
            assert!(site.verify(&token).await.unwrap_err().contains("a key that is not Google's"));
        }
        assert_eq!(site.server.requests(), requests);
    }
    site.is_let_in().await;
}

#[tokio::test]
async fn clock_set_back_makes_keys_stale() {
    let site = site().await;
    site.is_let_in().await;
    site.clock.set(site.clock.now() - 48 * HOUR);
    site.is_let_in().await;
    assert_eq!(site.server.requests(), 2);
}

#[tokio::test]
async fn keys_of_other_types_and_uses_are_ignored() {
    let site = site().await;
    let other = |change: Value| but(stranger().public(), &change);
    site.server.publish_as(vec![
        json!({"kty": "EC", "crv": "P-256", "kid": "ec", "x": "AA", "y": "AA"}),
        json!({"kty": "oct", "kid": stranger().id, "k": "c2VjcmV0"}),
        other(json!({"alg": "RS512"})),
        other(json!({"use": "enc"})),
        other(json!({"kid": ""})),
        other(json!({"kid": "broken", "n": "?"})),
        json!({"kid": "nothing"}),
        google().public(),
    ]);
    site.is_let_in().await;
    assert!(site.ask(stranger()).await.unwrap().unwrap_err().contains("a key that is not Google's"));
}
