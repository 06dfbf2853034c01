//! The text that is printed when the server has started: what a new user needs, ready to paste.

use std::fmt::Write;
use std::path::Path;

use embedded::Started;
use serde_json::json;

/// One line of JSON for scripts.
pub fn json(started: &Started) -> String {
    json!({
        "url": started.url,
        "internal_url": started.internal_url,
        "token": started.token,
        "data_dir": started.data_dir,
        "engine": started.engine,
        "version": env!("CARGO_PKG_VERSION"),
    })
    .to_string()
}

/// The greeting. The token is printed only on a terminal: elsewhere the output is kept in a file or a journal, and the
/// printed commands ask for a token when they run.
pub fn text(started: &Started, on_terminal: bool) -> String {
    let Started { url, data_dir, uid, engine, .. } = started;
    let mut out = String::new();
    let _ = writeln!(out, "Afterword {} is running.\n", env!("CARGO_PKG_VERSION"));
    let _ = writeln!(out, "  address      {url}  ({})", started.reach());
    let _ = writeln!(out, "  data folder  {}", data_dir.display());
    let _ = writeln!(out, "  user         {uid}");
    let _ = writeln!(out, "  engine       {engine}");
    let token_command = format!("afterword token --data-dir {} --uid {uid}", quoted(data_dir));
    let bearer = if on_terminal {
        let _ = writeln!(out, "  token        {}", started.token);
        let _ = writeln!(out, "               (until {}; another: {token_command})\n", started.token_until);
        format!("-H 'Authorization: Bearer {}'", started.token)
    } else {
        let _ = writeln!(out, "  token        printed by: {token_command}\n");
        format!("-H \"Authorization: Bearer $({token_command})\"")
    };
    if engine == "null" {
        let _ = writeln!(
            out,
            "  !! The speech engine is `null`: it hears nothing and MAKES UP TEXT. It is for tests and\n  \
             !! benchmarks; everything around it is real.\n"
        );
    }
    if let Some(code) = started.refusal {
        let _ = writeln!(out, "  !! Every upload is refused with `{code}`: simulate.refuse is set.\n");
    }
    let trust = trust(started);
    let _ =
        writeln!(out, "Send the sample recording (11 seconds of real speech, stamped now), and read what was said:\n");
    let _ = writeln!(out, "  afterword push --data-dir {} {}\n", quoted(data_dir), quoted(&started.sample));
    let _ = writeln!(out, "The same by the API:\n");
    let _ = writeln!(out, "  curl -sS {trust}{bearer} -F {} {url}/v2/sync/upload\n", form_file(&started.sample));
    let _ = writeln!(out, "Then look at your jobs, and at what was said:\n");
    let _ = writeln!(out, "  curl -sS {trust}{bearer} {url}/v2/sync/jobs");
    let _ = writeln!(out, "  curl -sS {trust}{bearer} {url}/v2/conversations\n");
    let _ = writeln!(out, "Logs go to standard error. Stop with Ctrl-C.");
    out
}

/// The options with which `curl` trusts this server, each followed by a blank.
fn trust(started: &Started) -> String {
    match &started.tls {
        // The check is switched off only where the printed address is not in the certificate.
        Some(tls) if !tls.names_address => "-k ".to_owned(),
        Some(tls) if tls.self_signed => format!("--cacert {} ", quoted(&tls.certificate)),
        _ => String::new(),
    }
}

/// Quotes a path so that a shell reads it as one word.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// The argument of `curl -F` that sends a file, as one shell word. Inside it curl has quotes of its own.
fn form_file(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) {
        return format!("files=@{text}");
    }
    let in_quotes = text.replace('\\', r"\\").replace('"', "\\\"").replace('\'', r"'\''");
    format!("'files=@\"{in_quotes}\"'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_only_where_a_shell_would_split_them() {
        assert_eq!(quoted(Path::new("/a/b-c_1.d")), "/a/b-c_1.d");
        assert_eq!(quoted(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
