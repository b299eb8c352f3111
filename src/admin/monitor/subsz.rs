//! `/subsz`: subscriptions, counted, and told page by page.
//!
//! Absent: the broker's own subscriptions. What nats-server counts of its cache of matches is 0
//! here: there is no such cache.

use std::sync::Arc;

use fanfare_protocol::subject;
use serde::Serialize;

use super::Monitor;
use super::asking::Extent;
use super::connection::Subscription;
use super::options::Options;
use super::refusal::Refusal;
use super::varz::{Number, is_false};
use crate::core::report::account::AccountUse;
use crate::core::report::subscription::{SubscriptionFacts, SubscriptionFilter};
use crate::core::report::{Query, Rows};
use crate::core::stats::Stats;

/// The fields of nats-server, in its order; `partial` is ours.
#[derive(Debug, Serialize)]
pub(super) struct Subsz {
    server_id: String,
    now: String,
    #[serde(flatten)]
    stats: SublistStats,
    total: usize,
    offset: usize,
    limit: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subscriptions_list: Vec<Subscription>,
    #[serde(skip_serializing_if = "is_false")]
    partial: bool,
}

/// How matching goes.
#[derive(Debug, Serialize)]
pub(super) struct SublistStats {
    num_subscriptions: u64,
    num_cache: u64,
    num_inserts: u64,
    num_removes: u64,
    num_matches: u64,
    cache_hit_rate: Number,
    max_fanout: u64,
    avg_fanout: Number,
}

impl SublistStats {
    fn of_all(stats: &Stats) -> Self {
        Self {
            num_subscriptions: stats.subscriptions,
            num_cache: 0,
            num_inserts: stats.subscriptions_total,
            num_removes: stats.subscriptions_total.saturating_sub(stats.subscriptions),
            num_matches: stats.messages_in,
            cache_hit_rate: Number(0.0),
            max_fanout: 0,
            avg_fanout: fanout(stats.messages_out, stats.messages_in),
        }
    }

    /// Those of one account; how many of its subscriptions have come and gone is not counted.
    pub(super) fn of_account(used: &AccountUse) -> Self {
        Self {
            num_subscriptions: used.subscriptions,
            num_cache: 0,
            num_inserts: used.subscriptions,
            num_removes: 0,
            num_matches: used.messages_in,
            cache_hit_rate: Number(0.0),
            max_fanout: 0,
            avg_fanout: fanout(used.messages_out, used.messages_in),
        }
    }
}

fn fanout(deliveries: u64, messages: u64) -> Number {
    Number(if messages == 0 { 0.0 } else { deliveries as f64 / messages as f64 })
}

impl Monitor {
    pub(super) fn subsz(&mut self, options: &Options) -> Result<Subsz, Refusal> {
        let test = options.test.as_bytes();
        if !test.is_empty() && !subject::is_literal(test) {
            return Err(Refusal::bad(format!(
                "invalid test subject, must be valid publish subject: {}",
                options.test
            )));
        }
        let limit = if options.limit == 0 { LIMIT_DEFAULT } else { options.limit };
        let account = self.account_named(&options.account);
        let (mut rows, mut total, mut extent) = (Vec::new(), 0, Extent::Whole);
        let mut stats = SublistStats::of_all(&self.totals());
        if let Ok(Some(account)) = account {
            let used = self.usage().accounts.get(&account).copied().unwrap_or_default();
            stats = SublistStats::of_account(&used);
        }
        match account {
            // As nats-server answers about accounts that it does not know.
            Err(_) => stats = SublistStats::of_account(&AccountUse::default()),
            Ok(account) if options.subscriptions => {
                let subject = (!test.is_empty()).then(|| test.into());
                let filter = Arc::new(SubscriptionFilter { account, subject });
                let rows_max = if options.of_tenant { TENANTS_ROWS_MAX } else { ROWS_MAX };
                extent =
                    self.rows(&filter, options.offset, limit.min(rows_max), |page, counted| {
                        total += counted;
                        rows.extend(page);
                    });
            }
            Ok(_) => {}
        }
        Ok(Subsz {
            subscriptions_list: rows.iter().map(|facts| self.subscription(facts)).collect(),
            server_id: self.server_id(),
            now: self.now_text(),
            stats,
            total,
            offset: options.offset,
            limit,
            partial: extent.is_partial(),
        })
    }

    /// Asks one shard after the other, because rows that are passed over are counted over all.
    fn rows(
        &mut self,
        filter: &Arc<SubscriptionFilter>,
        offset: usize,
        limit: usize,
        mut take: impl FnMut(Vec<SubscriptionFacts>, usize),
    ) -> Extent {
        let mut extent = Extent::Whole;
        let (mut passed, mut told) = (0usize, 0usize);
        for shard in self.shards() {
            // What the pages so far have passed over and told.
            let progress = std::cell::Cell::new((passed, told));
            let query = |_, from| {
                let (passed, told) = progress.get();
                let (skip, take) = (offset.saturating_sub(passed), limit.saturating_sub(told));
                Query::Subscriptions { from, filter: Arc::clone(filter), skip, take }
            };
            let asked = self.walk(&[shard], &query, &mut |_, page| {
                let Rows::Subscriptions { rows, counted } = page else { return };
                let (passed, told) = progress.get();
                progress.set((passed + counted, told + rows.len()));
                take(rows, counted);
            });
            (passed, told) = progress.get();
            extent = extent.and(asked);
        }
        extent
    }
}

/// Rows of a page unless a limit is given.
const LIMIT_DEFAULT: usize = 1024;
/// Rows of any page.
const ROWS_MAX: usize = 65_536;
/// The same for tenants.
const TENANTS_ROWS_MAX: usize = 4096;
