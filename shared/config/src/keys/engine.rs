//! The keys of the speech engines and of voice detection.

use flow::settings::MOST_AT_ONCE;

use super::HOUR;
use crate::key::{Key, NO_LIMIT, Unit};
use crate::settings::Detector;
use crate::value::words;

/// A test compares this list with the engines that there are.
const ENGINES: &[&str] = &["auto", "deepgram", "http", "moonshine-tiny", "moonshine-base", "null", "whisper"];

pub const ENGINE: &[Key] = &[
    Key::choice("engine.name", "auto", ENGINES, |c, name| c.engine.name = name.to_owned()).comment(
        "The speech engine. `auto` is the best that is set up. `moonshine-tiny` runs on this machine, needs nothing else and \
         knows only English. `moonshine-base` is the same, larger, slower and more exact, where its model is found \
         (`scripts/setup-models --base`). `whisper` is whisper.cpp with a model of your own, in programs that were built \
         with `--features whisper`; it knows other languages too. `null` makes up text, for tests and benchmarks.",
    ),
    Key::path("engine.models", |c, path| c.engine.models = path.to_owned()).comment(
        "The folder of the models, which is used before what is built into the program. If it is empty, the program uses what \
         is built in, otherwise the folder that `make setup` fills: $AFTERWORD_MODELS, $XDG_CACHE_HOME/afterword/models or \
         ~/.cache/afterword/models.",
    ),
    Key::path("engine.whisper_model", |c, path| c.engine.whisper_model = path.to_owned()).comment(
        "Only for `whisper`: the file of its model, in whisper.cpp's ggml format, such as ggml-base.bin.",
    ),
    Key::number("engine.parallelism", 0, 0..=MOST_AT_ONCE as u64, |c, n| c.settings.worker.parallelism = n as usize)
        .comment(
            "For all jobs together: this many calls of the engine run at once, and this many recordings are decoded at once. \
             0 stands for as many recordings as there are cores, and as many calls as the engine supports.",
        ),
    Key::choice("engine.arithmetic", "auto", &["auto", "vnni", "avx2", "neon", "plain"], |c, name| {
        c.engine.arithmetic = name.to_owned();
    })
    .comment(
        "For the engines on this machine: how products of 8-bit numbers are computed. `auto` is the fastest way that the \
         processor has. `vnni` and `avx2` (x86-64), `neon` (64-bit ARM) and `plain` force one. All are exact, so the words \
         are the same.",
    ),
    Key::time("engine.null_delay_ms", 0, 0..=NO_LIMIT, Unit::Milliseconds, |c, time| c.engine.null_delay = time)
        .comment("Only for `null`: each call takes this long."),
    Key::text("engine.null_fail", "", |c, how| c.engine.null_fail = how.to_owned()).comment(
        "Only for `null`: calls fail like this: `transient`, `refuse` or `empty`; with `refuse:2`, every second call does. If \
         it is empty, none fails.",
    ),
    Key::text("engine.null_languages", "", |c, tags| c.engine.null_languages = words(tags).collect()).comment(
        "Only for `null`: the languages that the engine knows, such as \"en,de\". If it is empty, it knows any.",
    ),
];

pub const DEEPGRAM: &[Key] = &[
    Key::secret("engine.deepgram.api_key", |c, key| c.engine.cloud.deepgram.api_key = Some(key)).comment(
        "The key of your account at Deepgram. DEEPGRAM_API_KEY, which other programs use, is ignored: a key for them must not \
         send recordings away.",
    ),
    Key::text("engine.deepgram.url", "https://api.deepgram.com", |c, url| c.engine.cloud.deepgram.url = url.to_owned())
        .comment(
            "The address of the service. A host alone is completed by /v1/listen. A query is sent along, such as \
             ?mip_opt_out=true.",
        ),
    Key::text("engine.deepgram.model", "nova-3", |c, model| c.engine.cloud.deepgram.model = model.to_owned())
        .comment("The model that transcribes."),
    Key::seconds("engine.deepgram.max_span_seconds", 300, 1..=HOUR, |c, time| c.engine.cloud.deepgram.max_span = time)
        .comment(
            "Speech is sent in pieces of at most this length. Recorded Opus packets are sent whole, with those that a decoder \
             needs to start: up to 250 ms more.",
        ),
    Key::number("engine.deepgram.concurrency", 8, 1..=64, |c, n| c.engine.cloud.deepgram.concurrency = n as usize)
        .comment("An instance makes at most this many calls at once. An account has 100 in all."),
];

pub const HTTP: &[Key] = &[
    Key::text("engine.http.url", "", |c, url| c.engine.cloud.http.url = url.to_owned())
        .comment(
            "The address of the server. A host alone, or an address that ends in /v1, is completed; any other path is used as \
             it is.",
        )
        .example("http://localhost:8000"),
    Key::secret("engine.http.api_key", |c, key| c.engine.cloud.http.api_key = Some(key))
        .comment("It is sent as a bearer token. If it is not set, none is sent."),
    Key::text("engine.http.model", "whisper-1", |c, model| c.engine.cloud.http.model = model.to_owned())
        .comment("The model that transcribes."),
    Key::seconds("engine.http.max_span_seconds", 300, 1..=HOUR, |c, time| c.engine.cloud.http.max_span = time)
        .comment(
            "Speech is sent in pieces of at most this length. Recorded Opus packets are sent whole, with those that a decoder \
             needs to start: up to 250 ms more.",
        ),
    Key::number("engine.http.concurrency", 4, 1..=64, |c, n| c.engine.cloud.http.concurrency = n as usize)
        .comment("An instance makes at most this many calls at once."),
    Key::choice("engine.http.format", "auto", &["auto", "wav"], |c, name| c.engine.cloud.http.format = name.to_owned()).comment(
        "With `auto`, Opus is sent as it was recorded, and everything else as FLAC. `wav` is for servers that read nothing \
         else.",
    ),
];

pub const AUDIO: &[Key] = &[Key::choice("audio.detector", "silero", &["silero", "energy"], |c, name| {
    c.detector = if name == "energy" { Detector::Energy } else { Detector::Silero };
})
.comment(
    "What finds speech in a recording. `silero` is a network that was trained for it. `energy` needs no model and takes every \
     sound that stands out for speech; it is for tests and benchmarks.",
)];
