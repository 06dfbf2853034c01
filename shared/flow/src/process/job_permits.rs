//! Permits for the jobs of an instance. One user holds at most all but one of them. If a user without a permit waits for
//! one, another user's job yields.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::Timestamp;
use speech::permits::{Permit, Permits, User};

/// How long a delivery waits for a permit before it is sent back to the queue.
const WAIT: Duration = Duration::from_secs(2);
/// How long a permit is reserved for a user whose delivery was sent back. Queues deliver again sooner.
const RESERVED: Duration = Duration::from_secs(30);
/// A user's only job works at least this long before it yields.
const SLICE: Duration = Duration::from_secs(30);
/// The most users for whom a permit is reserved. Further users only wait longer.
const MAX_RESERVATIONS: usize = 1000;

pub struct JobPermits {
    permits: Arc<Permits>,
    /// Users whose deliveries were sent back, and until when a permit is reserved for them.
    reservations: Mutex<HashMap<User, Timestamp>>,
    /// How many jobs of each user are about to yield.
    yielding: Mutex<HashMap<User, usize>>,
}

/// A job's permit, which is released when it is dropped.
pub struct JobPermit<'p> {
    job_permits: &'p JobPermits,
    permit: Permit,
    since: Timestamp,
    must_yield: Mutex<bool>,
}

impl JobPermits {
    pub fn new(all: usize) -> Self {
        let permits = Permits::with_limit(all, all.saturating_sub(1));
        Self { permits, reservations: Mutex::default(), yielding: Mutex::default() }
    }

    /// Waits for a permit for at most [`WAIT`], measured by `time`. Returns `None` if there is none; then one is
    /// reserved for the user's next delivery.
    pub async fn enter<F>(&self, user: &User, now: Timestamp, time: impl FnOnce(Duration) -> F) -> Option<JobPermit<'_>>
    where
        F: Future<Output = ()>,
    {
        let waiting = async {
            if self.is_reserved_for_others(user, now) {
                std::future::pending::<()>().await;
            }
            self.permits.acquire(user).await
        };
        let permit = tokio::select! {
            biased;
            permit = waiting => permit,
            () = time(WAIT) => {
                self.reserve_for(user, now + WAIT + RESERVED);
                return None;
            }
        };
        self.drop_reservation(user);
        Some(JobPermit { job_permits: self, permit, since: now, must_yield: Mutex::new(false) })
    }

    /// Whether all free permits are reserved for other users who hold none.
    fn is_reserved_for_others(&self, user: &User, now: Timestamp) -> bool {
        let free = self.permits.all() - self.permits.in_use();
        free > 0 && self.users_without_permit(user, now) >= free && !self.has_reservation(user, now)
    }

    /// Whether this user holds no permit and has a reservation.
    fn has_reservation(&self, user: &User, now: Timestamp) -> bool {
        self.permits.held_by(user) == 0 && self.reservations().get(user).is_some_and(|until| !now.has_reached(*until))
    }

    /// The number of other users who hold no permit and want one.
    fn users_without_permit(&self, user: &User, now: Timestamp) -> usize {
        let mut users = self.permits.waiting_without_permit(user);
        let mut reservations = self.reservations();
        reservations.retain(|_, until| !now.has_reached(*until));
        let others = reservations.keys().filter(|other| *other != user && self.permits.held_by(other) == 0);
        users.extend(others.cloned());
        users.sort_unstable();
        users.dedup();
        users.len()
    }

    fn reserve_for(&self, user: &User, until: Timestamp) {
        let mut reservations = self.reservations();
        if self.permits.held_by(user) == 0 && (reservations.len() < MAX_RESERVATIONS || reservations.contains_key(user))
        {
            reservations.insert(Arc::clone(user), until);
        }
    }

    fn drop_reservation(&self, user: &User) {
        self.reservations().remove(user);
    }

    fn reservations(&self) -> MutexGuard<'_, HashMap<User, Timestamp>> {
        // The map holds plain times, which stay valid after a panic elsewhere.
        self.reservations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn yielding(&self) -> MutexGuard<'_, HashMap<User, usize>> {
        self.yielding.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl JobPermit<'_> {
    pub fn user(&self) -> &User {
        self.permit.user()
    }

    /// Whether this job has to yield its permit to a user who has none. As many jobs yield as there are such users; a
    /// user's only job yields only after [`SLICE`].
    pub fn must_yield(&self, now: Timestamp) -> bool {
        let mut must_yield = self.must_yield.lock().unwrap_or_else(PoisonError::into_inner);
        if *must_yield {
            return true;
        }
        let job_permits = self.job_permits;
        let free = job_permits.permits.all() - job_permits.permits.in_use();
        let users_without_permit = job_permits.users_without_permit(self.user(), now);
        let mut yielding_jobs = job_permits.yielding();
        let (all, own) = (yielding_jobs.values().sum::<usize>(), yielding_jobs.get(self.user()).copied().unwrap_or(0));
        let keeps_one = job_permits.permits.held_by(self.user()).saturating_sub(own) > 1;
        if users_without_permit > all + free && (keeps_one || now.has_reached(self.since + SLICE)) {
            *yielding_jobs.entry(Arc::clone(self.user())).or_default() += 1;
            *must_yield = true;
        }
        *must_yield
    }
}

impl Drop for JobPermit<'_> {
    fn drop(&mut self) {
        if *self.must_yield.get_mut().unwrap_or_else(PoisonError::into_inner) {
            let mut yielding_jobs = self.job_permits.yielding();
            if let Some(jobs) = yielding_jobs.get_mut(self.permit.user()) {
                *jobs -= 1;
                if *jobs == 0 {
                    yielding_jobs.remove(self.permit.user());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
