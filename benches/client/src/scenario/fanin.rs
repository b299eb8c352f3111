//! Many publishers, one subscriber.
//!
//! Absent: the event loop.

use crate::cli::scenario::Fanin;
use crate::failure::Failure;
use crate::outcome::{Outcome, Work};
use crate::publisher::Pace;
use crate::scenario::pubsub::{Crowd, flows, seat_crowd};
use crate::scenario::{Setup, run_sizes};

/// Runs the scenario.
pub fn run(options: &Fanin) -> Result<(), Failure> {
    run_sizes(&options.common, "fanin", |setup, size| once(options, setup, size))
}

fn once(options: &Fanin, setup: &Setup<'_>, size: usize) -> Result<Outcome, Failure> {
    let crowd = Crowd { pubs: options.pubs, subs: 1, pairs: false, pace: Pace::Flood };
    let title = format!("fanin {} → 1, {size} B", options.pubs);
    let mut plan = setup.plan(title, flows(setup, crowd, size));
    seat_crowd(setup, crowd, size, &mut plan)?;
    let gathered = setup.conduct(plan, |_| None)?;
    let setting = [("shape", format!("{} → 1", options.pubs))];
    Ok(setup.outcome("fanin", &setting, &gathered, Work::Received, size))
}
