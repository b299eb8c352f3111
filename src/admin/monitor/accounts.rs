//! `/accountz` and `/accstatz`: accounts, what is configured for them and what they use.
//!
//! Absent: JWTs and activation tokens. What accounts use is summed by shards over their clients, so
//! that it costs nothing on a message's way; it is looked up at most once a second.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Monitor;
use super::asking::Extent;
use super::options::Options;
use super::refusal::Refusal;
use super::varz::is_false;
use crate::core::ids::AccountId;
use crate::core::report::account::AccountUse;
use crate::core::report::{Query, Rows};

/// What accounts use, and when that was true.
#[derive(Debug)]
pub(super) struct Usage {
    at: Instant,
    pub(super) accounts: BTreeMap<AccountId, AccountUse>,
    pub(super) extent: Extent,
}

/// `/accstatz`.
#[derive(Debug, Serialize)]
pub(super) struct Accstatz {
    server_id: String,
    now: String,
    account_statz: Vec<AccountStat>,
    #[serde(skip_serializing_if = "is_false")]
    partial: bool,
}

/// The fields of nats-server, in its order.
#[derive(Debug, Serialize)]
struct AccountStat {
    acc: String,
    name: String,
    conns: u64,
    leafnodes: u64,
    total_conns: u64,
    num_subscriptions: u64,
    sent: Data,
    received: Data,
    slow_consumers: u64,
}

/// Messages and bytes, and how many of them came over what this broker does not have.
#[derive(Debug, Serialize)]
struct Data {
    msgs: u64,
    bytes: u64,
    gateways: Flow,
    routes: Flow,
    leafs: Flow,
}

#[derive(Debug, Default, Serialize)]
struct Flow {
    msgs: u64,
    bytes: u64,
}

impl Data {
    fn new(msgs: u64, bytes: u64) -> Self {
        let (gateways, routes, leafs) = (Flow::default(), Flow::default(), Flow::default());
        Self { msgs, bytes, gateways, routes, leafs }
    }
}

impl Monitor {
    /// What accounts use, not older than a second.
    pub(super) fn usage(&mut self) -> &Usage {
        let fresh = self.usage.take().filter(|usage| usage.at.elapsed() < USAGE_AGE);
        let usage = match fresh {
            Some(usage) => usage,
            None => self.look_up_usage(),
        };
        self.usage.insert(usage)
    }

    fn look_up_usage(&mut self) -> Usage {
        let mut accounts: BTreeMap<AccountId, AccountUse> = BTreeMap::new();
        let shards = self.shards();
        let extent = self.walk(&shards, &|_, from| Query::Accounts { from }, &mut |_, page| {
            let Rows::Accounts(rows) = page else { return };
            for (account, used) in rows {
                accounts.entry(account).or_default().add(&used);
            }
        });
        Usage { at: Instant::now(), accounts, extent }
    }

    pub(super) fn accstatz(&mut self, options: &Options) -> Accstatz {
        let usage = self.usage();
        let (used, extent) = (usage.accounts.clone(), usage.extent);
        let accounts = &self.news.policy.accounts;
        let wanted: Vec<AccountId> = if options.accounts.is_empty() {
            accounts.present().collect()
        } else {
            options.accounts.iter().filter_map(|name| accounts.find(name)).collect()
        };
        let stat = |account: AccountId| {
            let used = used.get(&account).copied().unwrap_or_default();
            AccountStat {
                acc: self.account_name(account),
                name: self.name_tag(account),
                conns: used.clients,
                leafnodes: 0,
                total_conns: used.clients,
                num_subscriptions: used.subscriptions,
                sent: Data::new(used.messages_out, used.bytes_out),
                received: Data::new(used.messages_in, used.bytes_in),
                slow_consumers: used.slow_consumers,
            }
        };
        let stats = wanted.into_iter().map(stat);
        let stats = stats.filter(|stat| options.unused || stat.conns > 0);
        Accstatz {
            account_statz: stats.take(ACCOUNTS_MAX).collect(),
            server_id: self.server_id(),
            now: self.now_text(),
            partial: extent.is_partial(),
        }
    }

    pub(super) fn accountz(
        &mut self,
        options: &Options,
    ) -> Result<super::account::Accountz, Refusal> {
        let names = || {
            let accounts = &self.news.policy.accounts;
            accounts.present().take(ACCOUNTS_MAX).map(|account| self.account_name(account))
        };
        let mut answer = super::account::Accountz {
            server_id: self.server_id(),
            now: self.now_text(),
            system_account: self.account_name(AccountId::SYSTEM),
            accounts: Vec::new(),
            account_detail: None,
        };
        if options.account.is_empty() {
            answer.accounts = names().collect();
            return Ok(answer);
        }
        let found = self.news.policy.accounts.find(&options.account);
        let account = found
            .ok_or_else(|| Refusal::bad(format!("Account {} does not exist", options.account)))?;
        let used = self.usage().accounts.get(&account).copied().unwrap_or_default();
        answer.account_detail = Some(self.account_detail(account, &used));
        Ok(answer)
    }
}

/// How old the sums may be.
const USAGE_AGE: Duration = Duration::from_secs(1);
/// Accounts that one answer tells of.
const ACCOUNTS_MAX: usize = 65_536;
