//! Every limit of the edge, with its reason.
//!
//! Those that an operator may want to change are only the defaults of `ServeLimits` and `RequestLimits`, which the
//! configuration fills: connections, times of silence, sizes of a request, HTTP/2 streams. The others hold everywhere:
//! they follow from these, from a protocol, or from what a client can bear, and nobody would know a better number.

use std::time::Duration;

/// Connections held at once; the next ones wait in the kernel's queue. The usual soft limit is 1,024 open files, and
/// an upload holds one besides its socket.
pub const MAX_CONNECTIONS: usize = 512;

/// A connection without a request in flight ends after this: nothing sent yet, a head that does not come to its end,
/// or a kept-alive connection that is not used.
pub const IDLE: Duration = Duration::from_secs(30);
/// The same while others wait for a place.
pub const IDLE_WHEN_CROWDED: Duration = Duration::from_secs(2);
/// What an idle connection gets to say goodbye (a request may just be arriving).
pub const FAREWELL: Duration = Duration::from_secs(2);

/// A request body that sends no byte for this long, while a handler waits for one, is given up: 408.
pub const BODY_SILENCE: Duration = Duration::from_secs(30);
/// A peer that takes no byte of its answer for this long is gone, or wants to hold our memory.
pub const WRITE_STALL: Duration = Duration::from_secs(30);

/// Bytes of an answer that are handed over at once. The last of them may take as long as a connection may be idle: at
/// its default half a KiB a second.
pub const ANSWER_PIECE: usize = 16 * 1024;

/// HTTP/1: the read buffer of a connection holds the largest head, and this beside it, so that the usual offender gets
/// a problem body and not the bare 431 of the parser. 200 uploads at once hold 12.5 MiB here.
pub const READ_BUFFER_BESIDE: usize = 24 * 1024;
/// The parser too takes more header fields than are let through.
pub const PARSER_HEADERS_BESIDE: usize = 156;
/// Number of header fields of a request. Behind two proxies a request has about 40.
pub const MAX_HEADERS: usize = 100;
/// Bytes of all header fields. An ID token is about 1 KiB; 8 KiB is what proxies allow for one field.
pub const MAX_HEADER_BYTES: usize = 32 * 1024;
/// Bytes of path and query. A hundred conversation ids take 3.7 KiB.
pub const MAX_URI_BYTES: usize = 8 * 1024;

/// HTTP/2: requests at once on one connection. A proxy in front opens a further connection when they are used up.
pub const H2_STREAMS: u32 = 32;
/// HTTP/2: bytes a client may send ahead on one stream; on all streams together as many times that, so that a handler
/// that does not read never holds up the others.
pub const H2_STREAM_WINDOW: u32 = 64 * 1024;
/// HTTP/2: bytes buffered for a peer that reads slowly, per stream.
pub const H2_SEND_BUFFER: usize = 64 * 1024;
/// HTTP/2: how often a peer is asked whether it lives, and how long it has to answer.
pub const H2_PING: Duration = Duration::from_secs(20);

/// After an early answer (401, 413, …) the rest of the body is read and thrown away, so that the answer is not lost
/// to a reset. Many clients look at the answer only after they sent everything: hence so many bytes. No memory is
/// held, and the time is bounded.
pub const LINGER_BYTES: u64 = 64 * 1024 * 1024;
pub const LINGER: Duration = Duration::from_secs(5);
/// …and it ends early when nothing more comes for this long.
pub const LINGER_SILENCE: Duration = Duration::from_secs(1);
/// An unread body up to this size is usually here already and drained by hyper: the connection may live on.
pub const SMALL_BODY: u64 = 8 * 1024;

/// A TLS handshake, from the first byte to the last. On a bad mobile network one takes two or three seconds.
pub const HANDSHAKE: Duration = Duration::from_secs(10);
/// A file with certificates or a key. A chain of four certificates has about 8 KiB.
pub const MAX_PEM_BYTES: u64 = 1024 * 1024;

/// From the signal to the end: what Cloud Run grants before it kills.
pub const SHUTDOWN: Duration = Duration::from_secs(10);
/// So long before the end whoever has no answer yet gets one that says so, and the time to read it.
pub const LAST_CALL: Duration = Duration::from_secs(1);
/// After the signal a kept-alive connection is read for so long: what its client has sent by then is answered, and not
/// lost to a connection that closes. About the way there on a bad mobile network.
pub const LATE_REQUESTS: Duration = Duration::from_millis(500);
/// When a client that met the end comes back: by then there is another server, or the same one again.
pub const RETRY_SHUTTING_DOWN: Duration = Duration::from_secs(10);
/// After an `accept` that failed for want of something (descriptors, memory): the first and the longest pause.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
pub const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// How long a browser remembers what it asked beforehand. Chromium takes at most two hours.
pub const PREFLIGHT_AGE: Duration = Duration::from_secs(3600);

/// The body that `Json` takes. The largest of the contract, a resumable upload of 20 files, has about 8 KiB.
pub const MAX_JSON_BYTES: usize = 64 * 1024;
/// Bytes of a parser's own words that a client gets to see.
pub const PARSER_WORDS: usize = 200;

/// A token check that takes longer counts as out of reach.
pub const IDENTITY: Duration = Duration::from_secs(10);
/// One readiness check.
pub const READY_CHECK: Duration = Duration::from_secs(2);
/// For so long the outcome of readiness checks is told again. Whoever balances load asks once in some seconds.
pub const READY_FRESH: Duration = Duration::from_secs(1);
/// What a client is told to wait when a store cannot be reached and does not say for how long.
pub const RETRY_UNAVAILABLE: Duration = Duration::from_secs(10);
/// …and when only a person can help.
pub const RETRY_MISCONFIGURED: Duration = Duration::from_secs(60);

/// Shorter secrets are guessable or typed by hand.
pub const MIN_SECRET_BYTES: usize = 32;
/// A request id that a client may choose itself.
pub const MAX_REQUEST_ID_BYTES: usize = 64;
/// What a scrape waits for the store. Prometheus gives up after ten seconds.
pub const METRICS_LOOK: Duration = Duration::from_secs(2);
/// Histogram samples are folded at least once in so many requests: unread, they would pile up without a scraper.
pub const METRICS_FOLD_EVERY: u32 = 1024;

const _: () = {
    assert!(IDLE_WHEN_CROWDED.as_secs() < IDLE.as_secs());
    assert!(LINGER_SILENCE.as_secs() <= LINGER.as_secs() && LINGER.as_secs() < SHUTDOWN.as_secs());
    assert!(LAST_CALL.as_secs() < SHUTDOWN.as_secs());
};
