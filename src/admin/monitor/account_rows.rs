//! Which accounts have rows of their own in `/metrics`, and what their counters were last.
//!
//! Absent: a way back. A counter that went down would be read as a restart, so that an account that
//! has a row keeps it, one that once was among the others stays there, and a look that misses
//! somebody, as he leaves or is too busy to answer, takes nothing back.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::core::ids::AccountId;
use crate::core::report::account::AccountUse;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct AccountRows {
    own: BTreeMap<AccountId, AccountUse>,
    others: Option<AccountUse>,
}

impl AccountRows {
    /// Takes a look at all accounts in; what the rows are then, that of all others last and without
    /// a number.
    pub(super) fn look(
        &mut self,
        usage: &BTreeMap<AccountId, AccountUse>,
    ) -> Vec<(Option<AccountId>, AccountUse)> {
        let mut new: Vec<_> = usage.iter().filter(|(id, _)| !self.own.contains_key(id)).collect();
        new.sort_by_key(|(id, used)| {
            (Reverse(used.messages_in.saturating_add(used.messages_out)), **id)
        });
        let free = ROWS_MAX.saturating_sub(self.own.len());
        self.own.extend(new.iter().take(free).map(|(id, _)| (**id, AccountUse::default())));
        if new.len() > free || self.others.is_some() {
            let mut sum = AccountUse::default();
            for (_, used) in new.iter().skip(free) {
                sum.add(used);
            }
            raise(self.others.get_or_insert_default(), sum);
        }
        for (id, row) in &mut self.own {
            raise(row, usage.get(id).copied().unwrap_or_default());
        }
        let own = self.own.iter().map(|(id, row)| (Some(*id), *row));
        own.chain(self.others.map(|others| (None, others))).collect()
    }
}

/// Present states are as they are now; counters are what they were at least.
fn raise(row: &mut AccountUse, now: AccountUse) {
    *row = AccountUse {
        clients: now.clients,
        subscriptions: now.subscriptions,
        pending_bytes: now.pending_bytes,
        clients_total: row.clients_total.max(now.clients_total),
        messages_in: row.messages_in.max(now.messages_in),
        bytes_in: row.bytes_in.max(now.bytes_in),
        messages_out: row.messages_out.max(now.messages_out),
        bytes_out: row.bytes_out.max(now.bytes_out),
        slow_consumers: row.slow_consumers.max(now.slow_consumers),
    };
}

/// Accounts with rows of their own.
const ROWS_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    /// Accounts that published so many messages.
    fn usage(messages: impl IntoIterator<Item = u64>) -> BTreeMap<AccountId, AccountUse> {
        let used = |n| AccountUse { messages_in: n, clients: 1, ..AccountUse::default() };
        let ids = (0..).map(AccountId::from_index);
        ids.zip(messages).map(|(id, n)| (id, used(n))).collect()
    }

    #[test]
    fn an_account_that_rises_takes_nothing_from_the_others() {
        let mut rows = AccountRows::default();
        let some = usage([5; 100]);
        assert_eq!(rows.look(&some).len(), 100);
        let before = rows.look(&usage(1..=300));
        assert_eq!(before.len(), ROWS_MAX + 1);
        let (none, others) = *before.last().expect("a row");
        // The first hundred have rows already, and those with the most messages got what was left.
        assert_eq!((none, others.messages_in), (None, (101..=272).sum()));
        assert_eq!(others.clients, 172);
        // The account with number 150 becomes the largest of all.
        let risen = usage((1..=300).map(|n| if n == 151 { 1_000_000 } else { n }));
        let after = rows.look(&risen);
        assert_eq!(after.len(), before.len());
        for ((id, before), (same, after)) in before.iter().zip(&after) {
            assert_eq!(id, same);
            assert!(after.messages_in >= before.messages_in, "{id:?}");
        }
        let others = after.last().map(|(_, others)| others.messages_in);
        assert_eq!(others, Some((101..=272).sum::<u64>() - 151 + 1_000_000));
    }

    #[test]
    fn a_look_that_misses_somebody_takes_nothing_back() {
        let mut rows = AccountRows::default();
        rows.look(&usage(1..=200));
        let after = rows.look(&BTreeMap::new());
        assert_eq!(after.len(), ROWS_MAX + 1);
        assert!(after.iter().all(|(_, used)| used.messages_in > 0 && used.clients == 0));
    }
}
