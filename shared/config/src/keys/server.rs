//! The keys of the HTTP server, its log, its tokens, and simulated refusals.

use domain::Code;
use edge::telemetry::Format;
use edge::{Cors, LogUsers};

use super::{DAY, KIB, MIB, YEAR, file};
use crate::key::Key;

pub const SERVER: &[Key] = &[
    Key::address("server.listen", "127.0.0.1:8787", |c, at| c.server.listen = at).comment(
        "Clients reach the server at this address. Before other machines may reach it, give it a certificate or put TLS in \
         front of it. Port 0 takes a free port.",
    ),
    Key::address("server.internal_listen", "127.0.0.1:0", |c, at| c.server.internal_listen = at).comment(
        "The queue reaches the worker at this address, which must be a loopback address. It has limits of its own.",
    ),
    Key::url("server.public_url", |c, url| c.server.public_url = Some(url.to_owned()))
        .comment(
            "Clients reach the server from outside at this address, and upload addresses begin with it. If it is not set, \
             they are relative to the address that the client used.",
        )
        .example("https://audio.example.com"),
    Key::path("server.tls_cert", |c, path| c.server.tls_cert = file(path)).comment(
        "The PEM file with the certificate for TLS: its own first, then the chain. Without this key and `tls_key`, the \
         server speaks plain HTTP.",
    ),
    Key::path("server.tls_key", |c, path| c.server.tls_key = file(path))
        .comment("The PEM file with the private key of the certificate."),
    Key::seconds("server.tls_renewal_seconds", 60, 1..=DAY, |c, time| c.server.tls_renewal = time)
        .comment("The server looks this often whether the two files were renewed."),
    Key::origins("server.cors_origins", |c, origins| c.server.cors = Cors::of(origins))
        .comment(
            "Web pages of these origins may use the API, such as [\"https://app.example\"]; [\"*\"] stands for any origin. In \
             a variable, commas separate them. If there is none, browsers allow only pages of the server itself.",
        )
        .example("[\"https://app.example\"] in a file, and https://app.example in a variable"),
    Key::number("server.max_connections", 2048, 1..=1_000_000, |c, n| c.server.limits.max_connections = n as usize)
        .comment("The server has at most this many connections. Further ones wait until they are accepted."),
    // When others wait for a connection, idle ones are closed after two seconds: the ordinary limit is not lower.
    Key::seconds("server.idle_seconds", 30, 2..=DAY, |c, time| c.server.limits.idle = time)
        .comment("A connection without a request in progress is closed after this time."),
    Key::seconds("server.body_silence_seconds", 30, 1..=DAY, |c, time| c.server.limits.body_silence = time)
        .comment("A request whose body sends nothing for this long is answered with 408."),
    Key::seconds("server.write_stall_seconds", 30, 1..=DAY, |c, time| c.server.limits.write_stall = time)
        .comment("A client that reads nothing of its answer for this long is cut off."),
    // Below these minima, an ordinary request with a token would already be refused.
    Key::number("server.max_headers", 100, 20..=1000, |c, n| c.server.limits.requests.max_headers = n as usize)
        .comment("A request with more header fields is answered with 431."),
    Key::bytes("server.max_header_bytes", 32 * KIB, 4 * KIB..=MIB, |c, n| {
        c.server.limits.requests.max_header_bytes = n as usize;
    })
    .comment("A request whose header fields are larger together is answered with 431."),
    Key::bytes("server.max_uri_bytes", 8 * KIB, KIB..=64 * KIB, |c, n| {
        c.server.limits.requests.max_uri_bytes = n as usize;
    })
    .comment("A request with a longer path and query is answered with 414."),
    Key::bytes("server.max_json_bytes", 64 * KIB, KIB..=16 * MIB, |c, n| {
        c.server.limits.requests.max_json_bytes = n as usize;
    })
    .comment("A request with a larger JSON body is answered with 413."),
    Key::number("server.h2_streams", 32, 1..=1000, |c, n| c.server.limits.h2_streams = n as u32)
        .comment("A connection of HTTP/2 has at most this many requests at once."),
    Key::switch("server.trust_clock", false, |c, on| c.server.trust_clock = on).comment(
        "The clock counts as set, even if it is earlier than the build of the program or the newest stored change. This is for \
         starts after a clock that ran ahead was corrected, until the time has passed that it showed.",
    ),
];

pub const LOG: &[Key] = &[
    Key::log_filter("log.level", "info", |c, filter| c.log.filter = filter)
        .comment("A level (`error`, `warn`, `info`, `debug`, `trace` or `off`), or levels of parts of the program such as `info,flow=debug`."),
    Key::choice("log.format", "auto", &["auto", "text", "json"], |c, name| c.log.format = format(name))
        .comment("With `auto`, the log is text on a terminal and JSON lines elsewhere."),
    Key::choice("log.users", "hashed", &["hashed", "plain"], |c, name| c.server.log_users = users(name)).comment(
        "With `hashed`, the log names a user by the first 16 hex digits of the SHA-256 of the id; with `plain`, by the id.",
    ),
];

fn format(name: &str) -> Format {
    match name {
        "text" => Format::Text,
        "json" => Format::Json,
        _ => Format::Auto,
    }
}

fn users(name: &str) -> LogUsers {
    if name == "plain" { LogUsers::Plain } else { LogUsers::Hashed }
}

pub const IDENTITY: &[Key] =
    &[Key::seconds("identity.token_ttl_seconds", DAY, 1..=YEAR, |c, time| c.identity.token_ttl = time)
        .comment("The token that `afterword serve` prints is valid for this long.")];

pub const SIMULATE: &[Key] = &[
    Key::choice("simulate.refuse", "", &["", "fair_use", "rate_limit", "backend_busy"], |c, name| {
        c.simulate.refuse = refusal(name);
    })
    .comment(
        "The server refuses every upload like this: `fair_use` (429), `rate_limit` (429) or `backend_busy` (503). If it is \
         empty, nothing is simulated.",
    ),
    Key::seconds("simulate.retry_after_seconds", 30, 1..=YEAR, |c, time| c.simulate.retry_after = time)
        .comment("A refused app is asked to wait for this long."),
];

fn refusal(name: &str) -> Option<Code> {
    match name {
        "fair_use" => Some(Code::FairUseRestricted),
        "rate_limit" => Some(Code::RateLimited),
        "backend_busy" => Some(Code::BackendBusy),
        _ => None,
    }
}
