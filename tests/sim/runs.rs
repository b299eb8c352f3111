//! Runs of many seeds, and of single ones.
//!
//! Absent: what happens in a run (`world`).

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fanfare::core::stats::Stats;

use super::journal::Violation;
use super::mutations::Mutation;
use super::world::World;

/// What a failed run has to say.
pub(crate) struct Failure {
    pub(crate) seed: u64,
    pub(crate) violation: Violation,
    report: String,
}

/// What a run that kept every promise leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// A hash of everything that happened.
    hash: u64,
    /// The counters of all shards, added up.
    stats: [u64; Stats::COUNTERS],
}

/// Runs one seed.
pub(crate) fn run_seed(seed: u64, mutation: Mutation, verbose: bool) -> Result<Outcome, Failure> {
    let mut world = World::new(seed, mutation, verbose);
    let result = catch_unwind(AssertUnwindSafe(|| world.run()));
    let violation = match result {
        Ok(Ok(())) => {
            return Ok(Outcome { hash: world.journal.hash(), stats: world.counters() });
        }
        Ok(Err(violation)) => violation,
        Err(panic) => Violation { check: "panic", text: panic_text(&*panic) },
    };
    let mut report = String::new();
    let _ = writeln!(report, "seed {seed} fails at step {}: {violation}", world.journal.step);
    let _ = writeln!(report, "{:?}", world.swarm);
    let _ = writeln!(report, "{}", world.journal);
    let _ = writeln!(report, "replay: FANFARE_SIM_SEED={seed} cargo test --test sim replay");
    Err(Failure { seed, violation, report })
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic without words".to_owned())
}

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// Seeds that failed once, and are run for ever.
fn kept_seeds() -> impl Iterator<Item = u64> {
    let lines = include_str!("seeds.txt").lines();
    let words = lines.filter_map(|line| line.split('#').next()).map(str::trim);
    words.filter(|word| !word.is_empty()).map(|word| word.parse().expect("a seed"))
}

#[test]
fn seeds_that_failed_once_pass() {
    for seed in kept_seeds() {
        if let Err(failure) = run_seed(seed, Mutation::None, false) {
            panic!("{}", failure.report);
        }
    }
}

#[test]
fn random_worlds_keep_every_promise() {
    let start = setting("FANFARE_SIM_START").unwrap_or(0);
    let most = setting("FANFARE_SIM_SEEDS").unwrap_or(u64::MAX - start);
    let seconds = if most < u64::MAX - start { u64::MAX / 4 } else { 60 };
    let seconds = setting("FANFARE_SIM_SECONDS").unwrap_or(seconds);
    let (began, time) = (Instant::now(), Duration::from_secs(seconds));
    let next = AtomicU64::new(0);
    let failed = AtomicBool::new(false);
    let failure = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed) && began.elapsed() < time {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= most {
                        return;
                    }
                    if let Err(found) = run_seed(start + number, Mutation::None, false) {
                        failed.store(true, Ordering::Relaxed);
                        *failure.lock().unwrap() = Some(found);
                    }
                }
            });
        }
    });
    let seeds = next.into_inner().min(most);
    let rate = seeds as f64 / began.elapsed().as_secs_f64();
    println!("{seeds} seeds from {start}, {rate:.0} a second");
    if let Some(failure) = failure.into_inner().unwrap() {
        panic!("{}", failure.report);
    }
    assert!(seeds > 0, "no time for a single seed");
}

#[test]
fn one_seed_is_one_history() {
    for seed in 0..20 {
        let run = |seed| run_seed(seed, Mutation::None, false).map_err(|failure| failure.seed);
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}

#[test]
fn worlds_reach_every_counter() {
    let mut sums = [0; Stats::COUNTERS];
    for seed in 0..CORNER_SEEDS {
        if let Ok(outcome) = run_seed(seed, Mutation::None, false) {
            sums.iter_mut().zip(outcome.stats).for_each(|(sum, count)| *sum += count);
        }
        if sums.iter().filter(|sum| **sum == 0).count() == ALWAYS_ZERO {
            break;
        }
    }
    let stats = Stats::from_array(sums);
    // Present states are back to zero, and the trace is fetched in time.
    let idle = Stats { clients: 0, subscriptions: 0, clients_parked: 0, filters: 0, ..stats };
    let idle = Stats { trace_dropped: 0, spool_bytes: 0, ..idle };
    assert_eq!(stats, idle);
    let unreached = sums.iter().filter(|sum| **sum == 0).count();
    assert_eq!(unreached, ALWAYS_ZERO, "some counter never moves: {stats:?}");
}

#[test]
fn replay() {
    let Some(seed) = setting("FANFARE_SIM_SEED") else { return };
    match run_seed(seed, Mutation::None, true) {
        Ok(outcome) => println!("seed {seed} passes: {outcome:x?}"),
        Err(failure) => panic!("{}", failure.report),
    }
}

/// Counters that are zero at the end: five present states, trace lines that were dropped, and ten
/// of users, rules and accounts and four of a system account, which these worlds do not have.
const ALWAYS_ZERO: usize = 20;
/// Seeds within which every other counter of a shard moves.
const CORNER_SEEDS: u64 = 1_500;
