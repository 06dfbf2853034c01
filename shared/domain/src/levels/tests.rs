//! Packed levels are read back, stay within their size limit, and damage is detected.

use proptest::prelude::*;

use super::*;

fn stretches() -> impl Strategy<Value = Vec<Stretch>> {
    let one = (1..30_000_u32, 0.01..60.0_f32, 0..Mix::ALL.len());
    prop::collection::vec(one, 0..60).prop_map(|parts| {
        let mut at = 0;
        let next = |(gap, factor, mix): (u32, f32, usize)| {
            at += gap;
            Stretch::new(at, factor, Mix::ALL[mix])
        };
        parts.into_iter().map(next).collect()
    })
}

proptest! {
    #[test]
    fn levels_read_back_as_they_were_packed(stretches in stretches()) {
        let levels = Levels::of(stretches);
        prop_assert_eq!(Levels::unpack(&levels.pack()), Ok(levels));
    }

    #[test]
    fn a_gain_reads_back_as_it_was_packed(factor in 0.001..4_000_000.0_f32) {
        let levels = Levels::one(Gain::of(factor));
        prop_assert_eq!(Levels::unpack(&levels.pack()), Ok(levels));
    }

    #[test]
    fn damaged_bytes_are_refused_or_unpack_to_levels_that_round_trip(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(levels) = Levels::unpack(&bytes) {
            prop_assert_eq!(Levels::unpack(&levels.pack()), Ok(levels));
        }
    }
}

#[test]
fn levels_of_two_days_that_change_all_the_time_stay_within_the_limit() {
    let often = (0..2 * 24 * 3600).map(|second| Stretch::new(second * 1000, (1 + second % 2 * 50) as f32, Mix::Both));
    let rare = (0..MAX_STRETCHES as u32).map(|at| Stretch::new(at * 14_400, (1 + at % 2 * 50) as f32, Mix::Both));
    for levels in [Levels::of(often), Levels::of(rare)] {
        assert_eq!(levels.stretches().len(), MAX_STRETCHES);
        assert!(levels.pack().len() <= MAX_LEVELS_BYTES, "{} bytes", levels.pack().len());
        assert_eq!(Levels::unpack(&levels.pack()), Ok(levels));
    }
}

#[test]
fn factor_is_kept_to_within_a_third_of_a_decibel() {
    for factor in [0.4, 0.5, 1.0, 7.3, 60.0] {
        let kept = Stretch::new(0, factor, Mix::Mid).factor();
        assert!((kept / factor - 1.0).abs() < 0.03, "{kept}, not {factor}");
    }
    assert_eq!(Stretch::new(0, f32::NAN, Mix::Mid).factor(), 1.0);
}

#[test]
fn equal_neighbours_become_one_stretch_and_the_first_begins_at_zero() {
    let at = |start_ms, factor| Stretch::new(start_ms, factor, Mix::Mid);
    let levels = Levels::of([at(700, 2.0), at(1_000, 2.0), at(3_000, 4.0), at(3_050, 8.0), at(9_990, 8.0)]);
    let found: Vec<(u32, f32)> = levels.stretches().iter().map(|s| (s.start_ms(), s.factor().round())).collect();
    assert_eq!(found, [(0, 2.0), (3_000, 8.0)]);
    assert_eq!(Levels::of([]).stretches(), [at(0, 1.0)]);
}

#[test]
fn levels_are_near_one_only_for_small_factors_and_the_mid_mix() {
    let of = |factor, mix| Levels::of([Stretch::new(0, 1.0, Mix::Mid), Stretch::new(5_000, factor, mix)]);
    assert!(Levels::default().is_near_one() && of(3.9, Mix::Mid).is_near_one() && of(0.26, Mix::Mid).is_near_one());
    for far in [of(4.5, Mix::Mid), of(0.2, Mix::Mid), of(1.0, Mix::Side), of(1.0, Mix::Left), of(1.0, Mix::BothBack)] {
        assert!(!far.is_near_one(), "{far:?}");
    }
    assert!(!Levels::one(Gain::of(4.5)).is_near_one());
}

#[test]
fn bytes_that_are_not_levels_are_refused() {
    let no_gain: &[u8] = &[0, 0];
    let no_mix = &[1, 7, 0];
    let cut = &[1, 0];
    let late = &[1, 8, 0];
    let twice = &[1, 0, 0, 0, 0];
    for wrong in [&[][..], &[0], no_gain, &[0, 1, 1], &[1], no_mix, cut, late, twice, &[2, 0, 0], &[9; 50_000]] {
        assert!(Levels::unpack(wrong).is_err(), "{:?}", &wrong[..wrong.len().min(9)]);
    }
}
