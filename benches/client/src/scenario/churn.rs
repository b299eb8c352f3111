//! Connections that come and go: connect, CONNECT, SUB, PING, wait for the PONG, close.
//!
//! Absent: messages.

use mio::Events;

use crate::cli::scenario::Churn;
use crate::dialer::{Dialer, Happened, SlotIndex};
use crate::failure::Failure;
use crate::figure::Unit;
use crate::interrupt::Interrupt;
use crate::outcome::Outcome;
use crate::procfs::ThreadCpu;
use crate::run::Run;
use crate::scenario::{Setup, TURN, add_connections, set_up};
use crate::timings::{Kind, Timings};
use crate::window::{Moment, Window};

/// Runs the scenario.
pub fn run(options: &Churn) -> Result<(), Failure> {
    let setup = set_up(&options.common, "churn")?;
    let outcome = once(options, &setup)?;
    crate::report::publish(&options.common.report, &[outcome])
}

/// The loops and what they have done.
struct Loops<'a> {
    dialer: Dialer<'a>,
    run: &'a Run,
    timings: Timings,
    setup_line: Vec<u8>,
    opened: u64,
}

fn once(options: &Churn, setup: &Setup<'_>) -> Result<Outcome, Failure> {
    let run = Run::new(Vec::new(), 1);
    let (progress, interrupt) = (setup.progress(), Interrupt::listen());
    if let Some(thread) = run.threads.first() {
        // The run has just been made, so the cell is empty.
        let _ = thread.cpu.set(ThreadCpu::of_caller());
    }
    let mut loops = Loops {
        dialer: Dialer::new(&setup.target, Vec::new())?,
        run: &run,
        timings: Timings::new(),
        setup_line: setup.target.wire().subscription(&setup.prefix(), "1"),
        opened: 0,
    };
    for _ in 0..options.loops {
        loops.dial()?;
    }
    let options_run = setup.run();
    loops.turn_until(&|loops| {
        loops.run.now_ns() >= nanos(options_run.warmup) || interrupt.is_asked()
    })?;
    run.start_measuring();
    loops.timings.count_from(run.measure_from_ns());
    loops.opened = 0;
    let start = Moment::now(&run, options_run.server_pid);
    let end_ns = run.now_ns() + nanos(options_run.duration);
    loops.turn_until(&|loops| {
        progress.show(&format!("churn  {} connections", loops.opened));
        let is_enough = match options_run.msgs {
            Some(all) => loops.opened >= all,
            None => loops.run.now_ns() >= end_ns,
        };
        is_enough || interrupt.is_asked()
    })?;
    let end = Moment::now(&run, options_run.server_pid);
    progress.clear();
    let window = Window::between(&start, &end, 0, Vec::new());
    let mut outcome = Outcome::new("churn", &setup.target);
    outcome.set("loops", options.loops);
    let rate = loops.opened as f64 / window.seconds.max(1e-9);
    outcome.measure("conns_per_s", "opened and closed", rate, Unit::PerSecond);
    add_connections(&mut outcome, &window, loops.opened);
    outcome.add_timings(&loops.timings);
    Ok(outcome)
}

impl Loops<'_> {
    fn dial(&mut self) -> Result<(), Failure> {
        Ok(self.dialer.dial(self.setup_line.clone(), self.run.now_ns())?)
    }

    /// Closes each connection as soon as it is confirmed and opens the next.
    fn turn_until(&mut self, is_done: &dyn Fn(&Self) -> bool) -> Result<(), Failure> {
        let mut events = Events::with_capacity(1024);
        while !is_done(self) {
            let mut confirmed: Vec<(SlotIndex, u64)> = Vec::new();
            self.dialer.poll(&mut events, TURN, |happened| {
                if let Happened::Confirmed { slot, started_ns } = happened {
                    confirmed.push((slot, started_ns));
                }
            })?;
            for (slot, started_ns) in confirmed {
                self.timings.record(Kind::Connect, started_ns, self.run.now_ns());
                self.opened += 1;
                self.dialer.close(slot);
                self.dial()?;
            }
        }
        Ok(())
    }
}

fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
