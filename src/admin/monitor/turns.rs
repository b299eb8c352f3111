//! Whose errand the monitor runs next: the operator's first, then those of tenants, one account
//! after the other.
//!
//! Absent: running them, and a limit for the operator, whose requests shards bound. Nobody is
//! passed over for ever but by the operator: the account that was served last comes last.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use crate::core::ids::{AccountId, ShardId};
use crate::core::system_requests::SystemRequest;
use crate::io::desk::{Desk, Errand};

/// Requests of tenants that have been taken from the desk, by their accounts.
#[derive(Debug, Default)]
pub(super) struct Turns {
    tenants: BTreeMap<AccountId, VecDeque<(ShardId, Box<SystemRequest>)>>,
    waiting: usize,
    /// The account that was served last.
    last: Option<AccountId>,
}

impl Turns {
    /// The next errand, from the desk or from what was taken from it before.
    pub(super) fn next(&mut self, desk: &Desk) -> Option<Errand> {
        if let Some(errand) = desk.next() {
            return Some(errand);
        }
        while self.waiting < WAITING_MAX
            && let Some((shard, request)) = desk.next_of_tenants()
        {
            self.waiting += 1;
            self.tenants.entry(request.to.account).or_default().push_back((shard, request));
        }
        self.next_of_tenants()
    }

    /// Whether there is more to do.
    pub(super) fn has_more(&self, desk: &Desk) -> bool {
        self.waiting > 0 || !desk.is_empty()
    }

    fn next_of_tenants(&mut self) -> Option<Errand> {
        let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.tenants.range((after, Bound::Unbounded));
        let next = rest.next().or_else(|| self.tenants.iter().next());
        let account = *next?.0;
        self.last = Some(account);
        let requests = self.tenants.get_mut(&account)?;
        let first = requests.pop_front();
        if requests.is_empty() {
            self.tenants.remove(&account);
        }
        let (shard, request) = first?;
        self.waiting -= 1;
        Some(Errand::Request(shard, request))
    }
}

/// Requests of tenants that wait here; others wait on the desk.
const WAITING_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use mio::{Poll, Token};

    use super::*;
    use crate::core::system::Service;
    use crate::core::system_requests::Asker;

    fn request(account: AccountId, reply: &str) -> Errand {
        let to = Asker { account, reply: reply.as_bytes().into() };
        let request = SystemRequest { service: Service::Accounts, options: Box::default(), to };
        Errand::Request(ShardId::new(0).expect("a shard"), Box::new(request))
    }

    fn reply_of(errand: Errand) -> String {
        let Errand::Request(_, request) = errand else { panic!("a request") };
        String::from_utf8(request.to.reply.into()).expect("text")
    }

    #[test]
    fn the_operator_comes_first_and_tenants_in_turn() {
        let poll = Poll::new().expect("a poller");
        let (desk, _sheets) = Desk::new(poll.registry(), Token(0)).expect("a desk");
        let mut turns = Turns::default();
        assert!(!turns.has_more(&desk));
        let [a, b] = [AccountId::from_index(5), AccountId::from_index(9)];
        for (account, reply) in [(a, "a1"), (a, "a2"), (a, "a3"), (b, "b1"), (b, "b2")] {
            desk.ask(request(account, reply)).expect("room");
        }
        let mut told: Vec<String> = turns.next(&desk).map(reply_of).into_iter().collect();
        desk.ask(request(AccountId::SYSTEM, "s1")).expect("room");
        desk.ask(request(AccountId::SYSTEM, "s2")).expect("room");
        told.extend(std::iter::from_fn(|| turns.next(&desk)).map(reply_of));
        assert_eq!(told, ["a1", "s1", "s2", "b1", "a2", "b2", "a3"]);
        assert!(!turns.has_more(&desk));
    }

    #[test]
    fn tenants_who_fill_the_desk_leave_the_operator_room() {
        let poll = Poll::new().expect("a poller");
        let (desk, _sheets) = Desk::new(poll.registry(), Token(0)).expect("a desk");
        let tenant = AccountId::from_index(5);
        let sent = (0..1_000_000).take_while(|_| desk.ask(request(tenant, "t")).is_ok()).count();
        assert!(sent < 1_000_000, "the desk is bounded");
        desk.ask(request(AccountId::SYSTEM, "s")).expect("room for the operator");
        let mut turns = Turns::default();
        assert_eq!(turns.next(&desk).map(reply_of).as_deref(), Some("s"));
        assert_eq!(std::iter::from_fn(|| turns.next(&desk)).count(), sent);
    }
}
