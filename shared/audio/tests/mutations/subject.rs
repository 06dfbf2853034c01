//! The steps that every input goes through: its name is parsed, its bytes are analysed, and its segments are cut.

use std::io::Cursor;
use std::ops::ControlFlow;
use std::time::Duration;

use audio::{Analysis, AudioError, Cut, Energy, Input, SegmentRules, Span, Verdict};
use domain::Format;

/// The limit on the duration of an input: it has half a second, and damage may claim more, but not without end.
const WITHIN: Duration = Duration::from_secs(60);

/// `None`: the name is refused.
pub fn run(name: &str, bytes: &[u8], as_stream: bool) -> Option<Result<Analysis, AudioError>> {
    let format = domain::name::parse(name).ok()?.format;
    let found = analyse(&format, bytes, as_stream);
    if let Ok(found) = &found {
        check(found, bytes.len());
        cut(&format, found, bytes, as_stream);
        cut_packets(&format, found, bytes);
    }
    Some(found)
}

fn analyse(format: &Format, bytes: &[u8], as_stream: bool) -> Result<Analysis, AudioError> {
    let (rules, mut energy) = (SegmentRules::new(Duration::from_secs(15)), Energy::new());
    if as_stream {
        let (survey, kept) = audio::survey_within(format, &mut &bytes[..], WITHIN)?;
        return match kept {
            Some(kept) => audio::analyse(survey, format, &kept, &rules, &mut energy),
            None => audio::analyse(survey, format, &mut &bytes[..], &rules, &mut energy),
        };
    }
    let again = || Cursor::new(bytes);
    let (survey, _) = audio::survey_within(format, Input::ranges(&mut again()), WITHIN)?;
    audio::analyse(survey, format, Input::ranges(&mut again()), &rules, &mut energy)
}

fn check(found: &Analysis, size: usize) {
    let survey = &found.survey;
    // What a file promises and does not have counts as dropped too.
    let promised = survey.dropped_beyond_packet;
    assert!(promised || survey.dropped_bytes <= size as u64 + 65_536, "more is dropped than there was: {found:?}");
    assert!(survey.concealed_ms <= survey.duration_ms, "more is concealed than there is: {found:?}");
    let sorted = found.segments.windows(2).all(|pair| pair[0].end_ms <= pair[1].start_ms);
    let inside = found.segments.iter().all(|span| span.start_ms < span.end_ms);
    let last = found.segments.last().map_or(0, |span| u64::from(span.end_ms));
    assert!(sorted && inside && last <= survey.duration_ms, "segments are out of place: {found:?}");
    if found.verdict() == Verdict::Silent {
        let whole =
            survey.frames > 0 && !survey.dropped_beyond_packet && survey.concealed_ms * 20 <= survey.duration_ms;
        assert!(whole, "called silent: {found:?}");
    }
}

/// The second pass hears what the first one heard, to the sample.
fn cut(format: &Format, found: &Analysis, bytes: &[u8], as_stream: bool) {
    let mut left = found.segments.iter();
    let mut sink = |span: Span, samples: Vec<f32>| {
        assert_eq!(Some(&span), left.next());
        assert_eq!(samples.len().div_ceil(16), span.duration_ms() as usize, "{span:?}");
        // Resampling to a higher rate overshoots a little beyond clipped samples.
        assert!(samples.iter().all(|sample| (-2.0..=2.0).contains(sample)), "{span:?}");
        ControlFlow::Continue(())
    };
    let levels = &found.levels;
    let done = if as_stream {
        audio::cut(format, &mut &bytes[..], levels, &found.segments, &mut sink)
    } else {
        audio::cut(format, Input::ranges(&mut Cursor::new(bytes)), levels, &found.segments, &mut sink)
    };
    done.unwrap();
    assert!(left.next().is_none());
}

/// Packets that are not decoded last as long as their samples did in the first pass.
fn cut_packets(format: &Format, found: &Analysis, bytes: &[u8]) {
    let mut left = found.segments.iter();
    let mut sink = |span: Span, cut: Cut| {
        assert_eq!(Some(&span), left.next());
        let micros = match cut {
            Cut::Samples(samples) => samples.len() as u128 * 1_000_000 / 16_000,
            Cut::Packets(cut) => {
                assert!(!cut.packets.is_empty() && cut.packets.iter().all(|packet| !packet.is_empty()), "{span:?}");
                assert!(cut.lead < Duration::from_millis(130), "{span:?}: {:?}", cut.lead);
                cut.duration.as_micros()
            }
        };
        assert_eq!(micros.div_ceil(1_000), u128::from(span.duration_ms()), "{span:?}");
        ControlFlow::Continue(())
    };
    let mut bytes = Cursor::new(bytes);
    audio::cut_packets(format, Input::ranges(&mut bytes), &found.levels, &found.segments, &mut sink).unwrap();
    assert!(left.next().is_none());
}
