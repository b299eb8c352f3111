//! A shard's side of letting clients in: questions to the workers, decisions back, seats.
//!
//! Absent: what is decided (`core::auth`) and on which thread (`worker`). A connection that is
//! counted somewhere has a seat from the decision to its end, whatever happens in between.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use core::net::IpAddr;

use super::exchange::Exchange;
use super::ledger::{Ledger, Seat};
use super::log::{Level, Line, Log};
use super::resolver::Resolver;
use super::sparse::Sparse;
use super::worker::{Job, WorkerPool};
use crate::core::auth::delegation::Knowledge;
use crate::core::auth::password::Work;
use crate::core::auth::{Decision, Fetch, Question, Refusal};
use crate::core::ids::{ConnId, ShardId};
use crate::core::policy::Policy;
use crate::core::time::Instant;
use crate::core::turn::{Polled, Ticking, Turn};

/// What a worker decides, and by which policy.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    question: Question,
    policy: Arc<Policy>,
    knowledge: Knowledge,
    log: Log,
}

impl Task {
    /// Decides; may take long.
    pub(crate) fn decide(self, work: &mut Work) -> Decision {
        let authority = &self.policy.authority;
        match (self.question, self.knowledge) {
            (Question::Enter(request), Knowledge::MayGrow) => {
                authority.decide_counted(&request, work)
            }
            (Question::Enter(request), Knowledge::Final) => {
                authority.decide_finally(&request, work)
            }
            (Question::Answer { callout, payload }, knowledge) => {
                let (decision, error) =
                    authority.decide_callout(&callout, &payload, knowledge, work);
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
    resolver: Arc<Resolver>,
    policy: Arc<Policy>,
    seats: HashMap<ConnId, Seat>,
    /// Questions that wait for an account, by its key.
    fetching: HashMap<Box<str>, Vec<(ConnId, Question)>>,
    /// Questions whose account does not come: what is known of it may still be in the mail.
    settled: Vec<(ConnId, Question)>,
    /// Questions that are decided by what is known now.
    last_asked: VecDeque<(ConnId, Question)>,
    refusals: Sparse,
}

impl Doorkeeper {
    pub(crate) fn new(
        me: ShardId,
        workers: Arc<WorkerPool<Task>>,
        ledger: Arc<Ledger>,
        resolver: Arc<Resolver>,
        policy: Arc<Policy>,
    ) -> Self {
        let seats = HashMap::new();
        let (fetching, settled) = (HashMap::new(), Vec::new());
        let last_asked = VecDeque::new();
        let refusals = Sparse::new("clients were refused");
        Self {
            me,
            workers,
            ledger,
            resolver,
            policy,
            seats,
            fetching,
            settled,
            last_asked,
            refusals,
        }
    }

    /// Asks again for those who waited for an account.
    pub(crate) fn follow_account(&mut self, account: &str) {
        self.last_asked.extend(self.fetching.remove(account).unwrap_or_default());
    }

    /// Lets a question wait for an account, if that is on its way.
    fn await_account(&mut self, client: ConnId, fetch: Fetch) {
        let Fetch { account, question } = fetch;
        let waiting: usize = self.fetching.values().map(Vec::len).sum();
        if waiting < FETCHING_MAX && self.resolver.want(&account) {
            self.fetching.entry(account).or_default().push((client, question));
        } else {
            self.settled.push((client, question));
        }
    }

    /// Follows a changed configuration.
    pub(crate) fn follow(&mut self, policy: Arc<Policy>) {
        self.policy = policy;
    }

    /// Tells the core what has been decided, and what time it is where that matters.
    pub(crate) fn report(&mut self, turn: &mut Turn<Polled>, exchange: &Exchange) {
        turn.handle_wall_clock(wall_ms());
        // The mail has been read since these were put here.
        self.last_asked.extend(self.settled.drain(..));
        while let Some(decided) = exchange.next_decided(self.me) {
            let (client, mut decision) = (decided.client, decided.decision);
            if let Decision::Fetch(fetch) = decision {
                self.await_account(client, *fetch);
                continue;
            }
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

    /// What is left to say of refusals when the broker stops.
    pub(super) fn last_note(&mut self) -> Option<Line> {
        self.refusals.last_hidden()
    }

    /// Counts a client in that came from another process, where clients are counted. Says whether
    /// there is room for it.
    pub(crate) fn seat_moved(
        &mut self,
        turn: &Turn<Polled>,
        client: ConnId,
    ) -> Result<(), Refusal> {
        if !self.policy.counts_connections {
            return Ok(());
        }
        let Some(admitted) = turn.admitted(client) else { return Ok(()) };
        let seat = self.ledger.seat(&self.policy, admitted, turn.address_of(client))?;
        self.seats.insert(client, seat);
        Ok(())
    }

    /// Brings questions to the workers, and refusals to the log. Says whether questions are left.
    pub(crate) fn ask(&mut self, turn: &mut Turn<Ticking>, log: &Log, now: Instant) -> bool {
        while let Some(refused) = turn.poll_refused() {
            // Anybody can be refused as often as he likes.
            if self.refusals.may_show(now) {
                let line = Line::new(Level::Error, refused.to_string());
                log.put(line.of(&refused.peer, refused.number.0));
            }
        }
        if let Some(line) = self.refusals.poll_hidden(now) {
            log.put(line);
        }
        // There may be no room for one address and room for the next: each question is offered
        // once, and those that are refused wait, in order, behind all others.
        let mut refused = Vec::new();
        let mut left = LOOKS_PER_TURN;
        while left > 0 && self.workers.has_room() {
            let Some((client, question)) = self.last_asked.pop_front() else { break };
            left -= 1;
            if let Err(question) = self.submit(client, question, Knowledge::Final, log) {
                refused.push((client, question));
            }
        }
        let mut has_more = !self.last_asked.is_empty() || !refused.is_empty();
        self.last_asked.extend(refused.drain(..));
        // Neither kind of question can keep the other from being looked at.
        left = LOOKS_PER_TURN;
        while left > 0 && self.workers.has_room() {
            let Some((client, question)) = turn.poll_question() else { break };
            left -= 1;
            if let Err(question) = self.submit(client, question, Knowledge::MayGrow, log) {
                refused.push((client, question));
            }
        }
        for (client, question) in refused {
            turn.handle_undecided(client, question);
        }
        has_more |= turn.has_questions();
        has_more || !self.settled.is_empty()
    }

    fn submit(
        &self,
        client: ConnId,
        question: Question,
        knowledge: Knowledge,
        log: &Log,
    ) -> Result<(), Question> {
        let address = address(&question);
        let policy = Arc::clone(&self.policy);
        let task = Task { question, policy, knowledge, log: log.clone() };
        let job = Job { shard: self.me, client, address, question: task };
        self.workers.submit(job).map_err(|job| job.question.question)
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

/// Questions of each kind that one turn offers to the workers.
const LOOKS_PER_TURN: usize = 1024;
/// Questions of one shard that wait for accounts.
const FETCHING_MAX: usize = 4096;

/// Unix time, in milliseconds; 0 before 1970.
pub(super) fn wall_ms() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
