//! Questions to shards: page after page from each of them, all shards at a time, for a second.
//!
//! Absent: what is asked for. A shard has one page of the monitor under way at most, and none
//! sooner than a millisecond after the last, so that whoever asks in storms costs it a part of its
//! time that is known.

use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use super::Monitor;
use crate::core::ids::ShardId;
use crate::core::report::{Query, Rows};
use crate::core::system_requests::Deed;
use crate::io::desk::Sheet;
use crate::io::exchange::Mail;

/// Whether everybody who was asked has told everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Yes.
    Whole,
    /// Somebody did not, in time.
    Partial,
}

impl Extent {
    /// The extent of two answers together.
    pub(crate) fn and(self, other: Self) -> Self {
        if self == Self::Whole { other } else { self }
    }

    pub(crate) fn is_partial(self) -> bool {
        self == Self::Partial
    }
}

impl Monitor {
    /// Gives the next questions a second, all together.
    pub(super) fn begin_asking(&mut self) {
        self.patience = Instant::now() + PATIENCE;
    }

    /// Asks some shards for all pages of something: `query` makes the question for the page that
    /// begins at a place, and `take` gets the pages as they come.
    pub(super) fn walk(
        &mut self,
        shards: &[ShardId],
        query: &dyn Fn(ShardId, usize) -> Query,
        take: &mut dyn FnMut(ShardId, Rows),
    ) -> Extent {
        self.question += 1;
        let (mut extent, mut open) = (Extent::Whole, 0usize);
        for shard in shards {
            match self.ask_shard(*shard, query(*shard, 0)) {
                Extent::Whole => open += 1,
                Extent::Partial => extent = Extent::Partial,
            }
        }
        while open > 0 {
            let Some(sheet) = self.next_sheet() else { return Extent::Partial };
            let Sheet { shard, page, .. } = sheet;
            take(shard, page.rows);
            let Some(from) = page.next else {
                open -= 1;
                continue;
            };
            if self.ask_shard(shard, query(shard, from)).is_partial() {
                open -= 1;
                extent = Extent::Partial;
            }
        }
        extent
    }

    /// Has something done by all shards, and waits for what came of it.
    pub(super) fn have_done(&mut self, deed: &Deed) -> Vec<Rows> {
        self.question += 1;
        let (mut open, mut met) = (0usize, Vec::new());
        for shard in self.exchange.shards() {
            let mail = Mail::Deed(self.question, Box::new(deed.clone()));
            open += usize::from(self.exchange.send(shard, mail).is_ok());
        }
        while met.len() < open {
            let Some(sheet) = self.next_sheet() else { break };
            met.push(sheet.page.rows);
        }
        met
    }

    /// All shards.
    pub(super) fn shards(&self) -> Vec<ShardId> {
        self.exchange.shards().collect()
    }

    fn ask_shard(&mut self, shard: ShardId, query: Query) -> Extent {
        if self.asked.len() <= shard.index() {
            self.asked.resize(shard.index() + 1, None);
        }
        // INVARIANT: the list was just made long enough.
        let asked = &mut self.asked[shard.index()];
        if let Some(asked) = asked {
            let rest = PAUSE.saturating_sub(asked.elapsed());
            if !rest.is_zero() {
                // A wake-up before the time only makes the page come earlier.
                std::thread::park_timeout(rest);
            }
        }
        *asked = Some(Instant::now());
        match self.exchange.send(shard, Mail::Query(self.question, Box::new(query))) {
            Ok(()) => Extent::Whole,
            Err(_) => Extent::Partial,
        }
    }

    /// The next page of the present question.
    fn next_sheet(&mut self) -> Option<Sheet> {
        loop {
            if self.exchange.desk.is_closed() {
                return None;
            }
            let left = self.patience.saturating_duration_since(Instant::now());
            match self.sheets.recv_timeout(left.min(LOOK_UP)) {
                // Others come too late for a question that was given up.
                Ok(sheet) if sheet.question == self.question => return Some(sheet),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) if left.is_zero() => return None,
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

/// How long shards may take for an answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// Time between two questions to a shard.
const PAUSE: Duration = Duration::from_millis(1);
/// How often a wait is left to see whether the broker ends.
const LOOK_UP: Duration = Duration::from_millis(50);
