//! Many literal and wildcard subscriptions on a few connections, and messages to many or to few of
//! their subjects.
//!
//! Absent: the event loop. Subjects are `prefix.G.J.D` with a hundred `J` to a `G`, and `D` the
//! last digit of `J`; wildcards are `prefix.G.*.D`. So a subject matches one literal subscription,
//! and one wildcard if there are wildcards at all; the run counts on exactly that.

use std::sync::Arc;

use crate::cli::scenario::Wildcard;
use crate::conductor::Planned;
use crate::engine::Role;
use crate::failure::Failure;
use crate::figure::Unit;
use crate::flow::Flow;
use crate::outcome::{Outcome, Work};
use crate::payload::mixed;
use crate::publisher::Pace;
use crate::receipt::{Order, Receipt, sum_of_run};
use crate::scenario::{Setup, run_sizes};
use crate::subscriber::Subscriber;

/// Runs the scenario.
pub fn run(options: &Wildcard) -> Result<(), Failure> {
    if options.subjects > options.literals {
        return Err(Failure::Usage(
            "--subjects cannot be more than --literals, or some messages would reach nobody"
                .to_owned(),
        ));
    }
    // Ten for each hundred literals that was begun, so that each of these has its wildcard.
    let covered = options.literals.div_ceil(100) * 10;
    if options.wildcards > 0 && options.wildcards < covered {
        return Err(Failure::Usage(format!(
            "--wildcards has to be 0 or at least {covered}, ten for each hundred of --literals, so \
             that every message reaches the same number of subscriptions"
        )));
    }
    run_sizes(&options.common, "wildcard", |setup, size| once(options, setup, size))
}

fn once(options: &Wildcard, setup: &Setup<'_>, size: usize) -> Result<Outcome, Failure> {
    let Wildcard { literals, wildcards, conns, subjects, pubs, .. } = *options;
    let (format, prefix) = (setup.format(size), setup.prefix());
    let matches = if wildcards > 0 { 2 } else { 1 };
    let title = format!("wildcard {literals} + {wildcards}, {subjects} subjects, {size} B");
    let mut plan = setup.plan(title, vec![Flow::new(matches, setup.window(size, conns))]);
    let published = Arc::new(published_subjects(&prefix, literals, subjects));
    let place = |_| (Arc::clone(&published), 0);
    plan.senders = setup.publishers(pubs, &format, Pace::Flood, place)?;
    for lines in subscriptions(&prefix, literals, wildcards, conns) {
        let receipt = Receipt::new(Order::NotFalling, plan.senders.len());
        let subscriber = Subscriber::of_many(Arc::clone(&format), receipt, 0);
        plan.receivers.push(Planned { setup: lines, role: Role::Subscriber(Box::new(subscriber)) });
    }
    let gathered = setup.conduct(plan, |published| {
        let sums = published.iter().map(|(index, count)| sum_of_run(*index, *count));
        Some(sums.fold(0, u64::wrapping_add).wrapping_mul(matches))
    })?;
    let setting = [
        ("subscriptions", format!("{literals} + {wildcards}")),
        ("connections", conns.to_string()),
        ("subjects", subjects.to_string()),
        ("publishers", pubs.to_string()),
    ];
    let mut outcome = setup.outcome("wildcard", &setting, &gathered, Work::Received, size);
    if let Some(memory) = gathered.window.server_memory {
        let each = memory.resident_bytes as f64 / (literals + wildcards) as f64;
        outcome.measure("rss_per_subscription", "server memory ÷ subscriptions", each, Unit::Bytes);
    }
    Ok(outcome)
}

/// The subject of a literal subscription.
fn subject(prefix: &str, index: u64) -> String {
    let within = index % 100;
    format!("{prefix}.{}.{within}.{}", index / 100, within % 10)
}

/// The filter of a wildcard subscription.
fn filter(prefix: &str, index: u64) -> String {
    format!("{prefix}.{}.*.{}", index / 10, index % 10)
}

/// The subjects to publish to, from all over the literal ones, each once.
fn published_subjects(prefix: &str, literals: u64, count: u64) -> Vec<Vec<u8>> {
    let mut indexes: Vec<u64> = (0..literals).collect();
    indexes.sort_by_key(|index| mixed(*index ^ 0x5EED));
    let taken = indexes.into_iter().take(usize::try_from(count).unwrap_or(usize::MAX));
    taken.map(|index| subject(prefix, index).into_bytes()).collect()
}

/// The SUB lines of each connection.
fn subscriptions(prefix: &str, literals: u64, wildcards: u64, conns: u64) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = (0..conns).map(|_| Vec::new()).collect();
    let filters = (0..literals)
        .map(|index| subject(prefix, index))
        .chain((0..wildcards).map(|index| filter(prefix, index)));
    for (sid, filter) in (0u64..).zip(filters) {
        let place = usize::try_from(mixed(sid) % conns.max(1)).unwrap_or(0);
        if let Some(lines) = lines.get_mut(place) {
            lines.extend_from_slice(&super::sub_line(&filter, None, &sid.to_string()));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use fanfare_protocol::subject::matches;

    #[test]
    fn every_subject_matches_one_literal_and_one_wildcard() {
        let (literals, wildcards) = (250, 30);
        let filters: Vec<String> = (0..literals)
            .map(|index| subject("p", index))
            .chain((0..wildcards).map(|index| filter("p", index)))
            .collect();
        for subject in published_subjects("p", literals, literals) {
            let count = filters.iter().filter(|f| matches(f.as_bytes(), &subject)).count();
            assert_eq!(count, 2);
        }
    }

    #[test]
    fn subjects_are_published_once_each() {
        let mut subjects = published_subjects("p", 1000, 300);
        subjects.sort();
        subjects.dedup();
        assert_eq!(subjects.len(), 300);
    }

    #[test]
    fn the_connections_share_all_subscriptions() {
        let lines = subscriptions("p", 100, 10, 3);
        let count: usize = lines.iter().map(|l| l.split(|byte| *byte == b'\n').count() - 1).sum();
        assert_eq!((lines.len(), count), (3, 110));
    }
}
