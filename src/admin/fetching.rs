//! Accounts that come, and change by themselves, while the broker runs.
//!
//! Absent: the network (`io::resolver`) and what accounts say (`core::auth`). An account that is
//! fetched, or whose time has come, makes a new policy; only when every shard has it on its way do
//! the clients that waited for the account get their answer.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::policy;
use super::premises::wall_ms;
use super::stop::send_now;
use super::supervisor::{Ended, Supervisor};
use crate::core::auth::delegation::Premises;
use crate::core::auth::operator::{Learned, OperatorState, Problem, seconds};
use crate::io::exchange::Mail;
use crate::io::log::Level;
use crate::io::resolver::{Fetched, Origin, Resolver};

/// What fetches accounts, and when they change next.
#[derive(Debug)]
pub(super) struct Fetching {
    pub(super) resolver: Arc<Resolver>,
    fetched: Receiver<Fetched>,
    /// Unix time in seconds.
    change_s: Option<i64>,
}

impl Fetching {
    pub(super) fn new(bell: &Arc<Ended>, origin: Option<Origin>) -> Self {
        let (told, fetched) = channel();
        let bell = Arc::clone(bell);
        let resolver = Resolver::new(move |found| {
            // Both fail only when the supervisor has ended.
            let _ = told.send(found);
            let _ = bell.waker.wake();
        });
        resolver.set_origin(origin);
        Self { resolver: Arc::new(resolver), fetched, change_s: None }
    }

    /// How long the supervisor may sleep. A clock that jumps is noticed before long.
    pub(super) fn timeout(&self) -> Option<Duration> {
        let left = self.change_s?.saturating_sub(seconds(wall_ms()));
        Some(Duration::from_secs(u64::try_from(left).unwrap_or(0)).min(LOOK_AGAIN))
    }
}

impl Supervisor {
    /// Goes by these premises from now on; asks for accounts that others import from.
    pub(super) fn settle_in(&mut self, premises: Premises) {
        self.premises = premises;
        self.fetching.change_s = None;
        if let Some(operator) = self.premises.operator.clone() {
            self.fetching.change_s = operator.accounts(seconds(self.premises.wall_ms)).1;
            for account in operator.missing() {
                self.fetching.resolver.want(account);
            }
        }
    }

    /// Takes in accounts that were fetched, and changes that time brings.
    pub(super) fn renew_accounts(&mut self) {
        while let Ok(fetched) = self.fetching.fetched.try_recv() {
            self.learn(&fetched);
            // In this order: who names the account from now on is answered by the new policy, and
            // who waits for it is told after that.
            self.fetching.resolver.settle(&fetched.account);
            for shard in self.exchange.shards() {
                send_now(&self.exchange, shard, Mail::AccountSettled(fetched.account.clone()));
            }
        }
        let now_s = seconds(wall_ms());
        if self.fetching.change_s.is_some_and(|at| at <= now_s)
            && let Some(operator) = self.premises.operator.clone()
        {
            self.go_by(operator);
        }
    }

    fn learn(&mut self, fetched: &Fetched) {
        let account = &fetched.account;
        let Some(operator) = self.premises.operator.as_deref() else { return };
        let text = match &fetched.result {
            Ok(text) => text,
            Err(why) => {
                self.log.line(Level::Warn, format!("Account {account} fetch failed: {why}"));
                return;
            }
        };
        let mut next: OperatorState = operator.clone();
        match next.learn(account, text) {
            Ok(Learned::Changed) => self.go_by(Arc::new(next)),
            Ok(Learned::Same) => {}
            Err(error) => {
                let problem = Problem { account: account.clone(), error };
                self.log.line(Level::Warn, problem.to_string());
            }
        }
    }

    /// Makes a policy of these accounts and brings it to the shards. Accounts that cannot be put
    /// together with the others change nothing.
    fn go_by(&mut self, operator: Arc<OperatorState>) {
        let premises =
            Premises { operator: Some(operator), wall_ms: wall_ms(), ..self.premises.clone() };
        let before = &self.policy.accounts;
        match policy::compile(&self.config, before, &premises, self.seed, &self.log) {
            Ok(policy) => {
                self.settle_in(premises);
                self.spread(policy);
            }
            Err(error) => {
                self.fetching.change_s = None;
                self.log.line(Level::Error, format!("Accounts are not renewed: {error}"));
            }
        }
    }
}

/// How long a change that time brings may be waited for before looking at the clock again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
