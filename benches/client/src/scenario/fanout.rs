//! One publisher, many subscribers: with a full window, or one message at a time.
//!
//! Absent: the event loop.

use crate::cli::scenario::Fanout;
use crate::failure::Failure;
use crate::outcome::{Outcome, Work};
use crate::publisher::Pace;
use crate::scenario::pubsub::{Crowd, flows, seat_crowd};
use crate::scenario::{Setup, run_sizes};

/// Runs the scenario.
pub fn run(options: &Fanout) -> Result<(), Failure> {
    run_sizes(&options.common, "fanout", |setup, size| once(options, setup, size))
}

fn once(options: &Fanout, setup: &Setup<'_>, size: usize) -> Result<Outcome, Failure> {
    let pace = if options.one_at_a_time { Pace::OneAtATime } else { Pace::Flood };
    let crowd = Crowd { pubs: 1, subs: options.subs, pairs: false, pace };
    let mode = if options.one_at_a_time { "one at a time" } else { "pipelined" };
    let title = format!("fanout 1 → {}, {size} B, {mode}", options.subs);
    let mut plan = setup.plan(title, flows(setup, crowd, size));
    seat_crowd(setup, crowd, size, &mut plan)?;
    let gathered = setup.conduct(plan, |_| None)?;
    let setting = [("shape", format!("1 → {}", options.subs)), ("mode", mode.to_owned())];
    Ok(setup.outcome("fanout", &setting, &gathered, Work::Received, size))
}
