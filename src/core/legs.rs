//! A message that crosses accounts: the list of subject spaces that one publish enters.
//!
//! Absent: who imports what (`accounts`) and delivery (`route`). The first leg is the publisher's
//! own account; streams and services that others share add more. All of them are planned and
//! reserved before anything is done, so that a message crosses whole or its client parks (I4).

use super::accounts::{Accounts, ServiceShare};
use super::ids::AccountId;
use super::message::Head;
use super::plan::Plan;

/// One subject space that a message enters.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) account: AccountId,
    pub(crate) subject: Vec<u8>,
    pub(crate) reply: Vec<u8>,
    /// The service that it came through: account that imports it, and which of its services.
    pub(crate) service: Option<(AccountId, usize)>,
    /// Shares that were passed on the way here.
    depth: u8,
    pub(crate) plan: Plan,
    pub(crate) head: Head,
}

/// The legs of one publish; their room is used again for the next.
#[derive(Debug)]
pub(crate) struct Legs {
    legs: Vec<Leg>,
    used: usize,
    shards: usize,
    /// Whether some were left out because there were too many.
    pub(crate) cut: bool,
}

impl Legs {
    pub(crate) fn new(shards: usize) -> Self {
        Self { legs: Vec::new(), used: 0, shards, cut: false }
    }

    /// Lists all legs of a message.
    pub(crate) fn list(
        &mut self,
        accounts: &Accounts,
        account: AccountId,
        subject: &[u8],
        reply: &[u8],
    ) {
        self.used = 0;
        self.cut = false;
        let first = self.next(account, None, 0);
        first.subject.extend_from_slice(subject);
        first.reply.extend_from_slice(reply);
        let mut at = 0;
        let mut mapped = Vec::new();
        while at < self.used {
            self.expand(accounts, at, &mut mapped);
            at += 1;
        }
        self.legs.truncate(self.used.max(LEGS_KEPT));
    }

    /// The legs that were listed.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [Leg] {
        &mut self.legs[..self.used]
    }

    /// Adds what one leg leads to.
    fn expand(&mut self, accounts: &Accounts, at: usize, mapped: &mut Vec<u8>) {
        let (account, depth) = (self.legs[at].account, self.legs[at].depth);
        let shares = accounts.get(account);
        if depth >= DEPTH_MAX {
            self.cut |= shares.crosses();
            return;
        }
        for stream in &shares.streams {
            mapped.clear();
            if stream.map.to_local(&self.legs[at].subject, mapped) {
                self.add(stream.to, None, depth + 1, mapped, at);
            }
        }
        for (number, service) in shares.services.iter().enumerate() {
            mapped.clear();
            if service.map.to_exported(&self.legs[at].subject, mapped) {
                let via = Some((account, number));
                self.add(service.to, via, depth + 1, mapped, at);
            }
        }
    }

    fn add(
        &mut self,
        account: AccountId,
        service: Option<(AccountId, usize)>,
        depth: u8,
        subject: &[u8],
        from: usize,
    ) {
        if self.used >= LEGS_MAX {
            self.cut = true;
            return;
        }
        let reply = std::mem::take(&mut self.legs[from].reply);
        let leg = self.next(account, service, depth);
        leg.subject.extend_from_slice(subject);
        leg.reply.extend_from_slice(&reply);
        self.legs[from].reply = reply;
    }

    fn next(
        &mut self,
        account: AccountId,
        service: Option<(AccountId, usize)>,
        depth: u8,
    ) -> &mut Leg {
        if self.used == self.legs.len() {
            self.legs.push(Leg {
                account,
                subject: Vec::new(),
                reply: Vec::new(),
                service,
                depth,
                plan: Plan::new(self.shards),
                head: Head::new(),
            });
        }
        let leg = &mut self.legs[self.used];
        self.used += 1;
        (leg.account, leg.service, leg.depth) = (account, service, depth);
        leg.subject.clear();
        leg.reply.clear();
        leg
    }
}

/// The service that a leg came through.
pub(crate) fn service_of<'a>(accounts: &'a Accounts, leg: &Leg) -> Option<&'a ServiceShare> {
    let (account, number) = leg.service?;
    accounts.get(account).services.get(number)
}

/// Accounts that one message enters at most.
const LEGS_MAX: usize = 4096;
/// Shares that a message passes at most, one behind the other: rings are refused when they are
/// configured, this bounds the longest chain.
const DEPTH_MAX: u8 = 16;
/// Legs whose room is kept.
const LEGS_KEPT: usize = 16;
