//! Every limit of the HTTP edge, with its reason.
//!
//! The limits that an operator may want to change are only the defaults of `ServeLimits` and `RequestLimits`, which the
//! configuration fills: connections, idle times, sizes of a request, HTTP/2 streams. The others are fixed: they follow
//! from these, from a protocol, or from what a client can bear.

use std::time::Duration;

/// The number of connections held at once; further ones wait in the kernel's queue. The usual soft limit is 1,024 open
/// files, and an upload holds one besides its socket.
pub const MAX_CONNECTIONS: usize = 512;

/// A connection without a request in flight is closed after this: nothing has been sent yet, a head is not completed,
/// or a kept-alive connection is not used.
pub const IDLE: Duration = Duration::from_secs(30);
/// The same limit while other connections wait for a permit.
pub const IDLE_WHEN_CROWDED: Duration = Duration::from_secs(2);
/// The time that an idle connection gets for a graceful close (a request may just be arriving).
pub const FAREWELL: Duration = Duration::from_secs(2);

/// A request body of which no byte arrives for this long, while a handler waits for one, is given up with 408.
pub const BODY_SILENCE: Duration = Duration::from_secs(30);
/// A peer that takes no byte of its answer for this long is gone, or wants to occupy the server's memory.
pub const WRITE_STALL: Duration = Duration::from_secs(30);

/// Bytes of an answer that are handed to hyper at once. Sending the last of them may take as long as a connection may
/// be idle: with the default, half a KiB a second.
pub const ANSWER_PIECE: usize = 16 * 1024;

/// HTTP/1: the read buffer of a connection holds the largest allowed head plus this, so that a head that is a little
/// too large gets a problem body and not the bare 431 of the parser. 200 simultaneous uploads hold 12.5 MiB here.
pub const READ_BUFFER_EXTRA: usize = 24 * 1024;
/// The parser accepts this many header fields more than the router allows, for the same reason.
pub const PARSER_HEADERS_EXTRA: usize = 156;
/// The number of header fields of a request. Behind two proxies a request has about 40.
pub const MAX_HEADERS: usize = 100;
/// Bytes of all header fields. An ID token is about 1 KiB; 8 KiB is what proxies allow for one field.
pub const MAX_HEADER_BYTES: usize = 32 * 1024;
/// Bytes of path and query. A hundred conversation ids take 3.7 KiB.
pub const MAX_URI_BYTES: usize = 8 * 1024;

/// HTTP/2: simultaneous requests on one connection. A proxy in front opens another connection when they are used up.
pub const H2_STREAMS: u32 = 32;
/// HTTP/2: bytes that a client may send ahead on one stream. The window of the connection is this times the number of
/// streams, so that a handler that does not read never blocks the others.
pub const H2_STREAM_WINDOW: u32 = 64 * 1024;
/// HTTP/2: bytes that are buffered for a peer that reads slowly, per stream.
pub const H2_SEND_BUFFER: usize = 64 * 1024;
/// HTTP/2: how often a ping is sent, and how long the peer has to answer it.
pub const H2_PING: Duration = Duration::from_secs(20);

/// After an early answer (401, 413, …) the rest of the body is read and thrown away, up to this many bytes, so that the
/// answer is not lost to a reset. Many clients look at the answer only after they have sent everything, hence the large
/// number. No memory is held, and the time is bounded.
pub const LINGER_BYTES: u64 = 64 * 1024 * 1024;
pub const LINGER: Duration = Duration::from_secs(5);
/// Reading the rest ends early when nothing more arrives for this long.
pub const LINGER_SILENCE: Duration = Duration::from_secs(1);
/// An unread body up to this size has usually arrived already and is drained by hyper, so the connection can be kept.
pub const SMALL_BODY: u64 = 8 * 1024;

/// The time for a TLS handshake, from the first byte to the last. On a bad mobile network one takes two or three
/// seconds.
pub const HANDSHAKE: Duration = Duration::from_secs(10);
/// The size of a file with certificates or a key. A chain of four certificates has about 8 KiB.
pub const MAX_PEM_BYTES: u64 = 1024 * 1024;

/// The time from the signal to the end: what Cloud Run grants before it kills the process.
pub const SHUTDOWN: Duration = Duration::from_secs(10);
/// This long before the end every request without an answer is answered with 503, so that the client has time to read
/// it.
pub const LAST_CALL: Duration = Duration::from_secs(1);
/// Kept-alive connections are read for this long after the signal: requests that were under way are answered and not
/// lost to a closed connection. It is about the one-way delay on a bad mobile network.
pub const LATE_REQUESTS: Duration = Duration::from_millis(500);
/// The wait that a client is told during a shutdown: by then another server, or the same one restarted, is there.
pub const RETRY_SHUTTING_DOWN: Duration = Duration::from_secs(10);
/// The first and the longest pause after an `accept` that failed for lack of descriptors or memory.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
pub const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// How long a browser may cache the answer to a preflight request. Chromium takes at most two hours.
pub const PREFLIGHT_AGE: Duration = Duration::from_secs(3600);

/// The size of the body that `Json` accepts. The largest JSON body of the API, a resumable upload of 20 files,
/// has about 8 KiB.
pub const MAX_JSON_BYTES: usize = 64 * 1024;
/// Bytes of a parser's message that a client gets to see.
pub const PARSER_MESSAGE_BYTES: usize = 200;

/// The time for a token check; a slower one counts as unavailable.
pub const IDENTITY: Duration = Duration::from_secs(10);
/// The time for one readiness check.
pub const READY_CHECK: Duration = Duration::from_secs(2);
/// How long the outcome of readiness checks is reused. Load balancers ask every few seconds.
pub const READY_FRESH: Duration = Duration::from_secs(1);
/// The wait that a client is told when a store cannot be reached and does not say for how long.
pub const RETRY_UNAVAILABLE: Duration = Duration::from_secs(10);
/// The wait that a client is told when only an operator can help.
pub const RETRY_MISCONFIGURED: Duration = Duration::from_secs(60);

/// The wait that a client is told while the clock of the server is not set. Machines set it within a minute after they
/// have a network.
pub const RETRY_CLOCK_NOT_SET: Duration = Duration::from_secs(30);
/// The longest wait that a client is told. A longer one comes from a wrong clock, and the client would obey it.
pub const LONGEST_RETRY: Duration = Duration::from_secs(86_400);
/// The longest wait under a rule of fair use, which may count by the month.
pub const LONGEST_FAIR_USE_RETRY: Duration = Duration::from_secs(30 * 86_400);

/// The shortest task secret: a shorter one can be guessed or was typed by hand.
pub const MIN_SECRET_BYTES: usize = 32;
/// The longest request id that a client may choose.
pub const MAX_REQUEST_ID_BYTES: usize = 64;
/// How long a scrape waits for the store. Prometheus gives up after ten seconds.
pub const METRICS_REFRESH: Duration = Duration::from_secs(2);
/// Histogram samples are folded at least once in this many requests: without a scraper they would pile up.
pub const METRICS_FOLD_EVERY: u32 = 1024;

const _: () = {
    assert!(IDLE_WHEN_CROWDED.as_secs() < IDLE.as_secs());
    assert!(LINGER_SILENCE.as_secs() <= LINGER.as_secs() && LINGER.as_secs() < SHUTDOWN.as_secs());
    assert!(LAST_CALL.as_secs() < SHUTDOWN.as_secs());
};
