//! The supervisor: starts the shards, hands them connections, and stops them on a signal.
//!
//! Absent: reading or writing a client's socket. Its loop sleeps until somebody connects, a signal
//! comes, or files are to be looked at; when the system has no descriptors left it looks again
//! after a pause and does not spin.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use fanfare_protocol::info::ServerInfo;
use mio::{Events, Poll, Token, Waker};
use signal_hook_mio::v1_0::Signals;

use super::fetching::Fetching;
use super::identity::Identity;
use super::lame_duck::LameDuck;
use super::listeners::Listening;
use super::notify::Notify;
use super::reload::Reloading;
use super::run_error::RunError;
use super::source::{Reading, Source};
use super::taking_over::Inherited;
use super::upgrade::Upgrading;
use super::welcome::Place;
use crate::config::Config;
use crate::core::arrival::Entrance;
use crate::core::auth::delegation::Premises;
use crate::core::ids::ShardId;
use crate::core::policy::Policy;
use crate::core::system_requests::Asker;
use crate::io::accept::Listener;
use crate::io::clock::Clock;
use crate::io::exchange::{Exchange, Mail};
use crate::io::heap;
use crate::io::log::{Level, Log};
use crate::io::log_sink::{LogTarget, Sink};

/// What a broker is started with.
#[derive(Debug)]
pub(crate) struct Start {
    /// The name it was called by, without its path.
    pub(crate) executable: String,
    /// What the operator wants, and the files that say it.
    pub(crate) reading: Reading,
    /// Where the configuration came from, if from a file.
    pub(crate) source: Option<Source>,
    /// The line to a process that this one takes over from.
    pub(crate) inherited: Option<Inherited>,
}

/// Runs a broker until a signal stops it.
pub(crate) fn run(start: Start) -> Result<(), RunError> {
    heap::keep_some_free_memory();
    let config = &start.reading.config;
    let target = LogTarget::of(config, &start.executable);
    let begun = Sink::open(target.clone()).map_err(RunError::Log).and_then(|sink| {
        Log::start(sink, config.verbosity.debug)
            .map_err(|error| RunError::System("starting the log", error))
    });
    let (log, writer) = match begun {
        Ok(begun) => begun,
        Err(error) => {
            if let Some(inherited) = &start.inherited {
                inherited.fail(&error.to_string());
            }
            return Err(error);
        }
    };
    let result = Supervisor::start(start, log.clone(), target).and_then(Supervisor::run);
    if let Err(error) = &result {
        log.line(Level::Fatal, error.to_string());
    }
    writer.end();
    result
}

/// What runs the broker. Its other deeds stand in `start`, `placing`, `signals`,
/// `reload`, `apply`, `files` and `stop`.
pub(super) struct Supervisor {
    pub(super) poll: Poll,
    pub(super) signals: Signals,
    pub(super) listeners: Vec<Listening>,
    pub(super) exchange: Arc<Exchange>,
    pub(super) threads: Vec<JoinHandle<io::Result<()>>>,
    /// The monitor's thread, and where its port is.
    pub(super) monitor: Option<JoinHandle<()>>,
    /// The monitor's port, for a process that takes over.
    pub(super) monitor_lent: Option<(Place, OwnedFd)>,
    pub(super) monitor_url: Option<(&'static str, SocketAddr)>,
    /// When the configuration in effect was read, in milliseconds of Unix time.
    pub(super) loaded_ms: u64,
    pub(super) log: Log,
    pub(super) executable: String,
    /// The configuration in effect.
    pub(super) config: Arc<Config>,
    pub(super) reloading: Reloading,
    /// The file with the addresses, as long as there is one.
    pub(super) ports_file: Option<PathBuf>,
    pub(super) ended: Arc<Ended>,
    pub(super) connections_max: u64,
    /// What the shards hold their clients to.
    pub(super) policy: Arc<Policy>,
    /// Who the broker says it is.
    pub(super) identity: Arc<Identity>,
    /// What it has beside its configuration to decide by.
    pub(super) premises: Premises,
    /// What more it fetches while it runs.
    pub(super) fetching: Fetching,
    /// What shards know of each listener, by its number.
    pub(super) entrances: Vec<Entrance>,
    /// What INFO says at all of them.
    pub(super) info: ServerInfo,
    /// The secret that all policies of this broker are made with.
    pub(super) seed: u64,
    pub(super) clock: Clock,
    pub(super) upgrading: Upgrading,
    /// Set once the broker is about to leave.
    pub(super) lame_duck: Option<LameDuck>,
    /// The service manager, if one wants to know.
    pub(super) notify: Notify,
    /// Connections sent to each shard since the start.
    pub(super) sent: Vec<u64>,
    pub(super) next_number: u64,
    /// Mail that found its box full.
    pub(super) held: Option<(ShardId, Mail)>,
    /// Whether the listener was left alone for want of descriptors.
    pub(super) paused: bool,
    /// Whether connections may be waiting that the last burst left.
    pub(super) more: bool,
}

impl Supervisor {
    fn run(mut self) -> Result<(), RunError> {
        let mut events = Events::with_capacity(16);
        loop {
            let pause = match (self.held.is_some(), self.paused, self.more) {
                (true, _, _) => Some(MAIL_PAUSE),
                (false, true, _) => Some(Listener::PAUSE),
                (false, false, more) => more.then_some(Duration::ZERO),
            };
            let watch = self.reloading.watch().timeout();
            let duck = self.lame_duck.as_ref().map(LameDuck::timeout);
            let change = self.fetching.timeout();
            let callers = self.upgrading.timeout();
            let timeout = [pause, watch, duck, change, callers].into_iter().flatten().min();
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return Err(RunError::System("waiting", error));
                }
                Ok(()) | Err(_) => {}
            }
            if self.ended.any.load(Ordering::SeqCst) {
                return Err(RunError::ShardEnded);
            }
            if self.must_stop() || self.follow_lame_duck() {
                self.stop();
                return Ok(());
            }
            self.finish_reload();
            if self.follow_upgrade() {
                self.must_stop();
                self.grant_wishes(true);
                self.catch_up();
                self.vanish();
                return Ok(());
            }
            self.grant_wishes(false);
            self.catch_up();
            self.renew_accounts();
            if self.reloading.watch().has_changed() {
                let text = "The configuration has changed on disk, reloading it";
                self.log.line(Level::Info, text.to_owned());
                self.reload();
            }
            self.accept_all();
        }
    }
}

/// What other threads of the broker tell the supervisor by.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) waker: Waker,
    /// Whether a shard's thread has ended.
    pub(super) any: AtomicBool,
    /// Who asked for a reload.
    pub(super) wishes: ArrayQueue<(ShardId, Asker)>,
}

impl Ended {
    /// Asks for a reload, or gives back who did when too many have.
    pub(super) fn wish_for_reload(
        &self,
        shard: ShardId,
        asker: Asker,
    ) -> Result<(), (ShardId, Asker)> {
        self.wishes.push((shard, asker))?;
        // If this fails, the supervisor sees it at its next connection or signal.
        let _ = self.waker.wake();
        Ok(())
    }

    /// Reloads that may be asked for and have not begun.
    pub(super) const WISHES_MAX: usize = 16;
}

/// Tells the supervisor when its owner, a shard's thread, ends.
pub(super) struct Alarm(pub(super) Arc<Ended>);

impl Drop for Alarm {
    fn drop(&mut self) {
        self.0.any.store(true, Ordering::SeqCst);
        // If even this fails, the supervisor sees the end at its next connection or signal.
        let _ = self.0.waker.wake();
    }
}

pub(super) const SIGNALS: Token = Token(1);
pub(super) const SHARD_ENDED: Token = Token(2);
/// How long to leave a full mail box alone.
pub(super) const MAIL_PAUSE: Duration = Duration::from_millis(1);
