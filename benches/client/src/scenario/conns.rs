//! Many idle connections: how fast they open, and what each costs the server in time and memory.
//!
//! Absent: load. The kernel's memory for a socket is in no process's figure.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use mio::Events;

use crate::cli::scenario::Conns;
use crate::dialer::{Dialer, Happened};
use crate::failure::Failure;
use crate::figure::Unit;
use crate::interrupt::Interrupt;
use crate::outcome::Outcome;
use crate::payload::{Found, Mark};
use crate::procfs::ThreadCpu;
use crate::progress::Progress;
use crate::receipt::Verdict;
use crate::run::Run;
use crate::scenario::{Setup, TURN, add_connections, set_up};
use crate::timings::{Kind, Timings};
use crate::window::{Moment, Window};

/// Runs the scenario.
pub fn run(options: &Conns) -> Result<(), Failure> {
    let setup = set_up(&options.common, "conns")?;
    let outcome = once(options, &setup)?;
    crate::report::publish(&options.common.report, &[outcome])
}

/// The connections and what has come of them.
struct Crowd<'a> {
    options: &'a Conns,
    setup: &'a Setup<'a>,
    dialer: Dialer<'a>,
    run: Run,
    timings: Timings,
    progress: Progress,
    interrupt: Interrupt,
    events: Events,
    dialled: u64,
    confirmed: u64,
    verdict: Verdict,
}

fn once(options: &Conns, setup: &Setup<'_>) -> Result<Outcome, Failure> {
    let mut crowd = Crowd::new(options, setup)?;
    let pid = setup.run().server_pid;
    let start = Moment::now(&crowd.run, pid);
    crowd.open()?;
    let open = Moment::now(&crowd.run, pid);
    let opened = crowd.confirmed;
    crowd.hold(options.hold)?;
    let held = Moment::now(&crowd.run, pid);
    let window = Window::between(&start, &open, 0, Vec::new());
    let mut outcome = Outcome::new("conns", &setup.target);
    outcome.set("connections", options.conns);
    outcome.set("subject", if options.shared { "shared" } else { "one each" });
    let rate = opened as f64 / window.seconds.max(1e-9);
    outcome.measure("conns_per_s", "opened", rate, Unit::PerSecond);
    add_connections(&mut outcome, &window, opened);
    outcome.measure("connections", "connections open", opened as f64, Unit::Count);
    let per_connection = |moment: &Moment| {
        let before = start.server_memory()?.resident_bytes as f64;
        Some((moment.server_memory()?.resident_bytes as f64 - before) / opened.max(1) as f64)
    };
    if let Some(bytes) = per_connection(&held) {
        outcome.measure("rss_per_conn", "server memory ÷ connection", bytes, Unit::Bytes);
    }
    if let Some(idle) = held.server_cpu_since(&open) {
        let share = idle.as_secs_f64() / held.since(&open).as_secs_f64().max(1e-9);
        outcome.measure("idle_server_cores", "server CPU while idle", share, Unit::Share);
    }
    if options.message && !crowd.interrupt.is_asked() {
        crowd.send_to_each()?;
        crowd.hold(options.hold)?;
        let after = Moment::now(&crowd.run, pid);
        if let Some(bytes) = per_connection(&after) {
            let label = "the same after a message to each";
            outcome.measure("rss_per_conn_after_message", label, bytes, Unit::Bytes);
        }
        outcome.verdict = Some(crowd.verdict);
    }
    crowd.progress.clear();
    outcome.add_timings(&crowd.timings);
    if opened < options.conns {
        outcome.notes.push("Ended early by the user; the figures are of what there was.".into());
    }
    Ok(outcome)
}

impl<'a> Crowd<'a> {
    fn new(options: &'a Conns, setup: &'a Setup<'a>) -> Result<Self, Failure> {
        let sources = sources(options, setup.target.address.ip())?;
        let run = Run::new(Vec::new(), 1);
        if let Some(thread) = run.threads.first() {
            // The run has just been made, so the cell is empty.
            let _ = thread.cpu.set(ThreadCpu::of_caller());
        }
        let mut timings = Timings::new();
        timings.count_from(0);
        Ok(Self {
            options,
            setup,
            dialer: Dialer::new(&setup.target, sources)?,
            run,
            timings,
            progress: setup.progress(),
            interrupt: Interrupt::listen(),
            events: Events::with_capacity(1024),
            dialled: 0,
            confirmed: 0,
            verdict: Verdict::default(),
        })
    }

    fn subject(&self, number: u64) -> String {
        let prefix = self.setup.prefix();
        if self.options.shared { prefix } else { format!("{prefix}.{number}") }
    }

    /// Opens all connections, some at a time.
    fn open(&mut self) -> Result<(), Failure> {
        let mut last = (Instant::now(), 0);
        while self.confirmed < self.options.conns && !self.interrupt.is_asked() {
            while self.dialled < self.options.conns
                && self.dialled - self.confirmed < self.options.opening
            {
                let wire = self.setup.target.wire();
                let line = wire.subscription(&self.subject(self.dialled), "1");
                self.dialer.dial(line, self.run.now_ns())?;
                self.dialled += 1;
            }
            self.turn(TURN)?;
            if self.confirmed != last.1 {
                last = (Instant::now(), self.confirmed);
            } else if last.0.elapsed() > self.setup.run().patience {
                return Err(Failure::Run(format!(
                    "the server has opened {} connections and then no more for {} s",
                    self.confirmed,
                    self.setup.run().patience.as_secs()
                )));
            }
            self.progress.show(&format!("conns  {} open", self.confirmed));
        }
        Ok(())
    }

    /// Leaves the connections alone, but for answering PINGs.
    fn hold(&mut self, duration: Duration) -> Result<(), Failure> {
        let end = Instant::now() + duration;
        loop {
            let rest = end.saturating_duration_since(Instant::now());
            if rest.is_zero() || self.interrupt.is_asked() {
                return Ok(());
            }
            self.progress.show(&format!(
                "conns  {} open, left alone for {:.0} s",
                self.confirmed,
                rest.as_secs_f64()
            ));
            self.turn(TURN.min(rest))?;
        }
    }

    /// Sends one message to each connection and waits until all have it.
    fn send_to_each(&mut self) -> Result<(), Failure> {
        let size = self.setup.run().size.first().copied().unwrap_or(0);
        let format = self.setup.format(size);
        let payload = format.payload(Mark { publisher: 0, number: 0 });
        let mut operations = Vec::new();
        let messages = if self.options.shared { 1 } else { self.confirmed };
        for number in 0..messages {
            let subject = self.subject(number);
            self.setup.target.wire().publish(&mut operations, subject.as_bytes(), &payload);
        }
        let link = self.setup.target.open(&operations)?;
        let mut last = (Instant::now(), 0);
        while self.verdict.received < self.confirmed && !self.interrupt.is_asked() {
            self.turn(TURN)?;
            if self.verdict.received != last.1 {
                last = (Instant::now(), self.verdict.received);
            } else if last.0.elapsed() > self.setup.run().patience {
                break;
            }
        }
        drop(link);
        self.verdict.lost = self.confirmed.saturating_sub(self.verdict.received);
        self.verdict.repeated = self.verdict.received.saturating_sub(self.confirmed);
        Ok(())
    }

    fn turn(&mut self, timeout: Duration) -> Result<(), Failure> {
        let size = self.setup.run().size.first().copied().unwrap_or(0);
        let format = self.setup.format(size);
        let (run, timings) = (&self.run, &mut self.timings);
        let (confirmed, verdict) = (&mut self.confirmed, &mut self.verdict);
        self.dialer.poll(&mut self.events, timeout, |happened| match happened {
            Happened::Confirmed { started_ns, .. } => {
                *confirmed += 1;
                timings.record(Kind::Connect, started_ns, run.now_ns());
            }
            // They are errors here.
            Happened::Lost { .. } => {}
            Happened::Message { payload } => {
                verdict.received += 1;
                match format.check(payload) {
                    Found::Message(_) => {}
                    Found::Anonymous => verdict.anonymous += 1,
                    Found::Damaged => verdict.damaged += 1,
                }
            }
        })?;
        Ok(())
    }
}

/// The addresses to connect from; none leaves the choice to the system.
fn sources(options: &Conns, server: IpAddr) -> Result<Vec<Ipv4Addr>, Failure> {
    source_addresses(options.conns, options.sources, server)
}

/// The addresses for so many connections, or so many addresses where they are given.
pub(super) fn source_addresses(
    conns: u64,
    sources: Option<u64>,
    server: IpAddr,
) -> Result<Vec<Ipv4Addr>, Failure> {
    let is_loopback = matches!(server, IpAddr::V4(address) if address.is_loopback());
    let each = if is_loopback { QUICK_PORTS_PER_SOURCE } else { PORTS_PER_SOURCE };
    let needed = sources.unwrap_or(conns.div_ceil(each));
    if needed <= 1 {
        return Ok(Vec::new());
    }
    if !is_loopback {
        return Err(Failure::Usage(format!(
            "{conns} connections need {needed} source addresses, which are only there for a server \
             on 127.0.0.1; run several clients on several machines instead"
        )));
    }
    let first = first_source(std::process::id());
    let count = u32::try_from(needed).unwrap_or(u32::MAX).min(60_000);
    Ok((0..count).map(|offset| Ipv4Addr::from(first + offset)).collect())
}

/// The first of several source addresses: those of another run are not free again for a minute.
fn first_source(pid: u32) -> u32 {
    u32::from(Ipv4Addr::new(127, 1, 0, 1)) + ((pid % FIRST_SOURCES) << 8)
}

/// Far enough from the end of 127.0.0.0/8 for as many addresses as there may be.
const FIRST_SOURCES: u32 = 253 * 256;

/// A source address has 28000 ports for outgoing connections on Linux; some may be taken.
const PORTS_PER_SOURCE: u64 = 20_000;
/// Linux looks among the half of them with one parity first, and once these are taken each further
/// connection walks past all of them: 18000 from one address took ten times as long as from two.
const QUICK_PORTS_PER_SOURCE: u64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        conns: Conns,
    }

    fn count(arguments: &[&str], server: &str) -> Option<usize> {
        let options = Line::parse_from([&["conns"], arguments].concat()).conns;
        sources(&options, server.parse().unwrap()).ok().map(|sources| sources.len())
    }

    #[test]
    fn source_addresses_are_taken_when_they_are_needed() {
        assert_eq!(count(&["--conns", "10000"], "127.0.0.1"), Some(0));
        assert_eq!(count(&["--conns", "10001"], "127.0.0.1"), Some(2));
        assert_eq!(count(&["--conns", "20000"], "10.0.0.1"), Some(0));
        assert_eq!(count(&["--conns", "20001"], "10.0.0.1"), None);
        assert_eq!(count(&["--sources", "5"], "127.0.0.1"), Some(5));
        assert_eq!(count(&["--sources", "5"], "10.0.0.1"), None);
        assert_eq!(count(&["--conns", "5000"], "10.0.0.1"), Some(0));
    }
}
