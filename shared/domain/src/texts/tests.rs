use std::time::Duration;

use super::*;
use crate::id::Nonce;
use crate::rules::Rules;
use crate::testing::{NOW, after, job, line, uid};

fn claimed() -> Job {
    let claim = Command::Claim { owner: Nonce(uuid::Uuid::from_u128(1)) };
    apply(&job(1, 0, true), &claim, At { now: NOW, rules: &Rules::default() }.uncounted()).unwrap().job
}

#[test]
fn lines_of_a_job_belong_to_its_user_and_its_recordings() {
    let job = claimed();
    let recording = job.files[0].recording;
    let mine = || line(recording, 0);
    assert_eq!(check(&job, &vec![mine(); MAX_GROUP]), Ok(()));
    assert_eq!(check(&job, &vec![mine(); MAX_GROUP + 1]), Err(InvalidWrite::Lines));
    let of_bob = Line { uid: uid("bob"), ..mine() };
    assert_eq!(check(&job, &[mine(), of_bob]), Err(InvalidWrite::Lines));
    let of_another_recording = line("ab".repeat(16).parse().unwrap(), 0);
    assert_eq!(check(&job, &[mine(), of_another_recording]), Err(InvalidWrite::Lines));
}

#[test]
fn storing_texts_renews_the_lease_under_the_fence() {
    let (job, rules) = (claimed(), Rules::default());
    let at = At { now: after(10), rules: &rules };
    assert_eq!(renew(&job, job.lease.fence, &at).unwrap().lease.until, Some(at.now + rules.lease));
    assert_eq!(renew(&job, job.lease.fence + 1, &at), Err(Refusal::Fenced { fence: job.lease.fence }));
}

#[test]
fn lease_is_renewed_once_half_of_the_time_to_the_next_renewal_has_passed() {
    let (job, rules) = (claimed(), Rules::default());
    let half = rules.renew_after / 2;
    for (passed, wanted) in [(Duration::ZERO, false), (half - Duration::from_millis(1), false), (half, true)] {
        assert_eq!(wants_renewal(&job, &At { now: NOW + passed, rules: &rules }), wanted, "{passed:?}");
    }
}

#[test]
fn starts_are_in_order_and_unique() {
    assert_eq!(in_order(&[3, 1, 3, 2, 1]), [1, 2, 3]);
}
