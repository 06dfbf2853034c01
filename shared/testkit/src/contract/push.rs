//! The push service's contract. A push is only a hint, so little is asked: it has an outcome, and may be sent again.

use std::sync::Arc;

use flow::Kind;
use flow::ports::{Push, PushOutcome};

use crate::build::{device, message, uid};
use crate::fault_injection::LosesAnswers;

pub async fn a_push_is_sent(push: Arc<dyn Push>) {
    let message = message(&[("type", "offline_sync_completed"), ("job_id", "")]);
    let outcome = push.send(&device(&uid("ann"), "phone", "token"), &message).await.unwrap();
    assert_eq!(outcome, PushOutcome::Sent);
}

pub async fn a_push_whose_answer_was_lost_is_sent_again(push: Arc<dyn Push>) {
    let fault_injection = LosesAnswers::first_of_each(push);
    let phone = device(&uid("ann"), "phone", "token");
    assert_eq!(fault_injection.send(&phone, &message(&[])).await.unwrap_err().kind, Kind::Unknown);
    assert_eq!(fault_injection.send(&phone, &message(&[])).await.unwrap(), PushOutcome::Sent);
}

/// The tests that a [`Push`] must pass; the service behind it accepts every token.
#[macro_export]
macro_rules! push_contract {
    ($make:expr) => {
        $crate::contract_tests! { push_contract of push, $make, [
            a_push_is_sent,
            a_push_whose_answer_was_lost_is_sent_again,
        ] }
    };
}
