//! The supervisor: starts the shards, hands them connections, and stops them on a signal.
//!
//! Absent: reading or writing a client's socket. Its loop sleeps until somebody connects or a
//! signal comes; when the system has no descriptors left it looks again after a pause and does not
//! spin.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::{Events, Poll, Token, Waker};
use signal_hook_mio::v1_0::Signals;

use super::run_error::RunError;
use crate::config::Config;
use crate::core::ids::ShardId;
use crate::io::accept::Listener;
use crate::io::exchange::{Exchange, Mail};
use crate::io::log::{Level, Log};
use crate::io::log_sink::{LogTarget, Sink};

/// What a broker is started with.
#[derive(Debug)]
pub struct Start {
    /// The name it was called by, without its path.
    pub executable: String,
    /// What the operator wants.
    pub config: Config,
}

/// Runs a broker until a signal stops it.
pub fn run(start: &Start) -> Result<(), RunError> {
    let config = &start.config;
    let target = LogTarget::of(config, &start.executable);
    let sink = Sink::open(target).map_err(RunError::Log)?;
    let (log, writer) = Log::start(sink, config.verbosity.debug)
        .map_err(|error| RunError::System("starting the log", error))?;
    let result = Supervisor::start(start, log.clone()).and_then(Supervisor::run);
    if let Err(error) = &result {
        log.line(Level::Fatal, error.to_string());
    }
    writer.end();
    if let (Some(path), Ok(())) = (&config.pid_file, &result) {
        // The file may have been removed already; the broker has ended either way.
        let _ = std::fs::remove_file(path);
    }
    result
}

/// What runs the broker. Its other deeds stand in `start`, `placing`, `signals` and `stop`.
pub(super) struct Supervisor {
    pub(super) poll: Poll,
    pub(super) signals: Signals,
    pub(super) listener: Listener,
    pub(super) exchange: Arc<Exchange>,
    pub(super) threads: Vec<JoinHandle<io::Result<()>>>,
    pub(super) log: Log,
    pub(super) ended: Arc<Ended>,
    pub(super) connections_max: u64,
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
            let timeout = match (self.held.is_some(), self.paused, self.more) {
                (true, _, _) => Some(MAIL_PAUSE),
                (false, true, _) => Some(Listener::PAUSE),
                (false, false, more) => more.then_some(Duration::ZERO),
            };
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return Err(RunError::System("waiting", error));
                }
                Ok(()) | Err(_) => {}
            }
            if self.ended.any.load(Ordering::SeqCst) {
                return Err(RunError::ShardEnded);
            }
            if self.must_stop() {
                self.stop();
                return Ok(());
            }
            self.accept_all();
        }
    }
}

/// What shards' threads leave behind when they end.
pub(super) struct Ended {
    pub(super) waker: Waker,
    pub(super) any: AtomicBool,
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

pub(super) const LISTENER: Token = Token(0);
pub(super) const SIGNALS: Token = Token(1);
pub(super) const SHARD_ENDED: Token = Token(2);
/// How long to leave a full mail box alone.
pub(super) const MAIL_PAUSE: Duration = Duration::from_millis(1);
