//! Many connections that are lost at once and come back at once, while others go on talking.
//!
//! Absent: a gentle return. Every connection is dialled in the moment in which all are closed, as
//! when a switch restarts; the kernel's queue and the server decide who gets in when. The latency
//! of each part is that of connections which were there before that part began.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use mio::Events;

use super::conns::source_addresses;
use crate::cli::scenario::Herd;
use crate::conductor::{Conductor, Ended, Gathered};
use crate::dialer::{Dialer, Happened, Losses, SlotIndex};
use crate::engine::Role;
use crate::failure::Failure;
use crate::figure::Unit;
use crate::flow::Flow;
use crate::interrupt::Interrupt;
use crate::outcome::Outcome;
use crate::payload::TIMED_LEN;
use crate::procfs::Memory;
use crate::progress::Progress;
use crate::publisher::Pace;
use crate::receipt::Verdict;
use crate::run::Run;
use crate::scenario::pubsub::{Crowd, seat_crowd};
use crate::scenario::{Setup, TURN, set_up, sub_line};
use crate::subscriber::Sampling;
use crate::timings::{Kind, Timings};

/// Runs the scenario.
pub fn run(options: &Herd) -> Result<(), Failure> {
    let setup = set_up(&options.common, "herd")?;
    let outcome = once(options, &setup)?;
    crate::report::publish(&options.common.report, &[outcome])
}

/// The connections that leave and return.
struct Animals<'a> {
    options: &'a Herd,
    setup: &'a Setup<'a>,
    dialer: Dialer<'a>,
    run: Run,
    events: Events,
    confirmed: HashSet<SlotIndex>,
    /// Connections that the server closed, and that were dialled again.
    lost: usize,
    timings: Timings,
    peak_bytes: u64,
    progress: Progress,
    interrupt: Interrupt,
}

fn once(options: &Herd, setup: &Setup<'_>) -> Result<Outcome, Failure> {
    let mut animals = Animals::new(options, setup)?;
    animals.open(options.opening)?;
    let steady = animals.memory();
    let before = calm(options, setup)?;
    let mut conductor = start(options, setup)?;
    conductor.watch(setup.run().warmup, |_| {})?;
    conductor.begin_window();
    let cpu = |window: &crate::window::Window| window.server_cpu_s;
    let began = Instant::now();
    animals.lose_all();
    animals.timings.count_from(0);
    animals.lost = 0;
    animals.peak_bytes = animals.memory();
    animals.open(options.conns)?;
    let back = began.elapsed();
    let window = conductor.window();
    let server_cpu_s = cpu(&window);
    let during = conductor.finish(window, Ended::Normally, |_| None)?;
    let after = calm(options, setup)?;
    let returned = animals.memory();
    animals.progress.clear();
    let mut outcome = Outcome::new("herd", &setup.target);
    outcome.set("connections", options.conns);
    outcome.set("rate", Unit::PerSecond.show(options.rate as f64));
    outcome.measure("back_s", "all are back after", back.as_secs_f64(), Unit::Seconds);
    let lost = animals.lost as f64;
    outcome.measure("dialled_again", "cut meanwhile and dialled again", lost, Unit::Count);
    if let Some(cpu_s) = server_cpu_s {
        outcome.measure("server_cpu_s", "server CPU meanwhile", cpu_s, Unit::Seconds);
    }
    add_latencies(&mut outcome, [("before", &before), ("during", &during), ("after", &after)]);
    let memories = [
        ("rss_steady", "server memory before", steady),
        ("rss_peak", "its peak meanwhile", animals.peak_bytes),
        ("rss_after", "server memory afterwards", returned),
    ];
    if setup.run().server_pid.is_some() {
        for (key, label, bytes) in memories {
            outcome.measure(key, label, bytes as f64, Unit::Bytes);
        }
    }
    outcome.add_timings(&animals.timings);
    outcome.verdict = Some(sum([before.verdict, during.verdict, after.verdict]));
    Ok(outcome)
}

/// Traffic while nothing else happens.
fn calm(options: &Herd, setup: &Setup<'_>) -> Result<Gathered, Failure> {
    let mut conductor = start(options, setup)?;
    let ended = conductor.measure(setup.run().warmup, setup.run().duration)?;
    let window = conductor.window();
    Ok(conductor.finish(window, ended, |_| None)?)
}

/// Opens the connections that talk, and lets them.
fn start(options: &Herd, setup: &Setup<'_>) -> Result<Conductor, Failure> {
    let size = setup.run().size.first().copied().unwrap_or(0).max(TIMED_LEN);
    let interval_ns = 1e9 * options.pairs as f64 / options.rate as f64;
    let pace = Pace::Rate { offset_ns: 5_000_000, interval_ns };
    let crowd = Crowd { pubs: options.pairs, subs: options.pairs, pairs: true, pace };
    let flows = (0..options.pairs).map(|_| Flow::new(1, None)).collect();
    let mut plan = setup.plan("herd".to_owned(), flows);
    // A number of messages would end the traffic before the herd is back.
    plan.messages = None;
    seat_crowd(setup, crowd, size, &mut plan)?;
    for planned in &mut plan.receivers {
        if let Role::Subscriber(subscriber) = &mut planned.role {
            subscriber.sample(Sampling::All);
        }
    }
    Ok(Conductor::start(&setup.target, plan, Progress::new(crate::progress::Wanted::No))?)
}

fn add_latencies(outcome: &mut Outcome, parts: [(&str, &Gathered); 3]) {
    for (part, gathered) in parts {
        let Some(latencies) = gathered.timings.of(Kind::OneWay) else { continue };
        for (percent, name) in [(50.0, "p50"), (99.0, "p99"), (99.9, "p99_9")] {
            let micros = latencies.percentile_ns(percent) as f64 / 1e3;
            let shown = name.replace('_', ".");
            let label = format!("one way {shown} {part}");
            outcome.measure(&format!("{name}_{part}"), &label, micros, Unit::Micros);
        }
        let longest = latencies.max_ns() as f64 / 1e3;
        let label = format!("one way longest {part}");
        outcome.measure(&format!("max_{part}"), &label, longest, Unit::Micros);
    }
}

fn sum(parts: [Verdict; 3]) -> Verdict {
    let mut all = Verdict::default();
    for part in parts {
        all.received += part.received;
        all.lost += part.lost;
        all.repeated += part.repeated;
        all.out_of_order += part.out_of_order;
        all.damaged += part.damaged;
        all.anonymous += part.anonymous;
    }
    all
}

impl<'a> Animals<'a> {
    fn new(options: &'a Herd, setup: &'a Setup<'a>) -> Result<Self, Failure> {
        // Closed connections keep their ports for a while: twice as many are needed.
        let sources =
            source_addresses(options.conns * 2, options.sources, setup.target.address.ip())?;
        let mut dialer = Dialer::new(&setup.target, sources)?;
        dialer.take_losses(Losses::AreTold);
        Ok(Self {
            options,
            setup,
            dialer,
            run: Run::new(Vec::new(), 1),
            events: Events::with_capacity(1024),
            confirmed: HashSet::new(),
            lost: 0,
            timings: Timings::new(),
            peak_bytes: 0,
            progress: setup.progress(),
            interrupt: Interrupt::listen(),
        })
    }

    /// Opens all connections, so many at a time.
    fn open(&mut self, at_once: u64) -> Result<(), Failure> {
        let all = usize::try_from(self.options.conns).unwrap_or(usize::MAX);
        let at_once = usize::try_from(at_once).unwrap_or(usize::MAX);
        let (mut dialled, mut last) = (0, (Instant::now(), 0));
        while self.confirmed.len() < all {
            if self.interrupt.is_asked() {
                return Err(Failure::Run("ended by the user".to_owned()));
            }
            // Some at a time even of a herd, so that answers are read while others are dialled.
            let all = all + self.lost;
            let under_way = self.confirmed.len() + self.lost + at_once;
            let now = all.min(under_way).min(dialled + DIALLED_AT_ONCE);
            while dialled < now {
                let line = sub_line(&format!("{}.{dialled}", self.setup.prefix()), None, "1");
                self.dialer.dial(line, self.run.now_ns())?;
                dialled += 1;
            }
            self.turn(if dialled < all { Duration::ZERO } else { TURN })?;
            if self.confirmed.len() != last.1 {
                last = (Instant::now(), self.confirmed.len());
            } else if last.0.elapsed() > self.setup.run().patience.max(PATIENCE_MIN) {
                return Err(Failure::Run(format!("{} of {all} came, and then no more", last.1)));
            }
            self.progress.show(&format!("herd  {} open", self.confirmed.len()));
        }
        Ok(())
    }

    /// Closes all connections at once.
    fn lose_all(&mut self) {
        for slot in std::mem::take(&mut self.confirmed) {
            self.dialer.close(slot);
        }
    }

    fn turn(&mut self, timeout: Duration) -> Result<(), Failure> {
        let (run, timings) = (&self.run, &mut self.timings);
        let (confirmed, lost) = (&mut self.confirmed, &mut self.lost);
        self.dialer.poll(&mut self.events, timeout, |happened| match happened {
            Happened::Confirmed { slot, started_ns } => {
                timings.record(Kind::Connect, started_ns, run.now_ns());
                confirmed.insert(slot);
            }
            // Who was confirmed and is cut is not back.
            Happened::Lost { slot } => {
                confirmed.remove(&slot);
                *lost += 1;
            }
            Happened::Message { .. } => {}
        })?;
        self.peak_bytes = self.peak_bytes.max(self.memory());
        Ok(())
    }

    fn memory(&self) -> u64 {
        let memory = self.setup.run().server_pid.and_then(Memory::of_process);
        memory.map_or(0, |memory| memory.resident_bytes)
    }
}

/// Connections that are dialled before answers are read again.
const DIALLED_AT_ONCE: usize = 256;

/// A SYN that found the queue full is sent again after one, three, seven and fifteen seconds.
const PATIENCE_MIN: Duration = Duration::from_secs(20);
