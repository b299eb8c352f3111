//! The scenarios of `fanfare bench`, one file each, and what they have in common: finding the
//! server, running once per size, reporting.
//!
//! Absent: the event loop (`engine`) and the looks of a report (`report`).

pub mod churn;
pub mod conns;
pub mod fanin;
pub mod fanout;
pub mod herd;
pub mod latency;
pub mod pubsub;
pub mod queue;
pub mod request;
pub mod slow;
pub mod wildcard;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fanfare_protocol::client_encode;

use crate::cli::options::{Common, RunOptions};
use crate::conductor::{Conductor, Gathered, Plan, Planned, Replies};
use crate::engine::Role;
use crate::failure::Failure;
use crate::figure::Unit;
use crate::flow::{Flow, ThreadIndex};
use crate::outcome::{Outcome, Work};
use crate::payload::{Format, mixed};
use crate::progress::{Progress, Wanted};
use crate::publisher::{Orders, Pace, Publisher};
use crate::report;
use crate::target::Target;
use crate::window::Window;
use crate::wire::Wire;

/// What all runs of one command share.
#[derive(Debug)]
pub struct Setup<'a> {
    /// The server.
    pub target: Target,
    /// The options.
    pub common: &'a Common,
    /// Tells this run's messages and subjects from those of others.
    pub run_key: u64,
}

impl Setup<'_> {
    /// The options of the run.
    pub fn run(&self) -> &RunOptions {
        &self.common.run
    }

    /// The start of every subject of this run, so that two runs on one server do not meet.
    pub fn prefix(&self) -> String {
        format!("fb.{:04x}", self.run_key & 0xFFFF)
    }

    /// The line for progress.
    pub fn progress(&self) -> Progress {
        Progress::new(if self.common.report.quiet { Wanted::No } else { Wanted::Yes })
    }

    /// Payloads of a size.
    pub fn format(&self, size: usize) -> Arc<Format> {
        Arc::new(Format::new(size, self.run_key))
    }

    /// How many deliveries of a size may be under way to so many receivers.
    pub fn window(&self, size: usize, receivers: u64) -> Option<u64> {
        let each = u64::try_from(size).unwrap_or(u64::MAX).saturating_add(FRAME_OVERHEAD);
        let deliveries = |bytes: u64| (bytes / each).max(1);
        let in_all = deliveries(self.run().window);
        (self.run().window > 0)
            .then(|| in_all.max(receivers.saturating_mul(deliveries(RECEIVER_WINDOW))))
    }

    /// A plan without connections.
    pub fn plan(&self, title: String, flows: Vec<Flow>) -> Plan {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = match self.run().threads {
            Some(threads) => usize::try_from(threads).unwrap_or(ThreadIndex::COUNT_MAX),
            None => (cores / 2).clamp(1, 4),
        };
        Plan {
            title,
            senders: Vec::new(),
            receivers: Vec::new(),
            flows,
            threads: threads.min(ThreadIndex::COUNT_MAX),
            replies: Replies::No,
            messages: self.run().msgs,
            server_pid: self.run().server_pid,
            patience: self.run().patience,
        }
    }

    /// The publishers of a run: publisher `i` of `count` takes its subjects and its flow from
    /// `place`.
    pub fn publishers(
        &self,
        count: u64,
        format: &Arc<Format>,
        pace: Pace,
        place: impl Fn(u64) -> (Arc<Vec<Vec<u8>>>, usize),
    ) -> Result<Vec<Planned>, Failure> {
        let indexes = u16::try_from(count).map_err(|_| {
            Failure::Usage("more than 65535 publishers cannot be told apart".to_owned())
        })?;
        let batch_bytes = (BATCH_BYTES_TOTAL / usize::from(indexes).max(1))
            .clamp(BATCH_BYTES_MIN, BATCH_BYTES_MAX);
        let publisher = |index: u16| {
            let (subjects, flow) = place(u64::from(index));
            let messages = self.run().msgs.map(|all| share(all, count, u64::from(index)));
            let format = Arc::clone(format);
            let pace = staggered(pace, index, indexes);
            let wire = self.target.wire();
            let orders = Orders { index, wire, subjects, format, pace, messages, batch_bytes };
            let publisher = Box::new(Publisher::new(orders));
            Planned { setup: Vec::new(), role: Role::Publisher { publisher, flow } }
        };
        Ok((0..indexes).map(publisher).collect())
    }

    /// Runs a plan for the time that the options give.
    pub fn conduct(
        &self,
        plan: Plan,
        expected_sum: impl FnOnce(&[(u16, u64)]) -> Option<u64>,
    ) -> Result<Gathered, Failure> {
        let mut conductor = Conductor::start(&self.target, plan, self.progress())?;
        let ended = conductor.measure(self.run().warmup, self.run().duration)?;
        let window = conductor.window();
        Ok(conductor.finish(window, ended, expected_sum)?)
    }

    /// A result with everything that every run has.
    pub fn outcome(
        &self,
        scenario: &str,
        setting: &[(&str, String)],
        gathered: &Gathered,
        work: Work,
        size: usize,
    ) -> Outcome {
        let mut outcome = Outcome::new(scenario, &self.target);
        outcome.set("size", size);
        for (name, value) in setting {
            outcome.set(name, value);
        }
        outcome.add_window(&gathered.window, work, size);
        outcome.add_timings(&gathered.timings);
        if work != Work::Published {
            outcome.verdict = Some(gathered.verdict);
        }
        note_common(&mut outcome, gathered, self.run());
        outcome
    }
}

/// Finds the server and runs something once per size, then reports all results together.
pub fn run_sizes(
    common: &Common,
    name: &str,
    mut once: impl FnMut(&Setup<'_>, usize) -> Result<Outcome, Failure>,
) -> Result<(), Failure> {
    let setup = set_up(common, name)?;
    let mut outcomes = Vec::new();
    for size in &common.run.size {
        if let Some(max) = setup.target.facts.max_payload
            && u64::try_from(*size).is_ok_and(|size| size > max)
        {
            return Err(Failure::Usage(format!(
                "the server takes messages of at most {max} bytes, not {size}"
            )));
        }
        outcomes.push(once(&setup, *size)?);
        if crate::interrupt::Interrupt::listen().is_asked() {
            break;
        }
    }
    report::publish(&common.report, &outcomes)
}

/// Finds the server.
pub fn set_up<'a>(common: &'a Common, name: &str) -> Result<Setup<'a>, Failure> {
    let reach = common.server.reach_any(common.protocol)?;
    raise_file_limit();
    let (target, _) = Target::find(&reach, &format!("fanfare bench {name}"))?;
    refuse_unknown(name, target.wire())?;
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let nanos = since_epoch.as_secs().wrapping_mul(1_000_000_000)
        ^ u64::from(since_epoch.subsec_nanos())
        ^ (u64::from(std::process::id()) << 32);
    Ok(Setup { target, common, run_key: mixed(nanos) })
}

/// Refuses what a server's protocol has no meaning for.
fn refuse_unknown(name: &str, wire: Wire) -> Result<(), Failure> {
    let missing = match name {
        "queue" => "queue groups",
        "request" => "requests with replies",
        "wildcard" => "wildcards that match as those of NATS do",
        _ => return Ok(()),
    };
    if wire == Wire::Nats {
        return Ok(());
    }
    Err(Failure::Usage(format!("{wire} has no {missing}, so there is nothing to measure")))
}

/// Lets this process open as many connections as it may. Where that fails, the limit stays, and
/// reaching it is reported when it happens.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Adds what a window in which connections were opened cost.
pub fn add_connections(outcome: &mut Outcome, window: &Window, opened: u64) {
    let each = |seconds: f64| seconds * 1e6 / opened.max(1) as f64;
    outcome.measure("seconds", "measured for", window.seconds, Unit::Seconds);
    if let Some(cpu_s) = window.server_cpu_s {
        let label = "server CPU per connection";
        outcome.measure("server_cpu_us_per_conn", label, each(cpu_s), Unit::Micros);
    }
    if let Some(bytes) = window.server_peak_bytes {
        outcome.measure("server_peak_rss", "server memory, peak", bytes as f64, Unit::Bytes);
    }
    if let Some(share) = window.client_shares.first() {
        outcome.measure("client_thread_share", "busiest client thread", *share, Unit::Share);
        let label = "client CPU per connection";
        outcome.measure(
            "client_cpu_us_per_conn",
            label,
            each(share * window.seconds),
            Unit::Micros,
        );
    }
}

/// `SUB` in the protocol's words.
pub fn sub_line(filter: &str, queue: Option<&str>, sid: &str) -> Vec<u8> {
    let mut line = Vec::new();
    client_encode::subscribe(
        &mut line,
        filter.as_bytes(),
        queue.map(str::as_bytes),
        sid.as_bytes(),
    );
    line
}

/// A list of one subject.
pub fn one_subject(subject: &str) -> Arc<Vec<Vec<u8>>> {
    Arc::new(vec![subject.as_bytes().to_vec()])
}

/// Part `index` of `parts` nearly equal parts.
pub fn share(all: u64, parts: u64, index: u64) -> u64 {
    all / parts + u64::from(index < all % parts)
}

/// Publishers at a rate take turns instead of all writing at the same moment.
fn staggered(pace: Pace, index: u16, count: u16) -> Pace {
    match pace {
        Pace::Flood | Pace::OneAtATime => pace,
        Pace::Rate { offset_ns, interval_ns } => {
            let part = interval_ns * f64::from(index) / f64::from(count);
            Pace::Rate { offset_ns: offset_ns + crate::figure::whole(part), interval_ns }
        }
    }
}

fn note_common(outcome: &mut Outcome, gathered: &Gathered, run: &RunOptions) {
    if gathered.ended == crate::conductor::Ended::Interrupted {
        outcome.notes.push("Ended early by the user; the figures are of what there was.".into());
    }
    if !gathered.is_confirmed {
        outcome.notes.push("The server has not confirmed that it has read everything.".into());
    }
    if run.server_pid.is_some() && gathered.window.server_cpu_s.is_none() {
        outcome.notes.push(
            "There is no readable process with the number that --server-pid gives, so the \
             server's CPU time and memory are missing."
                .into(),
        );
    }
}

/// How long a scenario that opens connections waits at most before it looks at the clock.
pub const TURN: Duration = Duration::from_millis(50);

/// Bytes around a payload on the wire, roughly.
const FRAME_OVERHEAD: u64 = 32;

/// Bytes that may be under way to one receiver, however many there are; with less, a thousand
/// receivers would get a message or two at a time, and their system calls would be all there is.
const RECEIVER_WINDOW: u64 = 16 * 1024;

/// What all publishers of a run prepare together at most.
const BATCH_BYTES_TOTAL: usize = 8 * 1024 * 1024;
const BATCH_BYTES_MIN: usize = 4 * 1024;
const BATCH_BYTES_MAX: usize = 128 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        for (all, parts) in [(10, 3), (2, 5), (0, 1), (1000, 7)] {
            let sum: u64 = (0..parts).map(|index| share(all, parts, index)).sum();
            assert_eq!(sum, all);
        }
    }

    #[test]
    fn publishers_at_a_rate_take_turns() {
        let pace = Pace::Rate { offset_ns: 5, interval_ns: 100.0 };
        assert_eq!(staggered(pace, 1, 4), Pace::Rate { offset_ns: 30, interval_ns: 100.0 });
        assert_eq!(staggered(Pace::Flood, 1, 4), Pace::Flood);
    }
}
