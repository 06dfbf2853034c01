use super::*;
use crate::build::T0;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn sleeper_wakes_at_its_moment_and_not_before() {
    let clock = TestClock::at(T0);
    let sleeping = tokio::spawn({
        let clock = clock.clone();
        async move { clock.sleep(SECOND).await }
    });
    clock.until_asleep(1).await;
    clock.advance(Duration::from_millis(999));
    tokio::task::yield_now().await;
    assert_eq!(clock.sleepers(), 1);
    clock.advance(Duration::from_millis(1));
    sleeping.await.unwrap();
    assert_eq!(clock.sleepers(), 0);
}

#[tokio::test]
async fn dropped_sleeper_is_forgotten() {
    let clock = TestClock::at(T0);
    tokio::select! {
        biased;
        () = clock.sleep(SECOND) => unreachable!(),
        () = clock.until_asleep(1) => {}
    }
    assert_eq!(clock.sleepers(), 0);
}

#[tokio::test]
async fn automatic_clock_wakes_sleepers_in_order() {
    let clock = TestClock::automatic(T0);
    let (long, short) = tokio::join!(
        async {
            clock.sleep(60 * SECOND).await;
            clock.now()
        },
        async {
            clock.sleep(20 * SECOND).await;
            clock.now()
        }
    );
    assert_eq!((short, long), (T0 + 20 * SECOND, T0 + 60 * SECOND));
}

#[tokio::test]
async fn clock_can_jump_back() {
    let clock = TestClock::at(T0);
    clock.set(T0 - SECOND);
    assert_eq!(clock.now(), T0 - SECOND);
}
