use emulators::keys::{encoded, joined};
use jsonwebtoken::{Algorithm, EncodingKey, Header};

use super::*;

#[tokio::test]
async fn token_of_the_project_is_accepted_until_it_expires() {
    let site = site().await;
    let token = google().sign(&claims());
    assert_eq!(site.verify(&token).await.as_deref(), Ok("ann"));
    site.clock.set(Timestamp::from_millis((NOW + 3590) * 1000 - 1));
    assert_eq!(site.verify(&token).await.as_deref(), Ok("ann"));
    site.clock.set(Timestamp::from_secs(NOW + 3590));
    assert_eq!(site.verify(&token).await.unwrap_err(), "the token expired at 2026-11-21T20:04:50.000Z");
}

#[tokio::test]
async fn token_must_have_the_claims_of_firebase() {
    let site = site().await;
    let wrong = [
        (json!({"iss": "https://securetoken.google.com/another"}), "another issuer"),
        (json!({"iss": "https://accounts.google.com"}), "another issuer"),
        (json!({"iss": null}), "another issuer"),
        (json!({"aud": "another"}), "another audience"),
        (json!({"aud": null}), "another audience"),
        (json!({"aud": [PROJECT, "another"]}), "not an ID token"),
        (json!({"exp": NOW}), "expired at 2026-11-21T19:05:00.000Z"),
        (json!({"exp": -1}), "expired at 1969"),
        (json!({"exp": i64::MIN}), "expired"),
        (json!({"exp": "soon"}), "not an ID token"),
        (json!({"exp": null}), "does not say when it ends"),
        (json!({"iat": NOW + 61}), "issued in the future, at 2026-11-21T19:06:01.000Z"),
        (json!({"iat": i64::MAX}), "issued in the future"),
        (json!({"iat": null}), "when it was issued"),
        (json!({"nbf": NOW + 61}), "not valid before 2026-11-21T19:06:01.000Z"),
        (json!({"auth_time": NOW + 61}), "signs in in the future"),
        (json!({"auth_time": null}), "when its user signed in"),
        (json!({"sub": ""}), "does not name a user"),
        (json!({"sub": null}), "does not name a user"),
        (json!({"sub": "x".repeat(129)}), "does not name a user"),
        (json!({"sub": "a/b"}), "does not name a user"),
        (json!({"sub": 7}), "not an ID token"),
    ];
    for (change, why) in wrong {
        let detail = site.verify(&google().sign(&but(claims(), &change))).await.unwrap_err();
        assert!(detail.contains(why), "{change}: {detail}");
    }
}

#[tokio::test]
async fn one_minute_of_clock_skew_and_custom_claims_are_accepted() {
    let site = site().await;
    let fine = [
        json!({"iat": NOW + 60, "auth_time": NOW + 60, "nbf": NOW + 60}),
        json!({"sub": "x".repeat(128)}),
        json!({"email": null, "email_verified": null}),
        json!({"email": 7, "email_verified": "perhaps", "admin": true}),
    ];
    for change in fine {
        let verdict = site.verify(&google().sign(&but(claims(), &change))).await;
        assert!(verdict.is_ok(), "{change}: {verdict:?}");
    }
}

#[tokio::test]
async fn token_without_google_signature_is_refused() {
    let site = site().await;
    let head = |alg: &str| json!({"alg": alg, "kid": google().id, "typ": "JWT"});
    let good = google().sign(&claims());
    let (text, signature) = good.rsplit_once('.').unwrap();
    let foreign = stranger().sign_as(&head("RS256"), &claims());
    let changed = joined(&head("RS256"), &but(claims(), &json!({"sub": "bob"})));
    let cases = [
        (format!("{}.", joined(&head("none"), &claims())), "is not signed"),
        (format!("{}.", joined(&head("NONE"), &claims())), "is not signed"),
        (format!("{}.{signature}", joined(&head("none"), &claims())), "is not signed"),
        (foreign, "not signed by the key that it names"),
        (format!("{changed}.{signature}"), "not signed by the key that it names"),
        (format!("{text}."), "not signed by the key that it names"),
        (format!("{text}.{}", encoded([0_u8; 256])), "not signed by the key that it names"),
        (stranger().sign(&claims()), "a key that is not Google's"),
    ];
    for (token, why) in cases {
        let detail = site.verify(&token).await.unwrap_err();
        assert!(detail.contains(why), "{detail}");
    }
}

/// Everybody has the public key, so it must never be accepted as a secret.
#[tokio::test]
async fn token_signed_with_public_key_as_secret_is_refused() {
    let site = site().await;
    let public = google().public();
    let secrets = [google().public_bytes(), public["n"].as_str().unwrap().as_bytes().to_vec()];
    for secret in secrets {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let mut header = Header::new(algorithm);
            header.kid = Some(google().id.clone());
            let token = jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(&secret)).unwrap();
            assert!(site.verify(&token).await.unwrap_err().contains("not signed with RS256"));
            // The same signature with a header that has the expected algorithm.
            let (_, signature) = token.rsplit_once('.').unwrap();
            let head = json!({"alg": "RS256", "kid": google().id, "typ": "JWT"});
            let token = format!("{}.{signature}", joined(&head, &claims()));
            assert!(site.verify(&token).await.unwrap_err().contains("not signed by the key"));
        }
    }
    for algorithm in ["RS384", "RS512", "PS256", "ES256", "EdDSA", "rs256", ""] {
        let token = google().sign_as(&json!({"alg": algorithm, "kid": google().id}), &claims());
        assert!(site.verify(&token).await.unwrap_err().contains("not signed with RS256"), "{algorithm}");
    }
}

#[tokio::test]
async fn invalid_header_is_refused_without_fetching_keys() {
    let site = site().await;
    let heads = [
        (json!({"alg": "RS256"}), "does not name the key"),
        (json!({"alg": "RS256", "kid": ""}), "does not name the key"),
        (json!({"alg": "RS256", "kid": "x".repeat(257)}), "does not name the key"),
        (json!({"alg": "RS256", "kid": 7}), "not an ID token"),
        (json!({"kid": google().id}), "not an ID token"),
        (json!({"alg": "RS256", "kid": google().id, "crit": ["exp"]}), "an extension"),
        (json!("RS256"), "not an ID token"),
        // A token cannot bring its own key.
        (json!({"alg": "RS256", "jwk": stranger().public()}), "does not name the key"),
    ];
    for (head, why) in heads {
        let detail = site.verify(&stranger().sign_as(&head, &claims())).await.unwrap_err();
        assert!(detail.contains(why), "{head}: {detail}");
    }
    assert_eq!(site.server.requests(), 0);
}

#[tokio::test]
async fn key_contained_in_token_is_ignored() {
    let site = site().await;
    let head = json!({"alg": "RS256", "kid": google().id, "jwk": stranger().public(), "jku": "http://127.0.0.1:1/"});
    let detail = site.verify(&stranger().sign_as(&head, &claims())).await.unwrap_err();
    assert!(detail.contains("not signed by the key that it names"), "{detail}");
}

#[tokio::test]
async fn malformed_token_is_refused_without_fetching_keys() {
    let site = site().await;
    let good = google().sign(&claims());
    let long = google().sign(&but(claims(), &json!({"pad": "x".repeat(9000)})));
    let shapes = ["", ".", "..", "...", "a.b.c", "ä.ö.ü", &good.replace('.', ""), &format!("{good}.x"), &long];
    for token in shapes {
        assert!(site.verify(token).await.unwrap_err().contains("not an ID token"), "{token}");
    }
    assert_eq!(site.server.requests(), 0);
}

#[test]
fn keys_are_never_fetched_over_insecure_connection() {
    let refusal = |settings| FirebaseIdentity::new(settings, TestClock::at(Timestamp::from_secs(NOW))).err();
    for url in ["", "keys.example", "http://keys.example/jwk", "ftp://keys.example", "https://ann:pass@keys.example/"] {
        let text = refusal(settings(url)).unwrap().to_string();
        assert!(text.starts_with("the setting `keys_url` ") && !text.contains("pass@"), "{text}");
    }
    assert!(refusal(FirebaseSettings { keys_limit: Duration::ZERO, ..FirebaseSettings::new(PROJECT) }).is_some());
    assert!(refusal(FirebaseSettings::new(PROJECT)).is_none());
}

#[test]
fn invalid_project_id_is_refused_at_start() {
    for project in ["", "a/b", "a b", "projects/x"] {
        let settings = FirebaseSettings::new(project);
        let invalid_setting = FirebaseIdentity::new(settings, TestClock::at(Timestamp::from_secs(NOW))).err().unwrap();
        assert!(invalid_setting.to_string().starts_with("the setting `project` "), "{invalid_setting}");
    }
}
