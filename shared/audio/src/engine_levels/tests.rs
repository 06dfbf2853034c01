//! By which mix and with which factor a recording is heard.

use super::*;

fn region(start_ms: u32, end_ms: u32) -> Region {
    Region { start_ms, end_ms }
}

fn found(levels: &Levels) -> Vec<(u32, f32, Mix)> {
    levels.stretches().iter().map(|s| (s.start_ms(), s.factor().round(), s.mix)).collect()
}

#[test]
fn factor_is_kept_while_about_right_and_changes_in_the_pause() {
    let factors = [vec![10.0; 20], vec![17.0; 30], vec![50.0; 50]].concat();
    let voice = Voice { regions: vec![region(500, 2_000), region(4_000, 9_000)], factors, ..Voice::default() };
    let heard = Voices { voices: vec![voice], ..Voices::default() };
    assert_eq!(found(&levels(heard.stretches(Mix::Side, 0))), [(0, 10.0, Mix::Side), (5_000, 50.0, Mix::Side)]);
}

fn voice_of(regions: &[(u32, u32)], factor: f32, level: f32) -> Voice {
    let regions = regions.iter().map(|(start_ms, end_ms)| region(*start_ms, *end_ms)).collect();
    Voice { regions, factors: vec![factor; 100], levels: vec![level; 100] }
}

fn four(voices: [Voice; 4], shift_direction: f32) -> Voices {
    Voices { voices: voices.into(), shift_directions: vec![shift_direction; 100] }
}

#[test]
fn soft_sounds_within_word_and_small_changes_keep_the_factor() {
    let factors = [vec![2.0; 20], vec![20.0; 2], vec![3.0; 28], vec![20.0; 10], vec![1.6; 40]].concat();
    let voice = Voice { regions: vec![region(0, 10_000)], factors, ..Voice::default() };
    let heard = Voices { voices: vec![voice], ..Voices::default() };
    let found = found(&levels(heard.stretches(Mix::Mid, 0)));
    assert_eq!(found, [(0, 2.0, Mix::Mid), (5_000, 20.0, Mix::Mid), (6_000, 2.0, Mix::Mid)]);
}

#[test]
fn voices_taking_turns_are_heard_by_their_channels_and_by_both_where_they_overlap() {
    let heard = four(
        [
            voice_of(&[(0, 1_000), (5_000, 8_000)], 2.0, 0.1),
            voice_of(&[(900, 3_000), (5_100, 7_900)], 20.0, 0.1),
            Voice::default(),
            Voice::default(),
        ],
        0.1,
    );
    assert_eq!(
        found(&levels(heard.stretches(Mix::Both, 0))),
        [(0, 2.0, Mix::Left), (900, 2.0, Mix::Both), (1_000, 20.0, Mix::Right), (4_000, 2.0, Mix::Left)]
    );
    assert_eq!(heard.all_regions(), [region(0, 3_000), region(5_000, 8_000)]);
}

#[test]
fn sound_in_both_channels_is_heard_by_sum_or_difference_that_holds_it() {
    let all = &[(1_000, 4_000)][..];
    let by = |[left, right, mid, side]: [&[(u32, u32)]; 4], loud_mid, loud_side, shift_direction| {
        let voices = [
            voice_of(left, 2.0, 0.1),
            voice_of(right, 2.0, 0.1),
            voice_of(mid, 4.0, loud_mid),
            voice_of(side, 8.0, loud_side),
        ];
        found(&levels(four(voices, shift_direction).stretches(Mix::Both, 0)))
    };
    assert_eq!(by([all, all, all, &[]], 0.1, 0.3, 1.0), [(0, 4.0, Mix::Mid)], "music beside it is no voice");
    assert_eq!(by([all, all, all, all], 0.1, 0.04, 1.0), [(0, 4.0, Mix::Mid)]);
    assert_eq!(by([all, all, all, all], 0.04, 0.1, 1.0), [(0, 8.0, Mix::Side)]);
    assert_eq!(by([&[], &[], &[], all], 0.5, 0.1, 1.0), [(0, 8.0, Mix::Side)], "it is covered in both channels");
    assert_eq!(by([&[], &[], all, all], 0.5, 0.4, 1.0), [(0, 4.0, Mix::Mid)]);
    assert_eq!(by([all, all, all, all], 0.1, 0.1, 1.0), [(0, 2.0, Mix::Left)], "an echo would only disturb it");
    let later = &[(1_600, 4_000)][..];
    assert_eq!(by([all, later, all, all], 0.1, 0.1, 1.0), [(0, 2.0, Mix::Both)], "two voices");
    let back = by([all, later, all, all], 0.1, 0.1, -1.0);
    assert_eq!(back, [(0, 2.0, Mix::BothBack)], "turned the other way they would cancel");
    assert_eq!(by([all, &[], all, all], 0.1, 0.1, 1.0), [(0, 2.0, Mix::Left)]);
}

#[test]
fn single_voice_in_both_channels_is_heard_by_clearer_channel() {
    // Syllables and pauses, with noise that is louder in the pauses of one channel.
    let voice_of = |factor: f32, noise: f32| Voice {
        levels: (0..100).map(|block| if block % 5 < 3 { 0.1 + noise } else { 0.000_1 + noise }).collect(),
        ..voice_of(&[(1_000, 4_000)], factor, 0.0)
    };
    let by = |noises: [f32; 4]| {
        let voices = [voice_of(2.0, noises[0]), voice_of(3.0, noises[1]), voice_of(4.0, noises[2]), Voice::default()];
        found(&levels(four(voices, 1.0).stretches(Mix::Both, 0)))
    };
    assert_eq!(by([0.001, 0.2, 0.1, 0.0]), [(0, 2.0, Mix::Left)]);
    assert_eq!(by([0.2, 0.001, 0.1, 0.0]), [(0, 3.0, Mix::Right)]);
    assert_eq!(by([0.01, 0.01, 0.01, 0.0]), [(0, 4.0, Mix::Mid)], "both are as clear: their noise adds up less");
}

#[test]
fn regions_of_all_mixes_stay_a_pause_apart() {
    let (left, right) = (voice_of(&[(0, 1_000)], 1.0, 0.1), voice_of(&[(1_300, 2_000)], 1.0, 0.1));
    let heard = four([left, right, Voice::default(), voice_of(&[(2_400, 3_000)], 1.0, 0.1)], 1.0);
    assert_eq!(heard.all_regions(), [region(0, 2_000), region(2_400, 3_000)]);
}

#[test]
fn two_days_of_changes_stay_within_maximum_number_of_stretches() {
    let regions: Vec<Region> = (0..86_400u32).map(|at| region(at * 2_000, at * 2_000 + 1_500)).collect();
    let factors = (0..1_728_000).map(|block| if block / 20 % 2 == 0 { 1.0 } else { 50.0 }).collect();
    let heard = Voices { voices: vec![Voice { regions, factors, ..Voice::default() }], ..Voices::default() };
    let found = heard.stretches(Mix::Mid, 0);
    assert!(found.len() > MAX_STRETCHES);
    let levels = levels(found);
    assert!(levels.pack().len() <= domain::levels::MAX_LEVELS_BYTES);
}
