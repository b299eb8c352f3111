//! Events that tell how many connections an account has.
//!
//! Absent: the numbers, which concern all shards and are summed outside. However many connections
//! come and go, a shard asks for the numbers of all accounts that have changed at once, four times
//! a second at most, and not again before it was answered.

use std::collections::BTreeSet;
use std::sync::Arc;

use fanfare_protocol::json::Object;

use super::event_text;
use super::ids::{AccountId, ConnId};
use super::shard::Shard;
use super::system::Service;
use super::system_requests::{Asker, Content, SystemRequest};
use super::time::Instant;
use super::timer::TimerKind;

/// Accounts whose numbers are to be told.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    accounts: BTreeSet<AccountId>,
    asked: Option<Instant>,
    /// Whether an answer is waited for, and whether a timer runs.
    is_open: bool,
    is_armed: bool,
}

impl Shard {
    /// Notes that an account has one connection more or less, if anybody hears of that.
    pub(crate) fn note_changed(&mut self, account: AccountId) {
        if account == AccountId::GLOBAL || self.changed.accounts.len() >= ACCOUNTS_MAX {
            // Of the global account nats-server tells nothing, either.
            return;
        }
        let policy = Arc::clone(&self.policy);
        let [old, new] = subjects(policy.accounts.get(account).name());
        if self.hears(AccountId::SYSTEM, new.as_bytes())
            || self.hears(AccountId::SYSTEM, old.as_bytes())
        {
            self.changed.accounts.insert(account);
            self.tell_changed();
        }
    }

    /// Asks for the numbers of accounts that have changed, or lets a timer remember it.
    pub(crate) fn tell_changed(&mut self) {
        if self.changed.accounts.is_empty() || self.changed.is_open || self.changed.is_armed {
            return;
        }
        let due = self.changed.asked.map(|asked| asked.after_ns(PAUSE_NS));
        if let Some(due) = due.filter(|due| *due > self.now) {
            self.changed.is_armed = true;
            self.timers.insert(ConnId::from_token(u64::MAX), TimerKind::Changed, due);
            return;
        }
        if !self.may_ask(AccountId::SYSTEM) {
            self.changed.accounts.clear();
            self.clients.stats.events_dropped += 1;
            return;
        }
        let policy = Arc::clone(&self.policy);
        let name = |account: AccountId| policy.accounts.get(account).name().into();
        let names = std::mem::take(&mut self.changed.accounts).into_iter().map(name).collect();
        self.changed.asked = Some(self.now);
        self.changed.is_open = true;
        self.ask_outside(SystemRequest {
            service: Service::Connections(names),
            options: Box::default(),
            to: Asker { account: AccountId::SYSTEM, reply: Box::default() },
        });
    }

    /// The timer has fired.
    pub(crate) fn changed_due(&mut self) {
        self.changed.is_armed = false;
        self.tell_changed();
    }

    /// Notes the events of accounts whose numbers are known now.
    pub(crate) fn note_connections(&mut self, content: Content) {
        self.changed.is_open = false;
        let told = if let Content::Connections(told) = content { told } else { Vec::new() };
        for (account, facts) in told {
            let body = self.connections_event(&facts);
            for subject in subjects(&account) {
                if self.hears(AccountId::SYSTEM, subject.as_bytes()) {
                    self.note_event_to(AccountId::SYSTEM, subject.as_bytes(), body.clone());
                }
            }
        }
        self.tell_changed();
    }

    /// The event of an account's connections: what it uses, behind who says so.
    pub(crate) fn connections_event(&mut self, facts: &[u8]) -> Vec<u8> {
        let (mut server, wall_ms) = (Vec::new(), self.wall_ms);
        self.write_speaker(&mut server);
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        event_text::typed(&mut object, "account_connections", wall_ms, &mut self.rng);
        object.raw("server", &server);
        object.end();
        // Both are objects: the members of one follow those of the other.
        if let Some(members) = facts.strip_prefix(b"{").filter(|rest| rest.len() > 1) {
            out.pop();
            out.push(b',');
            out.extend_from_slice(members);
        }
        out
    }
}

/// The older subject and the newer one, to both of which nats-server publishes.
fn subjects(account: &str) -> [String; 2] {
    [format!("$SYS.SERVER.ACCOUNT.{account}.CONNS"), format!("$SYS.ACCOUNT.{account}.SERVER.CONNS")]
}

/// Time between two questions.
const PAUSE_NS: u64 = 250_000_000;
/// Accounts that one question is about; more come with the next change of theirs.
const ACCOUNTS_MAX: usize = 4096;
