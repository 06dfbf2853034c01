//! Packets of spans: the right packets with the right times, whatever the file holds.

use proptest::prelude::*;

use super::*;
use crate::decode::decoder;
use crate::testing::{all_samples, file, fixture, format, noise, recording, s16, sound, sound_format};

fn span(start_ms: u32, end_ms: u32) -> Span {
    Span { start_ms, end_ms }
}

fn cuts(format: &Format, bytes: &[u8], spans: &[Span]) -> Vec<(Span, Cut)> {
    let mut got = Vec::new();
    cut_packets(format, &mut &bytes[..], &Levels::default(), spans, &mut |span, cut| {
        got.push((span, cut));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(got.iter().map(|(span, _)| *span).collect::<Vec<_>>(), spans);
    got
}

fn packets(format: &Format, bytes: &[u8], span: Span) -> Packets {
    match cuts(format, bytes, &[span]).remove(0).1 {
        Cut::Packets(packets) => packets,
        Cut::Samples(_) => panic!("it was decoded"),
    }
}

/// The span's samples as decoded. Listeners receive them without offset.
fn samples(format: &Format, bytes: &[u8], span: Span) -> Vec<f32> {
    all_samples(format, bytes)[span.start_ms as usize * 16..span.end_ms as usize * 16].to_vec()
}

fn of_span(samples: MixedSamples<'_>, span: Span) -> Vec<f32> {
    let mut got = Vec::new();
    cut_samples(samples, &[span], &mut |_, samples| {
        got = samples;
        ControlFlow::Continue(())
    })
    .unwrap();
    got
}

/// Decodes the packets with a decoder that knows nothing else of the recording.
fn heard(packets: &Packets) -> Vec<f32> {
    let mut decoding = Decoding::new().unwrap();
    packets.packets.iter().for_each(|packet| decoding.push(packet));
    let at = |time: Duration| (time.as_micros() * 16 / 1000) as usize;
    decoding.samples.left[at(packets.lead)..][..at(packets.duration)].to_vec()
}

fn device(name: &str) -> (Format, Vec<u8>) {
    (domain::name::parse(&format!("audio_{name}_1748300000.bin")).unwrap().format, recording(name))
}

fn recordings() -> Vec<(Format, Vec<u8>)> {
    vec![
        device("ss0880_opus_16000_1_fs160"),
        device("ss0880_opus_fs320_16000_1_fs320"),
        (sound_format("opus"), sound("48000_1.opus")),
    ]
}

#[test]
fn decoded_packets_equal_samples_of_the_span() {
    for (format, bytes) in recordings() {
        let whole = packets(&format, &bytes, span(0, 2_000));
        assert_eq!(heard(&whole), samples(&format, &bytes, span(0, 2_000)), "{format:?}");
        // In the middle a decoder starts without the packets before; its output soon becomes the same.
        let (part, expected) =
            (packets(&format, &bytes, span(1_003, 2_407)), samples(&format, &bytes, span(1_003, 2_407)));
        let heard = heard(&part);
        assert_eq!(heard.len(), expected.len());
        let energy = |samples: &mut dyn Iterator<Item = f32>| samples.map(|sample| sample * sample).sum::<f32>();
        let later = 3_200..;
        let difference = energy(&mut heard[later.clone()].iter().zip(&expected[later.clone()]).map(|(a, b)| a - b));
        assert!(difference < 0.01 * energy(&mut expected[later].iter().copied()), "{format:?}: {difference}");
    }
}

#[test]
fn first_packet_begins_just_early_enough_for_decoder_look_ahead() {
    for (format, bytes) in recordings() {
        for start in [7, 100, 333, 1_010] {
            let got = packets(&format, &bytes, span(start, start + 500));
            let lead = got.lead.as_secs_f64() * 1000.0;
            assert!((6.5..27.0).contains(&lead), "{format:?} at {start}: {lead} ms");
            assert_eq!(got.duration, Duration::from_millis(500));
        }
    }
    let (format, bytes) = device("ss0880_opus_16000_1_fs160");
    let start = packets(&format, &bytes, span(0, 25));
    assert_eq!((start.lead, start.packets.len()), (Duration::ZERO, 3));
    assert_eq!(packets(&format, &bytes, span(20, 30)).lead, Duration::from_millis(10));
}

#[test]
fn neighbouring_spans_share_packets_that_both_need() {
    let (format, bytes) = device("ss0880_opus_fs320_16000_1_fs320");
    let spans = [span(100, 205), span(205, 400), span(400, 500), span(900, 1_000)];
    for (got, cut) in cuts(&format, &bytes, &spans) {
        let Cut::Packets(cut) = cut else { panic!("it was decoded") };
        assert_eq!(cut, packets(&format, &bytes, got));
    }
}

#[test]
fn undecodable_packet_is_replaced_by_lost_packet_of_same_length() {
    let (format, bytes) = device("ss0880_opus_16000_1_fs160");
    let mut frames = Frames::new(&bytes[..]);
    let mut damaged = Vec::new();
    for number in 0.. {
        let Some(frame) = frames.next_frame().unwrap() else { break };
        // Two frames of equal size cannot take an odd number of bytes, so the packet is refused.
        let frame = if number % 10 == 3 { &[frame[0] & !3 | 1, 0, 0, 0][..] } else { frame };
        damaged.extend(file(frame, frame.len()));
    }
    let got = packets(&format, &damaged, span(0, 1_000));
    assert_eq!(got.packets.len(), 100);
    assert_eq!(got.packets[3].len(), 2);
    assert_eq!(heard(&got), samples(&format, &damaged, span(0, 1_000)));
}

#[test]
fn lost_packet_can_have_every_length_that_a_packet_has() {
    for steps in 1..=48 {
        let packet = lost_packet(steps * 40);
        let mut out = Vec::new();
        let mut decoder = Opus::lasting(320).unwrap();
        decode(&mut decoder, &packet, &mut out);
        assert_eq!(out.len(), steps * 40);
        assert_eq!(opus::packet::parse(&packet).unwrap().frames.concat(), [0; 0]);
    }
}

fn lost_packet(samples: usize) -> Vec<u8> {
    Lengths::of(samples).decodable(&[])
}

#[test]
fn recordings_without_opus_come_as_samples() {
    for (format, bytes) in [
        (format("pcm16_16000_1"), file(&s16(&noise(32_000, 0.5)), 320)),
        (sound_format("ogg"), sound("48000_2.ogg")),
        (sound_format("flac"), sound("16000_1.flac")),
    ] {
        let got = cuts(&format, &bytes, &[span(100, 900)]).remove(0).1;
        let Cut::Samples(got) = got else { panic!("there are no packets in it") };
        let mut read = &bytes[..];
        let listened = MixedSamples::new(Samples::new(&format, &mut read).unwrap(), &Levels::default());
        assert_eq!(got, of_span(listened, span(100, 900)));
    }
}

#[test]
fn packets_that_take_more_memory_than_samples_are_decoded() {
    // 2.5 ms in 1,276 bytes each: four megabits per second.
    let packet = [&[20 << 3][..], &[0x55; 1_275]].concat();
    let bytes = file(&packet, packet.len()).repeat(4_000);
    let format = format("opus_16000_1");
    let [(_, long), (_, short)] = &cuts(&format, &bytes, &[span(1_000, 9_000), span(9_000, 9_100)])[..] else {
        panic!()
    };
    let Cut::Samples(long) = long else { panic!("{} bytes were kept", bytes.len()) };
    assert_eq!(long.len(), 8 * 16_000);
    assert!(matches!(short, Cut::Packets(packets) if packets.packets.len() == 43), "a short one cannot be large");
}

#[test]
fn spans_beyond_the_end_are_given_with_available_packets() {
    let (format, bytes) = device("ss0880_opus_16000_1_fs160");
    let [(_, first), (_, second), (_, third)] =
        &cuts(&format, &bytes, &[span(2_900, 3_100), span(3_100, 3_200), span(3_200, 3_300)])[..]
    else {
        panic!()
    };
    assert!(matches!(first, Cut::Packets(first) if first.duration == Duration::from_millis(90)), "{first:?}");
    for none in [second, third] {
        assert!(matches!(none, Cut::Samples(none) if none.is_empty()), "{none:?}");
    }
}

#[test]
fn reading_ends_when_sink_breaks() {
    let mut endless = crate::testing::Endless::of(&fixture("ss0880_opus"));
    let (levels, spans) = (Levels::default(), [span(0, 10), span(20, 4_000_000)]);
    cut_packets(&format("opus_16000_1"), &mut endless, &levels, &spans, &mut |_, _| ControlFlow::Break(())).unwrap();
    assert!(endless.given < 500_000, "{} bytes were read", endless.given);
}

proptest! {
    /// The times of words depend on this: a packet lasts as long here as it did in the first pass.
    #[test]
    fn packet_length_without_decoding_equals_decoded_length(
        frames in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 1..80),
                (any::<u8>(), 0..48u8, 0..60usize).prop_map(|(toc, count, size)| [&[toc | 3, count][..], &vec![7; size]].concat()),
                (0..100usize, 0..40usize, any::<u8>()).prop_map(|(number, at, byte)| {
                    let (_, bytes) = device("ss0880_opus_16000_1_fs160");
                    let mut frames = Frames::new(&bytes[..]);
                    for _ in 0..number { frames.next_frame().unwrap(); }
                    let mut frame = frames.next_frame().unwrap().unwrap().to_vec();
                    let at = at % frame.len();
                    frame[at] = byte;
                    frame
                }),
            ],
            1..12,
        ),
        named in prop_oneof![Just(40u16), Just(160), Just(320), Just(1_920)],
    ) {
        let Format::Frames(mut described) = format("opus_16000_1") else { panic!() };
        described.frame_samples = named.into();
        let (mut lengths, mut by_decoder) = (Lengths::named(&described), decoder(&described).unwrap());
        for frame in frames {
            let mut out = Vec::new();
            decode(&mut *by_decoder, &frame, &mut out);
            let packet = lengths.decodable(&frame);
            let points = out.len() / by_decoder.channels();
            prop_assert_eq!(lengths.last(), points as u64);
            let (mut alone, mut again) = (Opus::lasting(320).unwrap(), Vec::new());
            decode(&mut alone, &packet, &mut again);
            prop_assert_eq!(again.len() / alone.channels(), points);
        }
    }
}
