//! Tokens issued by the Firebase auth emulator of firebase-tools 15.34.2 on 2026-11-21 at 19:03 UTC
//! (their `iat`). They are not signed. The second one comes from an emulator that was started for a real project.

use super::*;

const DEMO: &str = "demo-afterword";
const OF_A_DEMO: &str = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJlbWFpbCI6ImFubkBleGFtcGxlLm9yZyIsImVtYWlsX3ZlcmlmaWVkIjpmYWxzZSwiYXV0aF90aW1lIjoxNzk1Mjg3Nzk0LCJ1c2VyX2lkIjoidlNkbUt0d0VXOFFNeUU3d2Y2eEE2RVZ3N0RoRyIsImZpcmViYXNlIjp7ImlkZW50aXRpZXMiOnsiZW1haWwiOlsiYW5uQGV4YW1wbGUub3JnIl19LCJzaWduX2luX3Byb3ZpZGVyIjoicGFzc3dvcmQifSwiaWF0IjoxNzk1Mjg3Nzk0LCJleHAiOjE3OTUyOTEzOTQsImF1ZCI6ImRlbW8tYWZ0ZXJ3b3JkIiwiaXNzIjoiaHR0cHM6Ly9zZWN1cmV0b2tlbi5nb29nbGUuY29tL2RlbW8tYWZ0ZXJ3b3JkIiwic3ViIjoidlNkbUt0d0VXOFFNeUU3d2Y2eEE2RVZ3N0RoRyJ9.";
const OF_A_REAL_ONE: &str = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJlbWFpbCI6ImFubkBleGFtcGxlLm9yZyIsImVtYWlsX3ZlcmlmaWVkIjpmYWxzZSwiYXV0aF90aW1lIjoxNzk1Mjg3ODI4LCJ1c2VyX2lkIjoiZ0tveFhiVElOaHpIZVB6T0M2MGJWWE1xT0FrOSIsImZpcmViYXNlIjp7ImlkZW50aXRpZXMiOnsiZW1haWwiOlsiYW5uQGV4YW1wbGUub3JnIl19LCJzaWduX2luX3Byb3ZpZGVyIjoicGFzc3dvcmQifSwiaWF0IjoxNzk1Mjg3ODI4LCJleHAiOjE3OTUyOTE0MjgsImF1ZCI6ImFmdGVyd29yZC1wcm9kIiwiaXNzIjoiaHR0cHM6Ly9zZWN1cmV0b2tlbi5nb29nbGUuY29tL2FmdGVyd29yZC1wcm9kIiwic3ViIjoiZ0tveFhiVElOaHpIZVB6T0M2MGJWWE1xT0FrOSJ9.";

async fn beside(host: Option<&str>, project: &str) -> Site {
    site_with(|settings| {
        settings.emulator_host = host.map(str::to_owned);
        settings.project = project.to_owned();
    })
    .await
}

const HOST: Option<&str> = Some("127.0.0.1:9099");

#[tokio::test]
async fn demo_project_accepts_emulator_tokens_with_all_checks_except_signature() {
    let site = beside(HOST, DEMO).await;
    assert_eq!(site.verify(OF_A_DEMO).await.as_deref(), Ok("vSdmKtwEW8QMyE7wf6xA6EVw7DhG"));
    assert!(site.verify(OF_A_REAL_ONE).await.unwrap_err().contains("another issuer"));
    let half_signed = format!("{OF_A_DEMO}AAAA");
    assert!(site.verify(&half_signed).await.unwrap_err().contains("only its own, unsigned tokens"));
    assert!(site.verify(&google().sign(&claims())).await.unwrap_err().contains("only its own, unsigned tokens"));
    site.clock.set(Timestamp::from_secs(1_795_291_394));
    assert!(site.verify(OF_A_DEMO).await.unwrap_err().contains("expired"));
    assert_eq!(site.server.requests(), 0);
}

#[tokio::test]
async fn emulator_tokens_are_refused_without_emulator_or_for_real_project() {
    for (host, project) in [
        (None, DEMO),
        (Some(""), DEMO),
        (Some(" "), DEMO),
        (None, PROJECT),
        (HOST, PROJECT),
        (HOST, "demo"),
        (HOST, "Demo-afterword"),
        (HOST, "my-demo-project"),
    ] {
        let site = beside(host, project).await;
        for token in [OF_A_DEMO, OF_A_REAL_ONE] {
            assert_eq!(site.verify(token).await.unwrap_err(), "the token is not signed", "{host:?} {project}");
        }
    }
}
