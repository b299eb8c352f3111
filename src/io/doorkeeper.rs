//! A shard's side of letting clients in: questions to the workers, decisions back, seats.
//!
//! Absent: what is decided (`core::auth`) and on which thread (`worker`). A connection that is
//! counted somewhere has a seat from the decision to its end, whatever happens in between.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use core::net::IpAddr;

use super::exchange::Exchange;
use super::ledger::{Ledger, Seat};
use super::log::{Level, Log};
use super::worker::{Job, WorkerPool};
use crate::core::auth::delegation::Knowledge;
use crate::core::auth::password::Work;
use crate::core::auth::{Decision, Question};
use crate::core::ids::{ConnId, ShardId};
use crate::core::policy::Policy;
use crate::core::turn::{Polled, Ticking, Turn};

/// What a worker decides, and by which policy.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    question: Question,
    policy: Arc<Policy>,
    log: Log,
}

impl Task {
    /// Decides; may take long.
    pub(crate) fn decide(self, work: &mut Work) -> Decision {
        match self.question {
            Question::Enter(request) => self.policy.authority.decide_counted(&request, work),
            Question::Answer { callout, payload } => {
                let authority = &self.policy.authority;
                let (decision, error) =
                    authority.decide_callout(&callout, &payload, Knowledge::Final, work);
                if let Some(error) = error {
                    self.log.line(Level::Warn, error.to_string());
                }
                decision
            }
        }
    }
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Doorkeeper {
    me: ShardId,
    workers: Arc<WorkerPool<Task>>,
    ledger: Arc<Ledger>,
    policy: Arc<Policy>,
    seats: HashMap<ConnId, Seat>,
}

impl Doorkeeper {
    pub(crate) fn new(
        me: ShardId,
        workers: Arc<WorkerPool<Task>>,
        ledger: Arc<Ledger>,
        policy: Arc<Policy>,
    ) -> Self {
        Self { me, workers, ledger, policy, seats: HashMap::new() }
    }

    /// Follows a changed configuration.
    pub(crate) fn follow(&mut self, policy: Arc<Policy>) {
        self.policy = policy;
    }

    /// Tells the core what has been decided, and what time it is where that matters.
    pub(crate) fn report(&mut self, turn: &mut Turn<Polled>, exchange: &Exchange) {
        // Whoever asked under an earlier configuration waits for an answer all the same.
        if !self.policy.authority.is_open() {
            turn.handle_wall_clock(wall_ms());
        }
        while let Some(decided) = exchange.next_decided(self.me) {
            let (client, mut decision) = (decided.client, decided.decision);
            if let Decision::Admit(admitted) = &decision
                && self.policy.counts_connections
            {
                // A client that says CONNECT again is counted anew.
                self.release(client);
                let address = turn.address_of(client);
                match self.ledger.seat(&self.policy, admitted, address) {
                    Ok(seat) => {
                        self.seats.insert(client, seat);
                    }
                    Err(refusal) => decision = Decision::Refuse(refusal),
                }
            }
            if !turn.handle_decided(client, decision) {
                self.release(client);
            }
        }
    }

    /// Brings questions to the workers, and refusals to the log. Says whether questions are left.
    pub(crate) fn ask(&mut self, turn: &mut Turn<Ticking>, log: &Log) -> bool {
        while let Some(refused) = turn.poll_refused() {
            let text = format!("{} - cid:{} - {refused}", refused.peer, refused.number.0);
            log.line(Level::Error, text);
        }
        while let Some((client, question)) = turn.poll_question() {
            let address = address(&question);
            let task = Task { question, policy: Arc::clone(&self.policy), log: log.clone() };
            let job = Job { shard: self.me, client, address, question: task };
            if let Err(job) = self.workers.submit(job) {
                turn.handle_undecided(job.client, job.question.question);
                return true;
            }
        }
        false
    }

    /// Gives back what an ended connection was counted as.
    pub(crate) fn release(&mut self, client: ConnId) {
        if let Some(seat) = self.seats.remove(&client) {
            self.ledger.release(&seat);
        }
    }
}

fn address(question: &Question) -> Option<IpAddr> {
    match question {
        Question::Enter(request) => request.address,
        Question::Answer { callout, .. } => callout.request.address,
    }
}

/// Unix time, in milliseconds; 0 before 1970.
fn wall_ms() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
