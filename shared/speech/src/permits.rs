//! Permits that go round by user: whoever holds fewest is next, and of those the one who was served longest ago. Within
//! a user whoever waits longest is next.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Whose permit it is. Only compared.
pub type User = Arc<str>;

/// So many permits, of which one user holds no more than `per_user`.
pub struct Permits {
    state: Mutex<State>,
    all: usize,
    per_user: usize,
}

#[derive(Default)]
struct State {
    /// Users who hold permits, and how many.
    held: HashMap<User, usize>,
    in_use: usize,
    /// Users who wait.
    lines: Vec<Line>,
    /// When users were served last, by a number that grows.
    served: HashMap<User, u64>,
    last: u64,
}

/// Users whose last turn is remembered. Of more only those who hold a permit or wait for one.
const MOST: usize = 1000;

/// The waiting calls of one user, in their order; never empty.
struct Line {
    user: User,
    waiters: VecDeque<(u64, oneshot::Sender<Permit>)>,
}

impl Permits {
    /// One, at least.
    pub fn new(all: usize) -> Arc<Self> {
        Self::with_limit(all, all)
    }

    /// One user holds at most `per_user` of them, and one at least.
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
        self.lock().lines.iter().map(|line| line.waiters.len()).sum()
    }

    pub fn held_by(&self, user: &User) -> usize {
        self.lock().held(user)
    }

    /// Users who wait and hold nothing, without this one.
    pub fn left_out(&self, but: &User) -> Vec<User> {
        let state = self.lock();
        let others = state.lines.iter().map(|line| &line.user).filter(|user| *user != but);
        others.filter(|user| state.held(user) == 0).cloned().collect()
    }

    /// Whether another user would get this one's permit, were it given back.
    pub fn wanted_by_others(&self, user: &User) -> bool {
        let state = self.lock();
        let after = state.held(user).saturating_sub(1);
        state.lines.iter().any(|line| line.user != *user && state.held(&line.user) <= after)
    }

    /// Waits for a permit. Dropped, it waits no more, and what it was given meanwhile goes to the next.
    pub async fn acquire(self: &Arc<Self>, user: &User) -> Permit {
        loop {
            let (mut place, given) = match self.enter(user) {
                Entered::Now(permit) => return permit,
                Entered::InLine(place, given) => (place, given),
            };
            if let Ok(permit) = given.await {
                place.ticket = None;
                return permit;
            }
        }
    }

    fn enter(self: &Arc<Self>, user: &User) -> Entered {
        let mut state = self.lock();
        if state.in_use < self.all && state.held(user) < self.per_user {
            state.give(user);
            return Entered::Now(Permit { of: Arc::clone(self), user: Arc::clone(user) });
        }
        let (give, given) = oneshot::channel();
        let ticket = state.number();
        match state.lines.iter_mut().find(|line| line.user == *user) {
            Some(line) => line.waiters.push_back((ticket, give)),
            None => state.lines.push(Line { user: Arc::clone(user), waiters: VecDeque::from([(ticket, give)]) }),
        }
        Entered::InLine(InLine { of: Arc::clone(self), user: Arc::clone(user), ticket: Some(ticket) }, given)
    }

    /// Gives away what is free, as long as somebody may have it.
    fn pass_on(self: &Arc<Self>) {
        loop {
            let mut state = self.lock();
            let Some((user, give)) = state.next(self.all, self.per_user) else { return };
            state.give(&user);
            drop(state);
            // Whoever has gone meanwhile drops the permit, which is passed on by that.
            drop(give.send(Permit { of: Arc::clone(self), user }));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves plain numbers behind: still fit for use.
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
        if self.served.len() > MOST {
            let (held, lines) = (&self.held, &self.lines);
            self.served.retain(|user, _| held.contains_key(user) || lines.iter().any(|line| line.user == *user));
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

    /// Takes whoever is next out of the line, if there is a permit for somebody.
    fn next(&mut self, all: usize, per_user: usize) -> Option<(User, oneshot::Sender<Permit>)> {
        if self.in_use >= all {
            return None;
        }
        let may = |(_, line): &(usize, &Line)| self.held(&line.user) < per_user;
        let rank = |line: &Line| (self.held(&line.user), self.served.get(&line.user).copied().unwrap_or(0));
        let (at, _) = self.lines.iter().enumerate().filter(may).min_by_key(|(_, line)| rank(line))?;
        let line = &mut self.lines[at];
        let (_, give) = line.waiters.pop_front()?;
        let user = Arc::clone(&line.user);
        if line.waiters.is_empty() {
            self.lines.remove(at);
        }
        Some((user, give))
    }

    fn leave(&mut self, user: &User, ticket: u64) {
        if let Some(at) = self.lines.iter().position(|line| line.user == *user) {
            self.lines[at].waiters.retain(|(other, _)| *other != ticket);
            if self.lines[at].waiters.is_empty() {
                self.lines.remove(at);
            }
        }
    }
}

enum Entered {
    Now(Permit),
    InLine(InLine, oneshot::Receiver<Permit>),
}

/// Leaves the line when it is dropped.
struct InLine {
    of: Arc<Permits>,
    user: User,
    ticket: Option<u64>,
}

impl Drop for InLine {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.of.lock().leave(&self.user, ticket);
        }
    }
}

/// Given back when it is dropped.
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
