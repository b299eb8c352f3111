//! The supervisor: starts the shards, hands them connections, and stops them on a signal.
//!
//! Absent: reading or writing a client's socket. Its loop sleeps until somebody connects or a
//! signal comes; when the system has no descriptors left it looks again after a pause and does not
//! spin.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use fanfare_protocol::info::ServerInfo;
use mio::{Events, Interest, Poll, Token, Waker};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook_mio::v1_0::Signals;

use super::{identity, limits};
use crate::config::Config;
use crate::config::listen::Address;
use crate::core::ids::{ClientNumber, ShardId};
use crate::core::placement::{self, Load};
use crate::core::shard::{Admission, Shard, ShardSetup};
use crate::io::accept::{Accepted, Listener};
use crate::io::clock::Clock;
use crate::io::exchange::{Exchange, Mail};
use crate::io::log::{Level, Log, LogTarget};
use crate::io::reactor::Reactor;

pub use super::identity::PROTOCOL_VERSION;

/// Why a broker could not start, or had to end.
#[derive(Debug)]
pub enum RunError {
    /// The log's file cannot be opened.
    Log(PathBuf, io::Error),
    /// The address cannot be listened on.
    Listen(String, io::Error),
    /// The file for the process id cannot be written.
    PidFile(String, io::Error),
    /// The system refused something else that a start needs.
    System(&'static str, io::Error),
    /// A shard ended though nobody stopped it.
    ShardEnded,
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(path, error) => {
                write!(f, "error opening the log file {}: {error}", path.display())
            }
            Self::Listen(address, error) => {
                write!(f, "Error listening on port: {address}, \"listen tcp {address}: {error}\"")
            }
            Self::PidFile(path, error) => write!(f, "error writing the pid file {path}: {error}"),
            Self::System(what, error) => write!(f, "error {what}: {error}"),
            Self::ShardEnded => f.write_str("a shard ended unexpectedly"),
        }
    }
}

impl std::error::Error for RunError {}

/// Runs a broker until a signal stops it.
pub fn run(config: &Config) -> Result<(), RunError> {
    let file = config.log_file.as_ref().map(PathBuf::from);
    let target = LogTarget { file: file.clone(), time: config.log_time };
    let (log, writer) = Log::open(target, config.verbosity)
        .map_err(|error| RunError::Log(file.unwrap_or_default(), error))?;
    let result = Supervisor::start(config, log.clone()).and_then(Supervisor::run);
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

struct Supervisor {
    poll: Poll,
    signals: Signals,
    listener: Listener,
    exchange: Arc<Exchange>,
    threads: Vec<JoinHandle<io::Result<()>>>,
    log: Log,
    ended: Arc<Ended>,
    connections_max: u64,
    /// Connections sent to each shard since the start.
    sent: Vec<u64>,
    next_number: u64,
    /// Mail that found its box full.
    held: Option<(ShardId, Mail)>,
    /// Whether the listener was left alone for want of descriptors.
    paused: bool,
    /// Whether connections may be waiting that the last burst left.
    more: bool,
}

impl Supervisor {
    fn start(config: &Config, log: Log) -> Result<Self, RunError> {
        let (host, port) = classic_address(config);
        let address = format!("{host}:{port}");
        let open_files = limits::raise_open_files();
        let listener =
            Listener::bind(&host, port).map_err(|error| RunError::Listen(address, error))?;
        let info = identity::server_info(config, &host, listener.address);
        announce(&log, config, &info, open_files);
        let mut supervisor = Self::launch(config, log, listener, info)
            .map_err(|error| RunError::System("starting", error))?;
        supervisor.announce_ready(config)?;
        Ok(supervisor)
    }

    fn launch(
        config: &Config,
        log: Log,
        mut listener: Listener,
        info: ServerInfo,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2])?;
        poll.registry().register(&mut listener.socket, LISTENER, Interest::READABLE)?;
        poll.registry().register(&mut signals, SIGNALS, Interest::READABLE)?;
        let ended = Arc::new(Ended {
            waker: Waker::new(poll.registry(), SHARD_ENDED)?,
            any: AtomicBool::new(false),
        });
        let polls = (0..config.shards).map(|_| Poll::new()).collect::<io::Result<Vec<_>>>()?;
        let wakers = polls
            .iter()
            .map(|poll| Waker::new(poll.registry(), Reactor::WAKER))
            .collect::<io::Result<Vec<_>>>()?;
        let exchange = Arc::new(Exchange::new(wakers, ShardSetup::BATCHES_PER_PEER));
        let clock = Clock::new();
        let limits = Arc::new(config.limits.clone());
        let mut threads = Vec::with_capacity(config.shards);
        for (id, poll) in exchange.shards().zip(polls) {
            let shard = Shard::new(ShardSetup {
                id,
                shards: config.shards,
                batches_per_peer: ShardSetup::BATCHES_PER_PEER,
                limits: Arc::clone(&limits),
                info: info.clone(),
                seed: random_seed()?,
                first_generation: 0,
                trace: config.verbosity.trace.then_some(config.traced_message_max),
                now: clock.now(),
            });
            let deadline = config.limits.stop_deadline_ns;
            let exchange = Arc::clone(&exchange);
            let reactor = Reactor::new(id, poll, exchange, clock, log.clone(), deadline);
            let name = format!("shard-{}", id.index());
            let alarm = Alarm(Arc::clone(&ended));
            threads.push(std::thread::Builder::new().name(name).spawn(move || {
                // Rung when the thread ends, by a panic too.
                let _alarm = alarm;
                reactor.run(Box::new(shard))
            })?);
        }
        Ok(Self {
            poll,
            signals,
            listener,
            exchange,
            threads,
            log,
            ended,
            connections_max: config.limits.connections_max as u64,
            sent: vec![0; config.shards],
            next_number: 1,
            held: None,
            paused: false,
            more: false,
        })
    }

    fn announce_ready(&mut self, config: &Config) -> Result<(), RunError> {
        if let Some(path) = &config.pid_file {
            std::fs::write(path, std::process::id().to_string())
                .map_err(|error| RunError::PidFile(path.clone(), error))?;
        }
        let port = self.listener.address.port();
        let (host, _) = classic_address(config);
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let line = |text| self.log.line(Level::Info, text);
        line(format!("Listening for client connections on {host}:{port}"));
        line("Server is ready".to_owned());
        Ok(())
    }

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

    fn must_stop(&mut self) -> bool {
        let mut stop = false;
        for signal in self.signals.pending() {
            match signal {
                SIGINT | SIGTERM => {
                    let name = if signal == SIGINT { "interrupt" } else { "terminated" };
                    self.log.line(Level::Info, format!("Trapped \"{name}\" signal"));
                    stop = true;
                }
                SIGUSR1 => {
                    self.log.reopen();
                    self.log.line(Level::Info, "File log re-opened".to_owned());
                }
                _ => {
                    let text = "Signal ignored: there is no configuration file to reload, \
                                and no lame duck mode";
                    self.log.line(Level::Warn, text.to_owned());
                }
            }
        }
        stop
    }

    fn stop(mut self) {
        self.log.line(Level::Info, "Initiating Shutdown...".to_owned());
        // Nobody new is let in while those who are here are served their last bytes.
        let _ = self.poll.registry().deregister(&mut self.listener.socket);
        drop(self.listener);
        for shard in self.exchange.shards() {
            let mut mail = Mail::Stop;
            while let Err(returned) = self.exchange.send(shard, mail) {
                mail = returned;
                std::thread::park_timeout(MAIL_PAUSE);
            }
        }
        for thread in self.threads {
            if let Ok(Err(error)) = thread.join() {
                self.log.line(Level::Error, format!("Error in a shard: {error}"));
            }
        }
        self.log.line(Level::Info, "Server Exiting..".to_owned());
    }

    fn accept_all(&mut self) {
        self.paused = false;
        self.more = false;
        if let Some((shard, mail)) = self.held.take()
            && !self.send(shard, mail)
        {
            return;
        }
        for _ in 0..ACCEPTS_PER_BURST {
            match self.listener.accept() {
                Accepted::Nobody => return,
                Accepted::Later(error) => {
                    let text = format!("Error accepting a connection: {error}; waiting");
                    self.log.line(Level::Error, text);
                    self.paused = true;
                    return;
                }
                Accepted::Stream(stream, peer) => {
                    let Some((shard, admission)) = self.place() else { return };
                    let number = ClientNumber(self.next_number);
                    self.next_number += 1;
                    let peer = peer.to_string().into_boxed_str();
                    let mail = Mail::Adopt { stream, number, peer, admission };
                    if !self.send(shard, mail) {
                        return;
                    }
                }
            }
        }
        self.more = true;
    }

    /// The shard for one more connection, and whether there is room for it.
    fn place(&self) -> Option<(ShardId, Admission)> {
        let loads: Vec<Load> = self
            .exchange
            .shards()
            .map(|shard| {
                let stats = self.exchange.stats(shard);
                let on_the_way = self.sent[shard.index()].saturating_sub(stats.clients_total);
                Load { shard, clients: stats.clients + on_the_way }
            })
            .collect();
        let clients: u64 = loads.iter().map(|load| load.clients).sum();
        let full = clients >= self.connections_max;
        let admission = if full { Admission::Full } else { Admission::Admitted };
        placement::choose(&loads).map(|shard| (shard, admission))
    }

    /// Sends mail, or holds it until the shard has room. Says whether it was sent.
    fn send(&mut self, shard: ShardId, mail: Mail) -> bool {
        match self.exchange.send(shard, mail) {
            Ok(()) => {
                self.sent[shard.index()] += 1;
                true
            }
            Err(mail) => {
                self.held = Some((shard, mail));
                false
            }
        }
    }
}

/// What shards' threads leave behind when they end.
struct Ended {
    waker: Waker,
    any: AtomicBool,
}

/// Tells the supervisor when its owner, a shard's thread, ends.
struct Alarm(Arc<Ended>);

impl Drop for Alarm {
    fn drop(&mut self) {
        self.0.any.store(true, Ordering::SeqCst);
        // If even this fails, the supervisor sees the end at its next connection or signal.
        let _ = self.0.waker.wake();
    }
}

fn announce(log: &Log, config: &Config, info: &ServerInfo, open_files: Option<u64>) {
    let line = |text| log.line(Level::Info, text);
    line("Starting fanfare".to_owned());
    line(format!("  Version:  {} (NATS {})", env!("CARGO_PKG_VERSION"), info.version));
    line(format!("  Name:     {}", info.server_name));
    line(format!("  ID:       {}", info.server_id));
    line(format!("  Shards:   {}", config.shards));
    let files = open_files.map_or("unlimited".to_owned(), |files| files.to_string());
    line(format!("  Open files: {files}"));
    if let Some(files) = open_files
        && files < config.limits.connections_max as u64
    {
        let text = format!(
            "The system allows {files} open files, fewer than the {} connections configured",
            config.limits.connections_max
        );
        log.line(Level::Warn, text);
    }
}

/// Host and port of the first listener.
fn classic_address(config: &Config) -> (String, u16) {
    match config.listeners.first().map(|listener| &listener.address) {
        Some(Address::Tcp { host, port }) => (host.to_string(), *port),
        Some(Address::Unix { .. }) | None => ("0.0.0.0".to_owned(), Config::PORT),
    }
}

fn random_seed() -> io::Result<u64> {
    getrandom::u64().map_err(io::Error::other)
}

const LISTENER: Token = Token(0);
const SIGNALS: Token = Token(1);
const SHARD_ENDED: Token = Token(2);
/// Connections accepted before signals are looked at again.
const ACCEPTS_PER_BURST: usize = 256;
/// How long to leave a full mail box alone.
const MAIL_PAUSE: Duration = Duration::from_millis(1);
