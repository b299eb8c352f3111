//! What happened in a simulated world: the last events to print, and a hash of all of them.
//!
//! Absent: judging. Two runs of one seed have the same hash, or something in the broker or in the
//! simulator is not deterministic (I12).

use std::collections::VecDeque;
use std::fmt;

/// Why a run is wrong: which check failed, and how.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    pub(crate) check: &'static str,
    pub(crate) text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.text)
    }
}

/// The result of every step of a simulation.
pub(crate) type Checked = Result<(), Violation>;

/// A failed check.
pub(crate) fn fail(check: &'static str, text: String) -> Checked {
    Err(Violation { check, text })
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// A client connects to a shard.
    Connects { client: usize, shard: usize },
    /// A client sent this.
    Says { client: usize, line: Box<str> },
    /// A client received this.
    Hears { client: usize, what: Heard },
    /// A shard finished one micro-step of this phase.
    Shard { shard: usize, phase: &'static str, about: usize },
    /// Something goes wrong, or well again, for a client or a shard.
    Fault { what: &'static str, whom: usize },
    /// Time passed.
    Time { ns: u64 },
    /// A shard closed a client's socket.
    Closes { client: usize, reason: String },
}

/// What a client received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    Message { publish: usize, sid: Box<str> },
    NoResponders { publish: usize },
    Pong,
    Ping,
    Ok,
    Info,
    Error(Box<str>),
    End,
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Journal {
    pub(crate) step: u64,
    hash: u64,
    recent: VecDeque<(u64, Event)>,
    verbose: bool,
}

impl Journal {
    pub(crate) fn new(verbose: bool) -> Self {
        Self { step: 0, hash: 0xcbf2_9ce4_8422_2325, recent: VecDeque::new(), verbose }
    }

    pub(crate) fn note(&mut self, event: Event) {
        self.fold_event(&event);
        if self.verbose {
            println!("{:7} {event}", self.step);
        }
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((self.step, event));
    }

    /// Mixes bytes into the hash of the run.
    pub(crate) fn fold(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.fold_number(u64::from_le_bytes(word));
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    fn fold_number(&mut self, number: u64) {
        self.hash = (self.hash ^ number).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    }

    fn fold_event(&mut self, event: &Event) {
        self.fold_number(self.step);
        match event {
            Event::Connects { client, shard } => {
                self.fold_number(1);
                self.fold_number((client << 8 | shard) as u64);
            }
            Event::Says { client, line } => {
                self.fold_number(2 + *client as u64);
                self.fold(line.as_bytes());
            }
            // The bytes themselves are folded where they are received.
            Event::Hears { client, .. } => self.fold_number(3 + *client as u64),
            Event::Shard { shard, phase, about } => {
                self.fold(phase.as_bytes());
                self.fold_number((shard << 16 | about) as u64);
            }
            Event::Fault { what, whom } => {
                self.fold(what.as_bytes());
                self.fold_number(*whom as u64);
            }
            Event::Time { ns } => self.fold_number(*ns),
            Event::Closes { client, reason } => {
                self.fold(reason.as_bytes());
                self.fold_number(*client as u64);
            }
        }
    }
}

impl fmt::Display for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (step, event) in &self.recent {
            writeln!(f, "{step:7} {event}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connects { client, shard } => write!(f, "c{client} connects to shard {shard}"),
            Self::Says { client, line } => write!(f, "c{client} -> {line}"),
            Self::Hears { client, what } => write!(f, "c{client} <- {what:?}"),
            Self::Shard { shard, phase, about } => write!(f, "  shard {shard}: {phase} {about}"),
            Self::Fault { what, whom } => write!(f, "fault: {what} {whom}"),
            Self::Time { ns } => write!(f, "time: {ns} ns"),
            Self::Closes { client, reason } => write!(f, "c{client} is closed: {reason}"),
        }
    }
}

/// Events that a failure prints.
const RECENT: usize = 240;
