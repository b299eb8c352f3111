//! Subscribers that share the messages of one subject as a queue group.
//!
//! Absent: the event loop.

use std::sync::Arc;

use crate::cli::scenario::Queue;
use crate::conductor::Planned;
use crate::engine::Role;
use crate::failure::Failure;
use crate::figure::Unit;
use crate::flow::Flow;
use crate::outcome::{Outcome, Work};
use crate::publisher::Pace;
use crate::receipt::{Order, Receipt, sum_of_run};
use crate::scenario::{Setup, one_subject, run_sizes, sub_line};
use crate::subscriber::Subscriber;
use crate::wire::Wire;

/// Runs the scenario.
pub fn run(options: &Queue) -> Result<(), Failure> {
    run_sizes(&options.common, "queue", |setup, size| once(options, setup, size))
}

fn once(options: &Queue, setup: &Setup<'_>, size: usize) -> Result<Outcome, Failure> {
    let Queue { pubs, members, .. } = *options;
    let (format, subject) = (setup.format(size), setup.prefix());
    // Each message is delivered once, whatever the number of members.
    let flow = Flow::new(1, setup.window(size, members));
    let mut plan = setup.plan(format!("queue {pubs} → {members}, {size} B"), vec![flow]);
    let place = |_| (one_subject(&subject), 0);
    plan.senders = setup.publishers(pubs, &format, Pace::Flood, place)?;
    for _ in 0..members {
        let receipt = Receipt::new(Order::Rising, plan.senders.len());
        let subscriber = Subscriber::of_one(
            Wire::Nats,
            subject.as_bytes(),
            b"1",
            Arc::clone(&format),
            receipt,
            0,
        );
        plan.receivers.push(Planned {
            setup: sub_line(&subject, Some("workers"), "1"),
            role: Role::Subscriber(Box::new(subscriber)),
        });
    }
    let gathered = setup.conduct(plan, |published| {
        let sums = published.iter().map(|(index, count)| sum_of_run(*index, *count));
        Some(sums.fold(0, u64::wrapping_add))
    })?;
    let setting = [("shape", format!("{pubs} → {members}"))];
    let mut outcome = setup.outcome("queue", &setting, &gathered, Work::Received, size);
    add_fairness(&mut outcome, &gathered.shares);
    Ok(outcome)
}

/// How the least and the most served member compare with an even share.
fn add_fairness(outcome: &mut Outcome, shares: &[u64]) {
    let even = shares.iter().sum::<u64>() as f64 / shares.len().max(1) as f64;
    if even > 0.0 {
        let least = shares.iter().min().copied().unwrap_or(0) as f64 / even;
        let most = shares.iter().max().copied().unwrap_or(0) as f64 / even;
        outcome.measure("least_share", "least served, of an even share", least, Unit::Share);
        outcome.measure("most_share", "most served, of an even share", most, Unit::Share);
    }
}
