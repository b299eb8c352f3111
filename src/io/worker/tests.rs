//! A pool alone: turns, bounds and panics, with decisions that a test lets go one by one.
//!
//! Absent: real decisions, but in the last test.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::*;
use crate::core::ids::{Generation, Slot};

/// How long a test waits for what must come.
const DEADLINE: Duration = Duration::from_secs(30);

/// A pool of one thread, whose decisions each wait for a word of the test.
struct Gated {
    pool: WorkerPool<u32>,
    started: Receiver<u32>,
    gate: Sender<()>,
    answers: Receiver<Decided>,
}

impl Gated {
    fn new() -> Self {
        let (start, started) = channel();
        let (gate, opened) = channel::<()>();
        let (answer, answers) = channel();
        let (start, opened) = (Mutex::new(start), Mutex::new(opened));
        let decide = move |question, work: &mut Work| {
            start.lock().unwrap().send(question).unwrap();
            // A test that has ended lets everything go.
            let _ = opened.lock().unwrap().recv();
            work.rounds += 1;
            assert_ne!(question, POISON, "the test wants a panic");
            Decision::Refuse(Refusal::Callout)
        };
        let answer = Mutex::new(answer);
        let hand_back = move |decided| {
            let _ = answer.lock().unwrap().send(decided);
        };
        let pool = WorkerPool::start(1, decide, hand_back).unwrap();
        Self { pool, started, gate, answers }
    }

    /// Brings a job as a shard would, but waits where a shard tries again later: while the
    /// pool's thread holds the lock.
    fn bring(&self, job: Job<u32>) -> Result<(), Job<u32>> {
        let shared = &self.pool.shared;
        shared.take(shared.lock(), job)
    }

    fn started(&self) -> u32 {
        self.started.recv_timeout(DEADLINE).unwrap()
    }

    fn release(&self) -> Decided {
        self.gate.send(()).unwrap();
        self.answers.recv_timeout(DEADLINE).unwrap()
    }
}

const POISON: u32 = u32::MAX;

fn job(address: [u8; 4], question: u32) -> Job<u32> {
    let client =
        ConnId { slot: Slot::from_key(question as usize), generation: Generation::default() };
    Job { shard: ShardId::new(0).unwrap(), client, address: Some(address.into()), question }
}

const LOUD: [u8; 4] = [10, 0, 0, 1];
const QUIET: [u8; 4] = [10, 0, 0, 2];

#[test]
fn a_flood_from_one_address_delays_its_own() {
    let gated = Gated::new();
    gated.bring(job(LOUD, 0)).unwrap();
    assert_eq!(gated.started(), 0);
    let mut taken = 1;
    while gated.bring(job(LOUD, taken)).is_ok() {
        taken += 1;
    }
    assert_eq!(taken as usize, 1 + SOURCE_JOBS_MAX, "one source has a bound of its own");
    for question in [1000, 1001] {
        gated.bring(job(QUIET, question)).unwrap();
    }
    let mut order = Vec::new();
    for _ in 0..5 {
        drop(gated.release());
        order.push(gated.started());
    }
    // After the one that was being worked on they take turns.
    assert_eq!(order, [1, 1000, 2, 1001, 3]);
    // What was handed back is taken when there is room again.
    gated.bring(job(LOUD, 99)).unwrap();
}

#[test]
fn many_loud_addresses_leave_room_for_a_quiet_one() {
    let gated = Gated::new();
    gated.bring(job(LOUD, 0)).unwrap();
    assert_eq!(gated.started(), 0);
    for round in 0..20 {
        for host in 0..=199 {
            let _ = gated.bring(job([10, 1, 0, host], round * 200 + u32::from(host)));
        }
    }
    let waiting = gated.pool.shared.lock().count;
    assert!((200..JOBS_MAX).contains(&waiting), "{waiting}");
    gated.bring(job(QUIET, 5000)).unwrap();
    assert_eq!(gated.pool.stats().taken, waiting as u64 + 2);
}

#[test]
fn bringing_a_job_never_waits() {
    let gated = Gated::new();
    let busy = gated.pool.shared.lock();
    assert_eq!(gated.pool.submit(job(QUIET, 1)), Err(job(QUIET, 1)));
    drop(busy);
    assert_eq!(gated.pool.stats(), WorkerStats { handed_back: 1, ..WorkerStats::default() });
}

#[test]
fn jobs_and_answers_have_a_bound_together() {
    let gated = Gated::new();
    let mut held = Vec::new();
    for number in 0..JOBS_MAX {
        let [_, _, high, low] = u32::try_from(number).unwrap().to_be_bytes();
        gated.bring(job([10, 2, high, low], 7)).unwrap();
        held.push(gated.release());
    }
    // Everything is decided, nothing has been looked at.
    assert!(gated.bring(job(QUIET, 8)).is_err());
    held.pop();
    gated.bring(job(QUIET, 8)).unwrap();
    assert!(gated.bring(job(QUIET, 9)).is_err());
}

#[test]
fn a_panic_refuses_one_client_and_ends_nothing() {
    let gated = Gated::new();
    for question in [POISON, 1] {
        gated.bring(job(QUIET, question)).unwrap();
        let decided = gated.release();
        let expected = if question == POISON { Refusal::Credentials } else { Refusal::Callout };
        assert!(matches!(decided.decision, Decision::Refuse(refusal) if refusal == expected));
    }
    let stats = gated.pool.stats();
    assert_eq!((stats.panics, stats.decided, stats.rounds), (1, 2, 2));
}

#[test]
fn answers_name_their_client() {
    let gated = Gated::new();
    let shard = ShardId::new(3).unwrap();
    let brought = Job { shard, address: None, ..job(QUIET, 42) };
    gated.bring(brought.clone()).unwrap();
    let decided = gated.release();
    assert_eq!((decided.shard, decided.client), (shard, brought.client));
}

#[test]
fn a_dropped_pool_ends_its_threads() {
    let mut gated = Gated::new();
    gated.bring(job(QUIET, 1)).unwrap();
    gated.bring(job(QUIET, 2)).unwrap();
    assert_eq!(gated.started(), 1);
    let threads = std::mem::take(&mut gated.pool.threads);
    drop(gated.pool);
    gated.gate.send(()).unwrap();
    for thread in threads {
        thread.join().unwrap();
    }
    // The job that still waited was never begun.
    assert!(gated.started.try_recv().is_err());
}

#[test]
fn sources_are_addresses_and_networks() {
    let of = |text: &str| Source::of(Some(text.parse().unwrap()));
    assert_eq!(of("10.0.0.1"), of("::ffff:10.0.0.1"));
    assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::2"));
    assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
    assert_ne!(Source::of(None), of("0.0.0.0"));
}

#[test]
fn a_machine_has_half_its_cores_for_this() {
    let threads = |cores| WorkerPool::<u32>::threads_for(cores);
    assert_eq!([0, 1, 2, 3, 4, 8, 64].map(threads), [1, 1, 1, 1, 2, 4, 4]);
}
