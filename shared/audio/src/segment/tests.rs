//! Joining, padding and cutting; no speech is lost or doubled.

use proptest::prelude::*;

use super::*;

fn regions(pairs: &[(u32, u32)]) -> Vec<Region> {
    pairs.iter().map(|&(start_ms, end_ms)| Region { start_ms, end_ms }).collect()
}

fn spans(pairs: &[(u32, u32)], duration_ms: u32, preferred: u64) -> Vec<(u32, u32)> {
    let rules = SegmentRules::new(Duration::from_secs(preferred));
    let made = segments(&regions(pairs), duration_ms, &rules, &Track::default());
    made.iter().map(|span| (span.start_ms, span.end_ms)).collect()
}

#[test]
fn padding_is_added_outside_and_stays_within_recording() {
    assert_eq!(spans(&[(1_000, 2_000)], 10_000, 15), [(800, 2_200)]);
    assert_eq!(spans(&[(100, 2_000)], 2_100, 15), [(0, 2_100)]);
    assert_eq!(spans(&[], 2_100, 15), []);
}

#[test]
fn regions_join_below_the_gap_and_separate_from_it_on() {
    assert_eq!(spans(&[(1_000, 2_000), (3_999, 5_000)], 10_000, 15), [(800, 5_200)]);
    assert_eq!(spans(&[(1_000, 2_000), (4_000, 5_000)], 10_000, 15), [(800, 2_200), (3_800, 5_200)]);
}

#[test]
fn segment_grows_up_to_preferred_length_and_not_beyond() {
    assert_eq!(spans(&[(1_000, 2_000), (2_500, 15_600)], 60_000, 15), [(800, 15_800)]);
    assert_eq!(spans(&[(1_000, 2_000), (2_500, 15_601)], 60_000, 15), [(800, 2_200), (2_300, 15_801)]);
}

#[test]
fn padding_never_reaches_into_neighbour() {
    let close = [(1_000, 9_000), (9_100, 17_000)];
    assert_eq!(spans(&close, 60_000, 10), [(800, 9_050), (9_050, 17_200)]);
}

#[test]
fn speech_of_preferred_length_is_not_cut() {
    assert_eq!(spans(&[(1_000, 15_800)], 15_800, 15), [(800, 15_800)]);
}

#[test]
fn rest_of_long_speech_is_long_enough_for_engine() {
    assert_eq!(spans(&[(0, 15_001)], 15_001, 15), [(0, 14_850), (14_850, 15_001)]);
}

#[test]
fn long_speech_without_quiet_stretch_is_cut_in_middle_of_last_fifth() {
    assert_eq!(spans(&[(203, 1_004)], 1_004, 1), [(3, 853), (853, 1_004)]);
}

#[test]
fn padding_is_given_up_before_piece_without_speech_is_cut_off() {
    assert_eq!(spans(&[(1_000, 15_700)], 60_000, 15), [(800, 15_800)]);
}

#[test]
fn long_speech_is_cut_where_it_is_quietest_in_last_fifth() {
    let mut track = Track::default();
    for step in 0..4_000u32 {
        // It is quieter still at 5 s, just before the last fifth, and just behind the preferred length.
        let loudness = match step {
            500..510 | 1_190..1_200 | 1_500..1_510 => 0.01,
            1_300..1_310 | 2_700..2_710 => 0.05,
            _ => 0.5,
        };
        track.push(&[loudness; 160]);
    }
    let rules = SegmentRules::new(Duration::from_secs(15));
    let made = segments(&regions(&[(0, 40_000)]), 40_000, &rules, &track);
    let cuts: Vec<u32> = made.iter().map(|span| span.end_ms).collect();
    assert_eq!(cuts, [13_050, 27_050, 40_000]);
}

fn any_regions() -> impl Strategy<Value = Vec<Region>> {
    proptest::collection::vec((0..5_000u32, 1..40_000u32), 0..30).prop_map(|pairs| {
        let mut at = 0;
        let mut region = |(pause, length): (u32, u32)| {
            let start_ms = at + pause;
            at = start_ms + length;
            Region { start_ms, end_ms: at }
        };
        pairs.into_iter().map(&mut region).collect()
    })
}

proptest! {
    #[test]
    fn every_millisecond_of_speech_is_in_exactly_one_segment(
        regions in any_regions(),
        preferred in 1..20u64,
        after in 0..1_000u32,
        loudness in proptest::collection::vec(0.0..1.0f32, 1..50),
    ) {
        let mut track = Track::default();
        loudness.iter().cycle().take(3_000).for_each(|step| track.push(&[*step; 160]));
        let duration = regions.last().map_or(0, |region| region.end_ms) + after;
        let rules = SegmentRules::new(Duration::from_secs(preferred));
        let made = segments(&regions, duration, &rules, &track);

        for span in &made {
            prop_assert!(span.start_ms < span.end_ms && span.end_ms <= duration);
            prop_assert!(span.duration_ms() <= rules.preferred_ms());
        }
        // The segments are sorted and do not overlap, so counting what they share with the regions counts every
        // millisecond once.
        prop_assert!(made.windows(2).all(|pair| pair[0].end_ms <= pair[1].start_ms));
        let shared: u32 = made.iter().map(|span| speech_ms_in(&regions, *span)).sum();
        let speech: u32 = regions.iter().map(|region| region.end_ms - region.start_ms).sum();
        prop_assert_eq!(shared, speech);
        // No segment is made of silence alone.
        prop_assert!(made.iter().all(|span| speech_ms_in(&regions, *span) > 0));
    }
}
