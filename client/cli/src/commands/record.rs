//! `afterword record`.

use std::io::{self, IsTerminal};
use std::pin::{Pin, pin};
use std::time::Duration;

use domain::{Codec, FrameFormat, Timestamp};
use engine::{ChunkId, Stream};
use serde_json::json;
use terminal::output::tell;
use tokio::time::MissedTickBehavior;

use super::print;
use crate::clock;
use crate::connection::{ServerArgs, connect};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt;
use crate::local_server::LocalServers;
use crate::messages::Message;
use crate::push::device::{Device, unusable};
use crate::push::progress::Bar;
use crate::push::sending::{Item, Later, as_json, print_words, send};
use crate::record::frames::{Layout, raw};
use crate::record::source::{Source, SourceError};
use crate::times::{Zone, span};

/// After Ctrl-C, what the program before has already written is waited for this long.
const DRAIN: Duration = Duration::from_secs(1);
/// How often the bar is drawn.
const EVERY: Duration = Duration::from_millis(500);
/// How often what happened is kept for reports, in ticks of the bar.
const KEEP_TICKS: u32 = 60;
/// The recordings of the session that are read at a time.
const PAGE: usize = 500;

const EXAMPLES: &str = "\
The audio comes on standard input: frames of a codec, each with its length in four bytes (the lowest first), or samples \
without lengths. It is recorded in pieces of a minute, each of which is sent while the next one is recorded. At most a second \
of audio is lost if the computer loses its power, and none if the server is offline: `afterword push --waiting` sends it later.

Ctrl-C, or the end of the audio, ends the recording. Then the command waits for the words and prints them.

This program does not open a microphone itself. The tools of the system do, as in these examples:
  arecord -q -t raw -f S16_LE -r 16000 -c 1 | afterword record --codec pcm16 --rate 16000
  ffmpeg -v error -f avfoundation -i :0 -ac 1 -ar 16000 -f s16le - | afterword record --codec pcm16 --rate 16000
  afterword record --codec opus --device pendant < frames.bin";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The codec: opus, opus_fs320, pcm16, pcm8, mulaw8, mulaw16, aac or lc3_fs1030
    #[arg(long, value_name = "CODEC", default_value = "opus", value_parser = parse_codec)]
    codec: Codec,
    /// Samples a second [default: that of the codec, mostly 16000]
    #[arg(long, value_name = "HERTZ")]
    rate: Option<u32>,
    /// Channels: 1 or 2
    #[arg(long, value_name = "N", default_value_t = 1)]
    channels: u8,
    /// Samples in a frame [default: that of the codec, mostly 160]
    #[arg(long, value_name = "N")]
    frame_samples: Option<u32>,
    /// How the audio comes: `frames` with their lengths, or `raw` samples [default: raw for pcm16, pcm8 and mulaw; else frames]
    #[arg(long, value_name = "INPUT")]
    input: Option<Input>,
    /// What the recorder is called: recordings of one device belong together
    #[arg(long, value_name = "NAME", default_value = "cli")]
    device: String,
    /// End when the server has everything, without waiting for the words
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    show: print::ShowArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Input {
    Frames,
    Raw,
}

fn parse_codec(text: &str) -> Result<Codec, String> {
    let names: Vec<_> = Codec::ALL.iter().map(|codec| codec.as_str()).collect();
    text.parse().map_err(|()| format!("there are {}", names.join(", ")))
}

/// What is recorded, by the options and what is usual for the codec. The rules of names say what is possible.
fn format(args: &Args) -> Result<FrameFormat, Message> {
    let wrong = |why: String| Message::InvalidFormat { why };
    let read = |name: &str| match domain::name::parse(name).map(|name| name.format) {
        Ok(domain::Format::Frames(format)) => Ok(format),
        Ok(domain::Format::Sound(_)) => Err(wrong(args.codec.to_string())),
        Err(error) => Err(wrong(error.to_string())),
    };
    let usual = read(&format!("audio_{}_{}.bin", args.codec, domain::name::EARLIEST_MS))?;
    let given = FrameFormat {
        rate: args.rate.unwrap_or(usual.rate),
        channels: args.channels,
        frame_samples: args.frame_samples.unwrap_or(usual.frame_samples),
        ..usual
    };
    read(&given.file_name(&args.device, Timestamp::from_millis(domain::name::EARLIEST_MS)))
}

fn layout(args: &Args, format: FrameFormat) -> Result<Layout, Message> {
    match (args.input, raw(format)) {
        (Some(Input::Frames), _) | (None, None) => Ok(Layout::Framed),
        (_, Some(raw)) => Ok(raw),
        (Some(Input::Raw), None) => Err(Message::NotRaw { codec: format.codec.to_string() }),
    }
}

pub async fn run(args: &Args, local: &dyn LocalServers) -> Result<Exit, Failure> {
    let format = format(args)?;
    let layout = layout(args, format)?;
    if io::stdin().is_terminal() {
        return Err(Message::NoInput.into());
    }
    let connection = connect(&args.server, local)?;
    let (device, driver) = Device::open(&connection).await?;
    let mut driver = pin!(driver.run());
    let began = clock::now();
    let session = format!("record-{}-{}", began.millis(), std::process::id());
    let stream = Stream { format, device: args.device.clone(), session: session.clone() };
    let recorder = device.engine.record(stream).map_err(unusable)?;
    let not_started = |why: io::Error| Message::EngineUnusable { why: why.to_string() };
    let source = Source::start(recorder, layout).map_err(not_started)?;
    let recorded = recorded(&device, source, driver.as_mut(), format).await;
    let items = of_session(&device, &session, began)?;
    if items.is_empty() {
        return Err(recorded.err().unwrap_or(Message::NoAudio).into());
    }
    if let Err(message) = &recorded {
        tell(crate::PROGRAM, message);
    }
    let outcome = send(&connection.api, &device, driver, &items, !args.no_wait).await?;
    if args.show.json {
        let recordings: Vec<_> = items.iter().filter_map(|item| as_json(&device, item.id).transpose()).collect();
        let recordings = recordings.into_iter().collect::<Result<Vec<_>, _>>()?;
        print::json(&json!({"session": session, "recordings": recordings, "conversations": outcome.said}))?;
    } else {
        print_words(&outcome.said, &Zone::new(args.show.utc))?;
        if !args.no_wait {
            outcome.tell_silence(outcome.failed < items.len());
        }
    }
    outcome.acknowledge(&device, &items, !args.no_wait)?;
    let exit = outcome.end(0, items.len(), Later::PushWaiting)?;
    Ok(if recorded.is_ok() { exit } else { Exit::Failed })
}

/// Waits for the end of the audio or for Ctrl-C, and ends the recording. What was recorded before an error is kept.
async fn recorded(
    device: &Device,
    mut source: Source,
    mut driver: Pin<&mut impl Future<Output = ()>>,
    format: FrameFormat,
) -> Result<(), Message> {
    let (mut bar, mut ticks, mut tick) = (Bar::new(), tokio::time::interval(EVERY), 0_u32);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stop = pin!(interrupt::asked());
    let ended = loop {
        tokio::select! {
            ended = &mut source.ended => break ended.unwrap_or(Ok(())),
            () = &mut stop => {
                // The program before gets the signal too, and what it has written is on its way.
                let drained = tokio::time::timeout(DRAIN, &mut source.ended).await;
                break drained.ok().and_then(Result::ok).unwrap_or(Ok(()));
            }
            () = &mut driver => break Ok(()),
            _ = ticks.tick() => {
                let samples = source.frames().saturating_mul(u64::from(format.frame_samples));
                let length = Duration::from_secs(samples / u64::from(format.rate.max(1)));
                bar.show(format!("recording: {}", span(length)));
                tick = tick.wrapping_add(1);
                if tick.is_multiple_of(KEEP_TICKS) {
                    device.keep_events();
                }
            }
        }
    };
    bar.clear();
    let finalized = source.finalize().map_err(SourceError::Record);
    match (ended, finalized) {
        (Err(error), Ok(())) if error.is_torn_end() => {
            tell(crate::PROGRAM, error);
            Ok(())
        }
        (Err(error), _) | (Ok(()), Err(error)) => Err(Message::RecordingEnded { why: error.to_string() }),
        (Ok(()), Ok(())) => Ok(()),
    }
}

/// The recordings of this session, oldest first.
fn of_session(device: &Device, session: &str, began: Timestamp) -> Result<Vec<Item>, Message> {
    let (mut items, mut before) = (Vec::new(), None::<(Timestamp, ChunkId)>);
    loop {
        let page = device.engine.list(None, before, PAGE).map_err(unusable)?;
        let ours = page.iter().filter(|(chunk, _)| chunk.session == session);
        items.extend(ours.map(|(chunk, _)| Item { id: chunk.id, called: chunk.name.clone() }));
        before = page.last().map(|(chunk, _)| (chunk.captured_at, chunk.id));
        // None is older than the session. A name with the time of a clock that was never set has a later one.
        if before.is_none_or(|(at, _)| at < began) {
            items.reverse();
            return Ok(items);
        }
    }
}
