//! A message that crosses accounts: the list of subject spaces that one publish enters.
//!
//! Absent: who imports what (`accounts`) and delivery (`route`). The first leg is the publisher's
//! own account; streams and services that others share add more. All of them are planned and
//! reserved before anything is done, so that a message crosses whole or its client parks (I4).

use std::borrow::Cow;

use super::accounts::{Account, Accounts, ServiceShare};
use super::ids::AccountId;
use super::mappings::Mapped;
use super::message::Head;
use super::plan::Plan;
use super::rng::Rng;

/// How a message came to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// It was published there.
    Own,
    /// As a stream, of which traces may tell or not.
    Stream { allow_trace: bool },
    /// As a request to a service: whose import it is, and which of its services.
    Service { importer: AccountId, number: usize },
}

/// One subject space that a message enters.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) account: AccountId,
    pub(crate) subject: Vec<u8>,
    pub(crate) reply: Vec<u8>,
    /// How it came there.
    pub(crate) way: Way,
    /// Shares that were passed on the way here.
    depth: u8,
    /// The leg that led here; the first one leads to itself.
    from: usize,
    pub(crate) plan: Plan,
    pub(crate) head: Head,
}

impl Leg {
    /// Which leg led here.
    pub(crate) fn from(&self) -> usize {
        self.from
    }

    /// Whether it came as a request.
    pub(crate) fn is_request(&self) -> bool {
        matches!(self.way, Way::Service { .. })
    }
}

/// The legs of one publish; their room is used again for the next.
#[derive(Debug)]
pub(crate) struct Legs {
    room: Vec<Leg>,
    used: usize,
    shards: usize,
    /// Whether some were left out because there were too many.
    pub(crate) cut: bool,
}

impl Legs {
    pub(crate) fn new(shards: usize) -> Self {
        Self { room: Vec::new(), used: 0, shards, cut: false }
    }

    /// Lists all legs of a message.
    pub(crate) fn list(
        &mut self,
        accounts: &Accounts,
        account: AccountId,
        subject: &[u8],
        reply: &[u8],
        rng: &mut Rng,
    ) {
        self.used = 0;
        self.cut = false;
        let first = self.next(account, Way::Own, 0, 0);
        first.subject.extend_from_slice(subject);
        first.reply.extend_from_slice(reply);
        let mut at = 0;
        let mut mapped = Vec::new();
        while at < self.used {
            self.expand(accounts, at, &mut mapped, rng);
            at += 1;
        }
        self.room.truncate(self.used.max(LEGS_KEPT));
    }

    /// The legs that were listed.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [Leg] {
        &mut self.room[..self.used]
    }

    /// Adds what one leg leads to. As in nats-server, what a stream brought goes no further, and
    /// what a service brought is no stream of the account that serves.
    fn expand(&mut self, accounts: &Accounts, at: usize, mapped: &mut Vec<u8>, rng: &mut Rng) {
        let Leg { account, way, depth, .. } = self.room[at];
        let shares = accounts.get(account);
        if matches!(way, Way::Stream { .. }) {
            return;
        }
        if depth >= DEPTH_MAX {
            self.cut |= !shares.services.is_empty();
            return;
        }
        if way == Way::Own {
            for stream in &shares.streams {
                mapped.clear();
                if stream.map.to_local(&self.room[at].subject, mapped) {
                    let way = Way::Stream { allow_trace: stream.allow_trace };
                    self.add(stream.to, way, depth + 1, mapped, at);
                }
            }
        }
        for (number, service) in shares.services.iter().enumerate() {
            mapped.clear();
            if !service.map.to_exported(&self.room[at].subject, mapped) {
                continue;
            }
            let way = Way::Service { importer: account, number };
            if self.came_by(at, way) {
                continue;
            }
            match enter(accounts.get(service.to), mapped, rng) {
                None => {}
                Some(subject) => self.add(service.to, way, depth + 1, &subject, at),
            }
        }
    }

    fn add(&mut self, account: AccountId, way: Way, depth: u8, subject: &[u8], from: usize) {
        if self.used >= LEGS_MAX {
            self.cut = true;
            return;
        }
        let reply = std::mem::take(&mut self.room[from].reply);
        let leg = self.next(account, way, depth, from);
        leg.subject.extend_from_slice(subject);
        leg.reply.extend_from_slice(&reply);
        self.room[from].reply = reply;
    }

    /// Whether a leg is behind this one of those that came so. An account may import its own
    /// service, and would ask itself for ever.
    fn came_by(&self, mut at: usize, way: Way) -> bool {
        while self.room[at].way != way {
            if at == 0 {
                return false;
            }
            at = self.room[at].from;
        }
        true
    }

    fn next(&mut self, account: AccountId, way: Way, depth: u8, from: usize) -> &mut Leg {
        if self.used == self.room.len() {
            self.room.push(Leg {
                account,
                subject: Vec::new(),
                reply: Vec::new(),
                way,
                depth,
                from,
                plan: Plan::new(self.shards),
                head: Head::new(),
            });
        }
        let leg = &mut self.room[self.used];
        self.used += 1;
        (leg.account, leg.way, leg.depth, leg.from) = (account, way, depth, from);
        leg.subject.clear();
        leg.reply.clear();
        leg
    }
}

/// The service that a leg came through.
pub(crate) fn service_of<'a>(accounts: &'a Accounts, leg: &Leg) -> Option<&'a ServiceShare> {
    let Way::Service { importer, number } = leg.way else { return None };
    accounts.get(importer).services.get(number)
}

/// The subject under which a request enters the account that serves it: its mappings are obeyed.
fn enter<'a>(server: &Account, subject: &'a [u8], rng: &mut Rng) -> Option<Cow<'a, [u8]>> {
    let Some(mappings) = &server.mappings else { return Some(subject.into()) };
    let mut mapped = Vec::new();
    match mappings.map(subject, &mut |bound| rng.below(bound), &mut mapped) {
        Mapped::Unchanged => Some(subject.into()),
        Mapped::To => Some(mapped.into()),
        Mapped::Dropped => None,
    }
}

/// Accounts that one message enters at most.
const LEGS_MAX: usize = 4096;
/// Shares that a message passes at most, one behind the other: rings are refused when they are
/// configured, this bounds the longest chain.
const DEPTH_MAX: u8 = 16;
/// Legs whose room is kept.
const LEGS_KEPT: usize = 16;
