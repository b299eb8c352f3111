//! P publishers, S subscribers: on one subject, or one subject for each pair.
//!
//! Absent: the event loop.

use crate::cli::scenario::PubSub;
use crate::conductor::Planned;
use crate::engine::Role;
use crate::failure::Failure;
use crate::flow::Flow;
use crate::outcome::{Outcome, Work};
use crate::publisher::Pace;
use crate::receipt::{Order, Receipt};
use crate::scenario::{Setup, one_subject, run_sizes};
use crate::subscriber::Subscriber;

/// Runs the scenario.
pub fn run(options: &PubSub) -> Result<(), Failure> {
    if options.pairs && options.pubs != options.subs {
        return Err(Failure::Usage(
            "with --pairs there have to be as many subscribers as publishers".to_owned(),
        ));
    }
    run_sizes(&options.common, "pubsub", |setup, size| once(options, setup, size))
}

/// Subscribers of one subject, and publishers that flood it.
#[derive(Debug, Clone, Copy)]
pub struct Crowd {
    /// Publishers.
    pub pubs: u64,
    /// Subscribers.
    pub subs: u64,
    /// Whether each publisher has its own subject and subscriber.
    pub pairs: bool,
    /// When publishers publish.
    pub pace: Pace,
}

/// Adds a crowd's connections to a plan whose flows fit it (see [`flows`]).
pub fn seat_crowd(
    setup: &Setup<'_>,
    crowd: Crowd,
    size: usize,
    plan: &mut crate::conductor::Plan,
) -> Result<(), Failure> {
    let wire = setup.target.wire();
    let format = setup.format(size);
    let prefix = setup.prefix();
    let subject =
        |index: u64| if crowd.pairs { format!("{prefix}.{index}") } else { prefix.clone() };
    let flow = |index: u64| if crowd.pairs { usize::try_from(index).unwrap_or(0) } else { 0 };
    plan.senders = setup.publishers(crowd.pubs, &format, crowd.pace, |index| {
        (one_subject(&subject(index)), flow(index))
    })?;
    for index in 0..crowd.subs {
        let receipt = Receipt::new(Order::Every, plan.senders.len());
        let format = std::sync::Arc::clone(&format);
        let subject = subject(index);
        let subscriber =
            Subscriber::of_one(wire, subject.as_bytes(), b"1", format, receipt, flow(index));
        plan.receivers.push(Planned {
            setup: wire.subscription(&subject, "1"),
            role: Role::Subscriber(Box::new(subscriber)),
        });
    }
    Ok(())
}

/// The flows of a crowd: one for each pair, or one for all.
pub fn flows(setup: &Setup<'_>, crowd: Crowd, size: usize) -> Vec<Flow> {
    let window = setup.window(size, crowd.subs);
    if crowd.pairs {
        let each = window.map(|window| (window / crowd.pubs).max(1));
        (0..crowd.pubs).map(|_| Flow::new(1, each)).collect()
    } else {
        vec![Flow::new(crowd.subs, window)]
    }
}

fn once(options: &PubSub, setup: &Setup<'_>, size: usize) -> Result<Outcome, Failure> {
    let PubSub { pubs, subs, pairs, .. } = *options;
    let crowd = Crowd { pubs, subs, pairs, pace: Pace::Flood };
    let shape = if pairs { format!("{pubs} pairs") } else { format!("{pubs} → {subs}") };
    let mut plan = setup.plan(format!("pubsub {shape}, {size} B"), flows(setup, crowd, size));
    seat_crowd(setup, crowd, size, &mut plan)?;
    let gathered = setup.conduct(plan, |_| None)?;
    let work = if subs == 0 { Work::Published } else { Work::Received };
    Ok(setup.outcome("pubsub", &[("shape", shape)], &gathered, work, size))
}
