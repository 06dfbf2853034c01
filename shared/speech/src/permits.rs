//! Permits that are shared fairly between users. The next permit goes to the waiting user who holds the fewest; among
//! equals, to the one who was served longest ago. Within a user, the longest waiting call is first.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// The user that a permit belongs to.
pub type User = Arc<str>;

/// A fixed number of permits, of which one user holds at most `per_user`.
pub struct Permits {
    state: Mutex<State>,
    all: usize,
    per_user: usize,
}

#[derive(Default)]
struct State {
    /// The number of permits of each user who holds any.
    held: HashMap<User, usize>,
    in_use: usize,
    /// The waiting calls of each user who has any.
    queues: Vec<Queue>,
    /// When each user was last given a permit, as a number that grows.
    served: HashMap<User, u64>,
    last: u64,
}

/// The number of users whose last permit is remembered. Above it, only users who hold or wait for one are kept.
const MAX_REMEMBERED_USERS: usize = 1000;

/// The waiting calls of one user in their order. It is never empty.
struct Queue {
    user: User,
    waiters: VecDeque<(u64, oneshot::Sender<Permit>)>,
}

impl Permits {
    /// Creates at least one permit, without a limit for each user.
    pub fn new(all: usize) -> Arc<Self> {
        Self::with_limit(all, all)
    }

    /// Creates permits of which one user holds at most `per_user`. Both numbers are at least one.
    pub fn with_limit(all: usize, per_user: usize) -> Arc<Self> {
        let all = all.max(1);
        Arc::new(Self { state: Mutex::default(), all, per_user: per_user.clamp(1, all) })
    }

    pub fn all(&self) -> usize {
        self.all
    }

    pub fn in_use(&self) -> usize {
        self.lock().in_use
    }

    pub fn waiting(&self) -> usize {
        self.lock().queues.iter().map(|queue| queue.waiters.len()).sum()
    }

    pub fn held_by(&self, user: &User) -> usize {
        self.lock().held(user)
    }

    /// Users other than `but` who wait and hold no permit.
    pub fn waiting_without_permit(&self, but: &User) -> Vec<User> {
        let state = self.lock();
        let others = state.queues.iter().map(|queue| &queue.user).filter(|user| *user != but);
        others.filter(|user| state.held(user) == 0).cloned().collect()
    }

    /// Whether another user would get the permit if this user gave one back.
    pub fn wanted_by_others(&self, user: &User) -> bool {
        let state = self.lock();
        let after = state.held(user).saturating_sub(1);
        state.queues.iter().any(|queue| queue.user != *user && state.held(&queue.user) <= after)
    }

    /// Waits for a permit. If the future is dropped, it leaves the queue, and a permit that it was just given goes to the
    /// next.
    pub async fn acquire(self: &Arc<Self>, user: &User) -> Permit {
        loop {
            let (mut waiter, given) = match self.enter(user) {
                Entry::Now(permit) => return permit,
                Entry::Waiting(waiter, given) => (waiter, given),
            };
            if let Ok(permit) = given.await {
                waiter.ticket = None;
                return permit;
            }
        }
    }

    fn enter(self: &Arc<Self>, user: &User) -> Entry {
        let mut state = self.lock();
        if state.in_use < self.all && state.held(user) < self.per_user {
            state.give(user);
            return Entry::Now(Permit { of: Arc::clone(self), user: Arc::clone(user) });
        }
        let (give, given) = oneshot::channel();
        let ticket = state.number();
        match state.queues.iter_mut().find(|queue| queue.user == *user) {
            Some(queue) => queue.waiters.push_back((ticket, give)),
            None => state.queues.push(Queue { user: Arc::clone(user), waiters: VecDeque::from([(ticket, give)]) }),
        }
        Entry::Waiting(Waiter { of: Arc::clone(self), user: Arc::clone(user), ticket: Some(ticket) }, given)
    }

    /// Hands out free permits until nobody who waits may have one.
    fn pass_on(self: &Arc<Self>) {
        loop {
            let mut state = self.lock();
            let Some((user, give)) = state.next(self.all, self.per_user) else { return };
            state.give(&user);
            drop(state);
            // If the receiver is gone, the permit is dropped, which passes it on.
            drop(give.send(Permit { of: Arc::clone(self), user }));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is only counters, which stay usable after a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn held(&self, user: &User) -> usize {
        self.held.get(user).copied().unwrap_or(0)
    }

    fn give(&mut self, user: &User) {
        self.in_use += 1;
        *self.held.entry(Arc::clone(user)).or_default() += 1;
        let now = self.number();
        self.served.insert(Arc::clone(user), now);
        if self.served.len() > MAX_REMEMBERED_USERS {
            let (held, queues) = (&self.held, &self.queues);
            self.served.retain(|user, _| held.contains_key(user) || queues.iter().any(|queue| queue.user == *user));
        }
    }

    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn take_back(&mut self, user: &User) {
        self.in_use -= 1;
        if let Some(held) = self.held.get_mut(user) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(user);
            }
        }
    }

    /// Removes the next call from the queue if there is a permit for it.
    fn next(&mut self, all: usize, per_user: usize) -> Option<(User, oneshot::Sender<Permit>)> {
        if self.in_use >= all {
            return None;
        }
        let may = |(_, queue): &(usize, &Queue)| self.held(&queue.user) < per_user;
        let rank = |queue: &Queue| (self.held(&queue.user), self.served.get(&queue.user).copied().unwrap_or(0));
        let (at, _) = self.queues.iter().enumerate().filter(may).min_by_key(|(_, queue)| rank(queue))?;
        let queue = &mut self.queues[at];
        let (_, give) = queue.waiters.pop_front()?;
        let user = Arc::clone(&queue.user);
        if queue.waiters.is_empty() {
            self.queues.remove(at);
        }
        Some((user, give))
    }

    fn leave(&mut self, user: &User, ticket: u64) {
        if let Some(at) = self.queues.iter().position(|queue| queue.user == *user) {
            self.queues[at].waiters.retain(|(other, _)| *other != ticket);
            if self.queues[at].waiters.is_empty() {
                self.queues.remove(at);
            }
        }
    }
}

enum Entry {
    Now(Permit),
    Waiting(Waiter, oneshot::Receiver<Permit>),
}

/// A waiting call. It leaves the queue on drop.
struct Waiter {
    of: Arc<Permits>,
    user: User,
    ticket: Option<u64>,
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.of.lock().leave(&self.user, ticket);
        }
    }
}

/// A permit, which is given back on drop.
pub struct Permit {
    of: Arc<Permits>,
    user: User,
}

impl Permit {
    pub fn user(&self) -> &User {
        &self.user
    }

    pub fn wanted_by_others(&self) -> bool {
        self.of.wanted_by_others(&self.user)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.of.lock().take_back(&self.user);
        self.of.pass_on();
    }
}

#[cfg(test)]
mod tests;
