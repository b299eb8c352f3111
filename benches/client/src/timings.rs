//! The durations that one thread of a run collects, by what they are of.
//!
//! Absent: the clock; what began before the measuring did is left out.

use crate::latency::Latencies;

/// What a duration is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// From when a message was due until a receiver had it.
    OneWay,
    /// From when a message was written until a receiver had it.
    FromWrite,
    /// From when a message was due until it was written.
    Lateness,
    /// From when a message was written until the last receiver had it.
    LastHasIt,
    /// From a request until its reply.
    RoundTrip,
    /// From dialling until the server has confirmed the subscription.
    Connect,
}

impl Kind {
    /// Every kind, in the order of the reports.
    pub const ALL: [Self; 6] = [
        Self::OneWay,
        Self::FromWrite,
        Self::LastHasIt,
        Self::RoundTrip,
        Self::Connect,
        Self::Lateness,
    ];

    /// The kind's name in files.
    pub fn key(self) -> &'static str {
        match self {
            Self::OneWay => "one_way",
            Self::FromWrite => "from_write",
            Self::Lateness => "lateness",
            Self::LastHasIt => "last_has_it",
            Self::RoundTrip => "round_trip",
            Self::Connect => "connect",
        }
    }

    /// What a person reads.
    pub fn label(self) -> &'static str {
        match self {
            Self::OneWay => "one way, from when it was due",
            Self::FromWrite => "one way, from the write",
            Self::Lateness => "client late with writing",
            Self::LastHasIt => "until the last one has it",
            Self::RoundTrip => "request to reply",
            Self::Connect => "connect to confirmed SUB",
        }
    }
}

/// The durations of one thread, or of several added up.
#[derive(Debug, Clone)]
pub struct Timings {
    from_ns: u64,
    by_kind: Vec<Option<Latencies>>,
}

impl Timings {
    /// Nothing yet.
    pub fn new() -> Self {
        Self { from_ns: u64::MAX, by_kind: vec![None; Kind::ALL.len()] }
    }

    /// Counts what begins from now on; `u64::MAX` counts nothing.
    pub fn count_from(&mut self, from_ns: u64) {
        self.from_ns = from_ns;
    }

    /// Counts a duration, unless it began before the measuring did.
    #[inline]
    pub fn record(&mut self, kind: Kind, began_ns: u64, ended_ns: u64) {
        if began_ns < self.from_ns {
            return;
        }
        if let Some(place) = self.by_kind.get_mut(place_of(kind)) {
            place.get_or_insert_with(Latencies::new).record(ended_ns.saturating_sub(began_ns));
        }
    }

    /// Adds another thread's durations.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.by_kind.iter_mut().zip(&other.by_kind) {
            if let Some(theirs) = theirs {
                mine.get_or_insert_with(Latencies::new).add(theirs);
            }
        }
    }

    /// The durations of one kind, if there are any.
    pub fn of(&self, kind: Kind) -> Option<&Latencies> {
        self.by_kind.get(place_of(kind))?.as_ref().filter(|latencies| latencies.count() > 0)
    }
}

impl Default for Timings {
    fn default() -> Self {
        Self::new()
    }
}

fn place_of(kind: Kind) -> usize {
    match kind {
        Kind::OneWay => 0,
        Kind::FromWrite => 1,
        Kind::LastHasIt => 2,
        Kind::RoundTrip => 3,
        Kind::Connect => 4,
        Kind::Lateness => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_began_too_early_is_left_out() {
        let mut timings = Timings::new();
        timings.record(Kind::OneWay, 5, 9);
        timings.count_from(10);
        timings.record(Kind::OneWay, 9, 20);
        assert!(timings.of(Kind::OneWay).is_none());
        timings.record(Kind::OneWay, 10, 20);
        assert_eq!(timings.of(Kind::OneWay).map(Latencies::count), Some(1));
    }

    #[test]
    fn kinds_are_kept_apart_and_added_up() {
        let mut all = Timings::new();
        for kind in Kind::ALL {
            let mut timings = Timings::new();
            timings.count_from(0);
            timings.record(kind, 0, 7);
            all.add(&timings);
        }
        for kind in Kind::ALL {
            assert_eq!(all.of(kind).map(Latencies::count), Some(1));
        }
    }
}
