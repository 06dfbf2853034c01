//! The loop: it waits for actions, timers and the end of a step, and performs.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use domain::Uid;
use futures_util::future::select;

use super::api::Api;
use super::finish::{dues, finish};
use super::prepare::prepare;
use super::push_tokens;
use super::reconcile::reconcile;
use super::upload::upload;
use crate::coordinator::{Action, Dues, Event, Prepare, Purpose, Stage};
use crate::core::{Core, WorkError};
use crate::events::EventKind;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The longest time that a sign-out waits for the server. Afterwards it is done at the next sign-in.
const FAREWELL: Duration = Duration::from_secs(10);

/// What is going on.
#[derive(Default)]
struct Running {
    step: Option<Work>,
    farewells: Vec<Work>,
    timer: Option<Work>,
    /// Makes the frames of open recorders durable.
    flush: Option<Work>,
}

/// Runs until the engine is closed.
pub async fn run(core: Arc<Core>) {
    let mut running = Running::default();
    loop {
        if core.is_closed.load(Ordering::Acquire) {
            return;
        }
        for action in core.take_actions() {
            running.perform(&core, action);
        }
        core.tell_change();
        if running.flush.is_none() && core.is_recording() {
            running.flush = Some(sleep(&core, core.config.at_risk));
        }
        poll_fn(|context| running.poll(&core, context)).await;
    }
}

fn sleep(core: &Arc<Core>, duration: Duration) -> Work {
    let core = Arc::clone(core);
    Box::pin(async move { core.ports.clock.sleep(duration).await })
}

fn is_ready(work: &mut Option<Work>, context: &mut Context<'_>) -> bool {
    let ready = work.as_mut().is_some_and(|work| work.as_mut().poll(context).is_ready());
    if ready {
        *work = None;
    }
    ready
}

impl Running {
    fn perform(&mut self, core: &Arc<Core>, action: Action) {
        match action {
            Action::Run { stage, fence, prepare } => {
                self.step = Some(Box::pin(run_step(Arc::clone(core), stage, fence, prepare)));
            }
            Action::Abort => {
                self.step = None;
                core.clear_progress();
            }
            Action::Arm(at) => self.timer = Some(sleep(core, core.now().until(at))),
            Action::Disarm => self.timer = None,
            Action::Farewell(account) => self.farewells.push(Box::pin(farewell(Arc::clone(core), account))),
            Action::TellCooldown => core.tell_cooldown(),
            Action::StoreCooldowns => {}
        }
    }

    fn poll(&mut self, core: &Core, context: &mut Context<'_>) -> Poll<()> {
        core.waker.register(context.waker());
        let mut is_busy = is_ready(&mut self.step, context);
        self.farewells.retain_mut(|work| work.as_mut().poll(context).is_pending());
        if is_ready(&mut self.timer, context) {
            core.check_clock();
            core.post(Event::Timer);
            is_busy = true;
        }
        if is_ready(&mut self.flush, context) {
            core.sync_recorders();
            is_busy = true;
        }
        is_busy |= core.has_actions() || core.has_changed() || core.is_closed.load(Ordering::Acquire);
        // A recorder was opened since.
        is_busy |= self.flush.is_none() && core.is_recording();
        if is_busy { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// One step of a pass. Whatever becomes of it, its end is reported, so that the next step runs.
async fn run_step(core: Arc<Core>, stage: Stage, fence: u64, prepare: Prepare) {
    let Some(account) = core.account() else { return };
    let api = Api { core: &core, account: account.clone(), fence, is_farewell: false };
    if let Err(error) = perform(&api, stage, prepare).await {
        match error {
            WorkError::Fenced => return,
            WorkError::Index(error) => core.note(EventKind::IndexFailed { why: error.to_string() }),
        }
        // The disk may be full for a while: the step is not tried again at once. The next step finds out for itself (R33).
        match stage {
            Stage::Prepare => api.trouble(Purpose::PushToken),
            Stage::Reconcile | Stage::ReconcileAgain => api.trouble(Purpose::Status),
            Stage::Upload => api.trouble(Purpose::Upload),
            Stage::Finish => {}
        }
    }
    // An index that cannot be read for now is asked again when the trouble is over.
    let dues = dues(&core, &account).unwrap_or(Dues { upload: Some(core.now()), ..Dues::default() });
    core.ports.clock.breathe().await;
    api.post(Event::StepEnded { fence, uploaded: false, dues });
}

async fn perform(api: &Api<'_>, stage: Stage, plan: Prepare) -> Result<(), WorkError> {
    match stage {
        Stage::Prepare => prepare(api, plan).await,
        Stage::Reconcile | Stage::ReconcileAgain => reconcile(api).await,
        Stage::Upload => upload(api).await,
        Stage::Finish => finish(api).await,
    }
}

/// Removes the push tokens of an account that was signed out, as long as its credentials still work.
async fn farewell(core: Arc<Core>, account: Uid) {
    let api = Api { core: &core, account: account.clone(), fence: 0, is_farewell: true };
    let telling = pin!(push_tokens::tell(&api));
    let waiting = core.ports.clock.sleep(FAREWELL);
    // Whichever ends first: what is not done is done at the next sign-in.
    let _ = select(telling, waiting).await;
    core.signed_out(&account);
}
