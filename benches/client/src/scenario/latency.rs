//! One-way latency of messages that are due at fixed times.
//!
//! Absent: flow control. The schedule goes on whatever the server does, so a pause of the server
//! is counted in every message that it delayed and not only in the one that was under way.

use crate::cli::scenario::Latency;
use crate::engine::Role;
use crate::failure::Failure;
use crate::figure::Unit;
use crate::flow::Flow;
use crate::outcome::{Outcome, Work};
use crate::payload::TIMED_LEN;
use crate::publisher::Pace;
use crate::scenario::pubsub::{Crowd, seat_crowd};
use crate::scenario::{Setup, run_sizes};
use crate::subscriber::Sampling;

/// Runs the scenario.
pub fn run(options: &Latency) -> Result<(), Failure> {
    run_sizes(&options.common, "latency", |setup, size| once(options, setup, size))
}

fn once(options: &Latency, setup: &Setup<'_>, size: usize) -> Result<Outcome, Failure> {
    let size = size.max(TIMED_LEN);
    let interval_ns = 1e9 * options.pubs as f64 / options.rate as f64;
    // The first message is due a little later, so that every thread has begun by then.
    let pace = Pace::Rate { offset_ns: 5_000_000, interval_ns };
    let crowd = Crowd { pubs: options.pubs, subs: options.subs, pairs: false, pace };
    let shape = format!("{} → {}", options.pubs, options.subs);
    let rate = Unit::PerSecond.show(options.rate as f64);
    let title = format!("latency {shape}, {size} B, {rate}");
    let mut plan = setup.plan(title, vec![Flow::new(options.subs, None)]);
    seat_crowd(setup, crowd, size, &mut plan)?;
    for planned in &mut plan.receivers {
        if let Role::Subscriber(subscriber) = &mut planned.role {
            subscriber.sample(Sampling::All);
        }
    }
    let gathered = setup.conduct(plan, |_| None)?;
    let setting = [("shape", shape), ("rate", rate)];
    let mut outcome = setup.outcome("latency", &setting, &gathered, Work::Received, size);
    let published = outcome.value("published_per_s").or(outcome.value("msgs_per_s"));
    if published.is_some_and(|per_second| per_second < options.rate as f64 * 0.98) {
        outcome.notes.push(
            "The rate was not reached: the server, or this machine, is overloaded at it.".into(),
        );
    }
    Ok(outcome)
}
