//! Where shards bring what is meant for the monitor's thread: pages that it asked for, and errands
//! of their own.
//!
//! Absent: what is done with them (`admin::monitor`). Nobody waits here but the monitor: what finds
//! no room is dropped, and whoever asked gets an answer that says that it is incomplete. Tenants
//! have a heap of their own, so that they leave the operator room.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crossbeam_queue::ArrayQueue;
use mio::{Registry, Token, Waker};

use crate::config::Config;
use crate::core::arrival::Entrance;
use crate::core::auth::operator::OperatorState;
use crate::core::ids::{AccountId, ShardId};
use crate::core::policy::Policy;
use crate::core::report::Page;
use crate::core::system_requests::SystemRequest;

/// A page that a shard was asked for.
#[derive(Debug)]
pub(crate) struct Sheet {
    /// Who was asked.
    pub(crate) shard: ShardId,
    /// The number of the question.
    pub(crate) question: u64,
    /// The answer.
    pub(crate) page: Page,
}

/// What is to be done by the monitor's thread, without anybody waiting for it.
#[derive(Debug)]
pub(crate) enum Errand {
    /// What the broker is, from now on.
    News(Box<News>),
    /// A request that a shard met; its answer goes back by mail.
    Request(ShardId, Box<SystemRequest>),
}

/// What the monitor tells of the broker beside its numbers; values that never change.
#[derive(Debug, Clone)]
pub(crate) struct News {
    pub(crate) config: Arc<Config>,
    pub(crate) policy: Arc<Policy>,
    /// The accounts of operators, where these are configured.
    pub(crate) operator: Option<Arc<OperatorState>>,
    /// What clients are told at each listener, by its number.
    pub(crate) entrances: Vec<Entrance>,
    /// When this configuration was read, in milliseconds of Unix time.
    pub(crate) loaded_ms: u64,
    /// Whether the broker is about to leave.
    pub(crate) leaves: bool,
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Desk {
    sheets: SyncSender<Sheet>,
    errands: ArrayQueue<Errand>,
    /// Requests of ordinary accounts.
    of_tenants: ArrayQueue<(ShardId, Box<SystemRequest>)>,
    dropped: AtomicU64,
    closed: AtomicBool,
    waker: Waker,
}

impl Desk {
    /// A desk beside a poller, and the end where pages come out.
    pub(crate) fn new(registry: &Registry, token: Token) -> io::Result<(Self, Receiver<Sheet>)> {
        let (sheets, taken) = sync_channel(SHEETS_MAX);
        let desk = Self {
            sheets,
            errands: ArrayQueue::new(ERRANDS_MAX),
            of_tenants: ArrayQueue::new(ERRANDS_MAX),
            dropped: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            waker: Waker::new(registry, token)?,
        };
        Ok((desk, taken))
    }

    /// Brings a page. The monitor asks a shard for one page at a time, so that there is room.
    pub(crate) fn bring(&self, sheet: Sheet) {
        if self.sheets.try_send(sheet).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Brings an errand, or gives it back when too many wait.
    pub(crate) fn ask(&self, errand: Errand) -> Result<(), Errand> {
        let pushed = match errand {
            Errand::Request(shard, request) if request.to.account != AccountId::SYSTEM => {
                let pushed = self.of_tenants.push((shard, request));
                pushed.map_err(|(shard, request)| Errand::Request(shard, request))
            }
            errand => self.errands.push(errand),
        };
        if pushed.is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        // A failed wake-up leaves the errand where the thread's next look finds it.
        let _ = self.waker.wake();
        pushed
    }

    /// The next errand that is no tenant's.
    pub(crate) fn next(&self) -> Option<Errand> {
        self.errands.pop()
    }

    /// The next request of a tenant.
    pub(crate) fn next_of_tenants(&self) -> Option<(ShardId, Box<SystemRequest>)> {
        self.of_tenants.pop()
    }

    /// Whether no errands wait.
    pub(crate) fn is_empty(&self) -> bool {
        self.errands.is_empty() && self.of_tenants.is_empty()
    }

    /// The broker ends, and so does the monitor's thread, whatever waits.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        // If this fails, the thread sees it at its next look.
        let _ = self.waker.wake();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// What found no room so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Pages that wait: one for each shard, and late ones of questions that were given up.
const SHEETS_MAX: usize = 256;
/// Errands that wait, and as many requests of tenants.
const ERRANDS_MAX: usize = 1024;
