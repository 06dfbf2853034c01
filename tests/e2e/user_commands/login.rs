//! Which server a command talks to: logins, the environment, and the server on this machine.

use std::os::unix::fs::PermissionsExt;

use tests::Setup;
use tokio::net::TcpListener;

use super::{DONE, FAILED, USAGE, User, WAITING, assert_told, data_dir};

#[tokio::test]
async fn login_is_checked_kept_privately_and_used_until_logout() {
    let server = Setup::new().start().await;
    let user = User::new();
    let output = user.run(&["login", "--server", &format!("{}/", server.url), "--token", &server.token]).await;
    assert_eq!(output.code, DONE, "{output:?}");
    assert!(output.out.contains(&format!("logged in to {} as local", server.url)), "{output:?}");
    assert!(output.err.contains("the token is valid until"), "{output:?}");
    let rights = std::fs::metadata(user.logins_file()).unwrap().permissions().mode() & 0o777;
    assert_eq!(rights, 0o600);
    let status = user.json(&["status", "--json"]).await;
    assert_eq!(
        (&status["origin"], &status["user"], &status["reachable"]),
        (&"login".into(), &"local".into(), &true.into())
    );
    let list = user.run(&["login", "--list"]).await.ok();
    assert!(list.contains(&server.url) && list.contains("default") && !list.contains(&server.token), "{list}");
    user.run(&["logout"]).await.ok();
    assert!(!std::fs::read_to_string(user.logins_file()).unwrap().contains(&server.token));
    assert_told(&user.run(&["status"]).await, FAILED, &["no server is known", "afterword login"]);
}

#[tokio::test]
async fn several_logins_have_names_and_the_environment_wins_over_them() {
    let (home, work) = (Setup::new().start().await, Setup::new().start().await);
    let user = User::new();
    for (name, server) in [("home", &home), ("work", &work)] {
        user.run(&["login", "--server", &server.url, "--token", &server.token, "--name", name]).await.ok();
    }
    let chosen = async |args: &[&str]| user.json(&[&["status", "--json"], args].concat()).await["server"].clone();
    assert_eq!(chosen(&[]).await, work.url);
    assert_eq!(chosen(&["--name", "home"]).await, home.url);
    user.run(&["login", "--use", "home"]).await.ok();
    assert_eq!(chosen(&[]).await, home.url);
    assert_told(&user.run(&["status", "--name", "homes"]).await, FAILED, &["`homes`", "did you mean `home`?"]);
    // A stored token is used for its own server only.
    let user = user.with("AFTERWORD_SERVER", &work.url);
    assert_eq!(user.json(&["status", "--json"]).await["server"], work.url);
    let user = user.with("AFTERWORD_SERVER", "http://127.0.0.1:9");
    assert_told(&user.run(&["status"]).await, FAILED, &["no token is known for http://127.0.0.1:9"]);
    let user = user.with("AFTERWORD_SERVER", &home.url).with("AFTERWORD_TOKEN", "wrong");
    assert_eq!(user.json(&["status", "--json"]).await["reachable"], false);
}

#[tokio::test]
async fn login_that_does_not_work_is_one_clear_line_and_is_not_kept() {
    let server = Setup::new().start().await;
    let user = User::new();
    let login = async |url: &str, more: &[&str]| user.run(&[&["login", "--server", url], more].concat()).await;
    let token = ["--token", server.token.as_str()];
    assert_told(&login(&server.url, &["--token", "wrong"]).await, FAILED, &["refuses the token", &server.url]);
    assert_told(&login(&server.url, &[]).await, USAGE, &["--token-command"]);
    assert_told(&login(&server.url, &["--token", "two words"]).await, FAILED, &["is no token"]);
    assert_told(&login(&server.url[7..], &token).await, USAGE, &["http://"]);
    let failing = ["--token-command", "echo wrong >&2; exit 3"];
    let output = login(&server.url, &failing).await;
    assert_eq!((output.code, output.err.lines().count()), (FAILED, 2), "{output:?}");
    assert!(output.err.contains("exit status: 3"), "{output:?}");
    // The internal listener is a server, but has no such route.
    assert_told(&login(&server.internal_url, &token).await, FAILED, &[&server.internal_url]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert_told(&login(&nobody, &token).await, FAILED, &["cannot be reached", "refused", "not kept"]);
    assert_told(&login("https://no-such-host.invalid", &token).await, FAILED, &["no address is known"]);
    assert!(!user.logins_file().exists());
    assert!(!user.run(&["login", "--list"]).await.err.is_empty());
}

#[tokio::test]
async fn command_that_prints_tokens_is_kept_instead_of_a_token() {
    let setup = Setup::new();
    let server = setup.start().await;
    let user = User::new();
    let command = format!("'{}' token --data-dir '{}'", tests::program::path().display(), data_dir(&setup));
    let output = user.run(&["login", "--server", &server.url, "--token-command", &command]).await;
    assert_eq!((output.code, output.err.as_str()), (DONE, ""), "{output:?}");
    assert!(std::fs::read_to_string(user.logins_file()).unwrap().contains("token --data-dir"));
    assert_eq!(user.run(&["jobs"]).await.code, DONE);
}

#[tokio::test]
async fn server_on_this_machine_needs_no_login() {
    let setup = Setup::new();
    let server = setup.start().await;
    let user = User::new();
    let folder = data_dir(&setup);
    let status = user.json(&["status", "--json", "--data-dir", &folder]).await;
    assert_eq!((&status["server"], &status["origin"]), (&server.url.as_str().into(), &"data_folder".into()));
    assert_eq!(status["user"], "local");
    server.kill9().await;
    assert_told(&user.run(&["jobs", "--data-dir", &folder]).await, WAITING, &["no server runs on", &folder]);
    let server = setup.start().await;
    assert_eq!(user.json(&["status", "--json", "--data-dir", &folder]).await["server"], server.url);
    server.sigterm().await;
    assert_told(&user.run(&["jobs", "--data-dir", &folder]).await, WAITING, &["no server runs on"]);
    assert_told(&user.run(&["jobs", "--data-dir", "/no/such"]).await, FAILED, &["/no/such", "afterword serve"]);
}

#[tokio::test]
async fn server_on_this_machine_is_found_in_the_current_folder_also_with_its_own_certificate() {
    let place = tempfile::tempdir().unwrap();
    let certificates = concat!(env!("CARGO_MANIFEST_DIR"), "/certificates");
    let setup = Setup::on(&place.path().join("afterword-data"))
        .arg("--tls-cert")
        .arg(format!("{certificates}/selfsigned.pem"))
        .arg("--tls-key")
        .arg(format!("{certificates}/selfsigned-key.pem"));
    let server = setup.start().await;
    let line = format!("cd '{}' && HOME='{0}' afterword status --json", place.path().display());
    let status: serde_json::Value = serde_json::from_str(&tests::program::shell(&line).await).unwrap();
    assert_eq!((&status["server"], &status["reachable"]), (&server.url.as_str().into(), &true.into()), "{status}");
    assert!(server.url.starts_with("https://"));
}

#[tokio::test]
async fn certificate_that_nobody_vouches_for_is_told_and_can_be_trusted() {
    let file = |name: &str| format!("{}/certificates/{name}", env!("CARGO_MANIFEST_DIR"));
    let setup = Setup::new().arg("--tls-cert").arg(file("server.pem")).arg("--tls-key").arg(file("server-key.pem"));
    let server = setup.start().await;
    let user = User::of(&server);
    let told = user.run(&["jobs"]).await;
    assert_told(&told, FAILED, &["certificate", "nobody whom this computer trusts", "--ca-file"]);
    assert_eq!(user.run(&["jobs", "--ca-file", &file("ca.pem")]).await.code, DONE);
    let args = ["login", "--server", &server.url, "--token", &server.token, "--ca-file", &file("ca.pem")];
    let other = User::new();
    other.run(&args).await.ok();
    assert_eq!(other.run(&["jobs"]).await.code, DONE, "the file is remembered");
}
