//! The counts by collection and method.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Operations as Google bills them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub reads: u64,
    pub writes: u64,
    pub deletes: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.reads += more.reads;
        self.writes += more.writes;
        self.deletes += more.deletes;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} reads, {} writes, {} deletes", self.reads, self.writes, self.deletes)
    }
}

#[derive(Clone, Debug)]
struct Entry {
    call: u64,
    method: String,
    collection: String,
    counts: Counts,
}

#[derive(Default)]
pub struct Book {
    calls: AtomicU64,
    entries: Mutex<Vec<Entry>>,
    not_understood: Mutex<Vec<String>>,
}

impl Book {
    pub fn number(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::SeqCst)
    }

    pub fn add(&self, call: u64, method: &str, collection: &str, counts: Counts) {
        let entry = Entry { call, method: method.to_owned(), collection: collection.to_owned(), counts };
        self.entries.lock().unwrap().push(entry);
    }

    pub fn not_understood(&self, why: String) {
        self.not_understood.lock().unwrap().push(why);
    }

    pub fn len(&self) -> usize {
        self.entries.lock().unwrap().len()
    }

    pub fn since(&self, mark: usize) -> Bill {
        let entries = self.entries.lock().unwrap()[mark..].to_vec();
        Bill { entries, not_understood: self.not_understood.lock().unwrap().clone() }
    }
}

/// A part of the counts. Displayed, it is a table, followed by the calls in their order.
#[derive(Clone, Debug)]
pub struct Bill {
    entries: Vec<Entry>,
    /// Calls and messages that the meter cannot price; tests require that there are none.
    pub not_understood: Vec<String>,
}

impl Bill {
    pub fn total(&self) -> Counts {
        self.of(|_, _| true)
    }

    pub fn of_method(&self, method: &str) -> Counts {
        self.of(|of, _| of == method)
    }

    pub fn of_collection(&self, collection: &str) -> Counts {
        self.of(|_, of| of == collection)
    }

    fn of(&self, fits: impl Fn(&str, &str) -> bool) -> Counts {
        let mut total = Counts::default();
        let fitting = self.entries.iter().filter(|entry| fits(&entry.method, &entry.collection));
        fitting.for_each(|entry| total += entry.counts);
        total
    }

    fn rows(&self) -> BTreeMap<(&str, &str), Counts> {
        let mut rows: BTreeMap<_, Counts> = BTreeMap::new();
        for entry in &self.entries {
            *rows.entry((entry.collection.as_str(), entry.method.as_str())).or_default() += entry.counts;
        }
        rows
    }

    /// Each call with what it read and wrote.
    fn calls(&self) -> BTreeMap<u64, (&str, BTreeMap<&str, Counts>)> {
        let mut calls: BTreeMap<_, (&str, BTreeMap<&str, Counts>)> = BTreeMap::new();
        for entry in &self.entries {
            let call = calls.entry(entry.call).or_insert((entry.method.as_str(), BTreeMap::new()));
            *call.1.entry(entry.collection.as_str()).or_default() += entry.counts;
        }
        calls
    }
}

impl fmt::Display for Bill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row =
            |f: &mut fmt::Formatter<'_>, collection: &str, method: &str, [reads, writes, deletes]: [String; 3]| {
                writeln!(f, "{collection:<18} {method:<20} {reads:>6} {writes:>6} {deletes:>7}")
            };
        let numbers = |counts: Counts| [counts.reads, counts.writes, counts.deletes].map(|number| number.to_string());
        row(f, "collection", "method", ["reads", "writes", "deletes"].map(str::to_owned))?;
        for ((collection, method), counts) in self.rows() {
            row(f, collection, method, numbers(counts))?;
        }
        row(f, "total", "", numbers(self.total()))?;
        for (number, (method, collections)) in self.calls() {
            let parts: Vec<_> =
                collections.iter().map(|(collection, counts)| format!("{collection}: {counts}")).collect();
            writeln!(f, "call {number}: {method}: {}", parts.join("; "))?;
        }
        self.not_understood.iter().try_for_each(|why| writeln!(f, "not understood: {why}"))
    }
}
