//! One subscriber that stops reading among others that do not: what that costs the others, when the
//! server cuts it, and how much the server's memory grows meanwhile.
//!
//! Absent: the event loop. The stalled subscriber is in no flow, so publishers do not wait for it;
//! whether they are made to is what is measured.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::cli::scenario::Slow;
use crate::conductor::{Conductor, Ended, Planned};
use crate::engine::Role;
use crate::failure::Failure;
use crate::figure::Unit;
use crate::flow::Flow;
use crate::outcome::{Outcome, Work};
use crate::procfs::{FarEnd, Memory};
use crate::publisher::Pace;
use crate::scenario::pubsub::{Crowd, seat_crowd};
use crate::scenario::{Setup, run_sizes};
use crate::window::Step;

/// Runs the scenario.
pub fn run(options: &Slow) -> Result<(), Failure> {
    if options.common.run.msgs.is_some() {
        return Err(Failure::Usage("slow takes a --duration, not a number of messages".into()));
    }
    run_sizes(&options.common, "slow", |setup, size| once(options, setup, size))
}

/// What was seen after the stall.
#[derive(Debug, Default)]
struct Seen {
    /// Messages received and seconds gone until the stalled one was cut.
    until_cut: (u64, f64),
    /// The same until the end.
    in_all: (u64, f64),
    /// When the last of the stalled ones was cut, from the stall on.
    cut_after: Option<Duration>,
    /// The most memory that the server had.
    peak_bytes: u64,
}

fn once(options: &Slow, setup: &Setup<'_>, size: usize) -> Result<Outcome, Failure> {
    let pace = match options.rate {
        None => Pace::Flood,
        Some(rate) => Pace::Rate { offset_ns: 5_000_000, interval_ns: 1e9 / rate as f64 },
    };
    let window = if options.rate.is_some() { None } else { setup.window(size, options.subs) };
    let crowd = Crowd { pubs: 1, subs: options.subs, pairs: false, pace };
    let title = format!("slow 1 → {} + {} stalled, {size} B", options.subs, options.stalled);
    let mut plan = setup.plan(title, vec![Flow::new(options.subs, window)]);
    seat_crowd(setup, crowd, size, &mut plan)?;
    for _ in 0..options.stalled {
        let setup = setup.target.wire().subscription(&setup.prefix(), "1");
        plan.receivers.push(Planned { setup, role: Role::Stalled });
    }
    let mut conductor = Conductor::start(&setup.target, plan, setup.progress())?;
    conductor.watch(setup.run().warmup, |_| {})?;
    conductor.begin_window();
    let mut ended = conductor.watch(options.baseline, |_| {})?;
    let baseline = conductor.window();
    conductor.begin_window();
    let mut seen = Seen::default();
    if ended == Ended::Normally {
        let stalled = conductor.stalled().to_vec();
        conductor.run().stall();
        ended = watch(&mut conductor, setup, &stalled, &mut seen)?;
    }
    let window = conductor.window();
    let gathered = conductor.finish(window, ended, |_| None)?;
    let mut setting = vec![
        ("shape", format!("1 → {} + {} stalled", options.subs, options.stalled)),
        ("rate", "full".to_owned()),
    ];
    if let (Some(rate), Some(entry)) = (options.rate, setting.get_mut(1)) {
        entry.1 = Unit::PerSecond.show(rate as f64);
    }
    let mut outcome = setup.outcome("slow", &setting, &gathered, Work::Received, size);
    let before = baseline.received as f64 / baseline.seconds.max(1e-9);
    let memory_before = baseline.server_memory.map(|memory| memory.resident_bytes);
    add_seen(&mut outcome, &seen, before, memory_before);
    Ok(outcome)
}

/// Watches until the time is up and notes when the stalled ones are cut.
fn watch(
    conductor: &mut Conductor,
    setup: &Setup<'_>,
    stalled: &[SocketAddr],
    seen: &mut Seen,
) -> Result<Ended, Failure> {
    let theirs = setup.target.address;
    let is_local = stalled.iter().all(|ours| FarEnd::look_up(*ours, theirs) == FarEnd::Open);
    let started = Instant::now();
    let pid = setup.run().server_pid;
    let ended = conductor.watch(setup.run().duration, |step: &Step| {
        seen.in_all.0 += step.messages;
        seen.in_all.1 += step.length_s;
        if let Some(memory) = pid.and_then(Memory::of_process) {
            seen.peak_bytes = seen.peak_bytes.max(memory.resident_bytes);
        }
        if seen.cut_after.is_some() {
            return;
        }
        seen.until_cut = seen.in_all;
        let is_cut = |ours: &SocketAddr| FarEnd::look_up(*ours, theirs) == FarEnd::Closed;
        if is_local && stalled.iter().all(is_cut) {
            seen.cut_after = Some(started.elapsed());
        }
    })?;
    Ok(ended)
}

fn add_seen(outcome: &mut Outcome, seen: &Seen, before: f64, memory_before: Option<u64>) {
    let share =
        |(messages, seconds): (u64, f64)| messages as f64 / seconds.max(1e-9) / before.max(1e-9);
    outcome.measure("rate_before", "received before the stall", before, Unit::PerSecond);
    outcome.measure(
        "share_until_cut",
        "rate kept until the cut",
        share(seen.until_cut),
        Unit::Share,
    );
    outcome.measure("share_in_all", "rate kept in all", share(seen.in_all), Unit::Share);
    match seen.cut_after {
        Some(after) => {
            outcome.measure("cut_after", "cut after", after.as_secs_f64(), Unit::Seconds);
        }
        None => outcome.notes.push(
            "The stalled subscriber was not cut while it was watched, or the server is not on \
             this machine, where its end of the connection cannot be seen."
                .into(),
        ),
    }
    if let Some(before) = memory_before
        && seen.peak_bytes > 0
    {
        let growth = seen.peak_bytes.saturating_sub(before) as f64;
        outcome.measure("memory_growth", "server memory, growth", growth, Unit::Bytes);
    }
}
