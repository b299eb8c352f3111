//! The start: what is opened and begun in which order, and what the log says of it.
//!
//! Absent: reading the configuration (`cli`); whatever is configured here has been checked.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crossbeam_queue::ArrayQueue;
use fanfare_protocol::info::ServerInfo;
use mio::{Interest, Poll, Waker};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook_mio::v1_0::Signals;

use super::fetching::Fetching;
use super::identity::Identity;
use super::listeners::{self, Listening};
use super::monitor::Opening;
use super::notify::Notify;
use super::premises::{Prepared, wall_ms};
use super::reload::Reloading;
use super::run_error::RunError;
use super::shards::{self, Plan};
use super::supervisor::{Ended, SHARD_ENDED, SIGNALS, Start, Supervisor};
use super::taking_over::Inherited;
use super::upgrade::Upgrading;
use super::welcome::Place;
use super::{files, limits, policy, premises};
use crate::core::accounts::Accounts;
use crate::core::auth::delegation::Premises;
use crate::core::policy::Policy;
use crate::core::time::Instant;
use crate::io::clock::Clock;
use crate::io::desk::Desk;
use crate::io::doorkeeper::Task;
use crate::io::gate::Gate;
use crate::io::log::{Level, Log};
use crate::io::log_sink::LogTarget;
use crate::io::resolver::Origin;
use crate::io::worker::WorkerPool;

impl Supervisor {
    /// Starts everything; the broker serves when this returns.
    pub(super) fn start(mut start: Start, log: Log, target: LogTarget) -> Result<Self, RunError> {
        let mut inherited = start.inherited.take();
        let result = Self::begin(start, log, target, inherited.as_mut());
        if let (Err(error), Some(inherited)) = (&result, &inherited) {
            inherited.fail(&error.to_string());
        }
        result
    }

    fn begin(
        start: Start,
        log: Log,
        target: LogTarget,
        mut inherited: Option<&mut Inherited>,
    ) -> Result<Self, RunError> {
        let config = &start.reading.config;
        let open_files = limits::raise_open_files();
        let identity = Identity::draw()
            .map_err(|error| RunError::System("drawing the server's keys", error))?;
        let info = identity.server_info(config);
        announce(&log, &start, &info, open_files);
        let listeners = listeners::open_all(config, inherited.as_deref_mut())?;
        let (monitor, desk) = Opening::open(config, inherited.as_deref_mut())?;
        let inherited = inherited.map(|inherited| &*inherited);
        // Proofs of clients that are taken over are known by the old one.
        let seed = inherited.map_or_else(shards::random_seed, |it| Ok(it.seed()));
        let seed = seed.map_err(|error| RunError::System("drawing a seed", error))?;
        let clock = Clock::from(Instant::from_ns(inherited.map_or(0, Inherited::clock_ns)));
        let prepared = premises::prepare(config, &identity, &Premises::default())?;
        let Prepared { mut premises, origin, told } = prepared;
        if let Some(inherited) = inherited {
            inherited.teach(&mut premises);
        }
        for line in told {
            log.line(Level::Warn, line);
        }
        let policy = policy::compile(config, &Accounts::none(), &premises, seed, &log)?;
        let identity = Arc::new(identity);
        let monitor_url = monitor.url(config);
        let monitor_lent = monitor.lent();
        let ground = Ground {
            listeners,
            desk,
            monitor_url,
            monitor_lent,
            info,
            identity,
            premises,
            origin,
            policy,
            seed,
            clock,
        };
        let (mut supervisor, workers) = Self::launch(start, log, target, ground)
            .map_err(|error| RunError::System("starting", error))?;
        match inherited {
            Some(inherited) => {
                supervisor.await_clients(inherited);
                supervisor.take_over(inherited)?;
            }
            None => supervisor.write_pid_file()?,
        }
        supervisor
            .begin_monitor(monitor, workers)
            .map_err(|error| RunError::System("starting the monitor", error))?;
        supervisor.announce_ready();
        Ok(supervisor)
    }

    fn launch(
        start: Start,
        log: Log,
        target: LogTarget,
        ground: Ground,
    ) -> io::Result<(Self, Arc<WorkerPool<Task>>)> {
        let Start { executable, reading, source, .. } = start;
        let Ground { mut listeners, desk, clock, monitor_url, monitor_lent, .. } = ground;
        let Ground { info, identity, premises, origin, policy, seed, .. } = ground;
        let mut config = reading.config;
        listeners::settle_ports(&mut config, &listeners);
        let config = Arc::new(config);
        let (poll, signals, ended) = watch(&mut listeners)?;
        let entrances = listeners::entrances(&config, &listeners, &info);
        let fetching = Fetching::new(&ended, origin);
        let plan = Plan {
            resolver: &fetching.resolver,
            config: &config,
            policy: &policy,
            entrances: &entrances,
            log: &log,
            ended: &ended,
            clock,
        };
        let begun = shards::begin(&plan, desk)?;
        let upgrading = Upgrading::new(&ended, poll.registry());
        let mut supervisor = Self {
            poll,
            signals,
            listeners,
            exchange: begun.exchange,
            threads: begun.threads,
            monitor: None,
            monitor_url,
            monitor_lent,
            loaded_ms: wall_ms(),
            log,
            executable,
            reloading: Reloading::new(source, reading.files, &config, target, Arc::clone(&ended)),
            ports_file: None,
            ended,
            connections_max: config.limits.connections_max as u64,
            policy,
            identity,
            premises: Premises::default(),
            fetching,
            entrances,
            info,
            seed,
            clock,
            upgrading,
            lame_duck: None,
            notify: Notify::from_environment(),
            sent: vec![0; config.shards],
            config,
            next_number: 1,
            held: None,
            paused: false,
            more: false,
        };
        supervisor.settle_in(premises);
        Ok((supervisor, begun.workers))
    }

    /// Whoever watches the broker is answered when its clients are here.
    fn begin_monitor(
        &mut self,
        monitor: Opening,
        workers: Arc<WorkerPool<Task>>,
    ) -> io::Result<()> {
        if let Some(told) = &monitor.told {
            self.log.line(Level::Info, told.clone());
        }
        let (exchange, log) = (Arc::clone(&self.exchange), self.log.clone());
        let (wishes, news) = (Arc::clone(&self.ended), self.news());
        self.monitor = Some(monitor.begin(exchange, news, workers, self.clock, log, wishes)?);
        Ok(())
    }

    fn write_pid_file(&self) -> Result<(), RunError> {
        let Some(path) = &self.config.pid_file else { return Ok(()) };
        files::write_pid(path).map_err(|error| RunError::PidFile(path.clone(), error))
    }

    /// The files are there when the log says that the broker is ready.
    fn announce_ready(&mut self) {
        self.write_ports_file();
        let line = |text| self.log.line(Level::Info, text);
        for Listening { place, gate, .. } in &self.listeners {
            if gate.websocket.is_some() {
                self.announce_websocket(place, gate);
                continue;
            }
            line(format!("Listening for client connections on {place}"));
            if let Some(tls) = &gate.tls {
                let word = if tls.allow_non_tls { "available" } else { "required" };
                line(format!("TLS {word} for client connections"));
            }
            if gate.proxy_protocol {
                line("PROXY protocol enabled for client connections".to_owned());
            }
        }
        if !self.upgrading.can_be_asked() {
            let text = "The socket for commands cannot be opened: no upgrade is possible";
            self.log.line(Level::Warn, text.to_owned());
        }
        line("Server is ready".to_owned());
        self.notify.ready();
    }

    fn announce_websocket(&self, place: &str, gate: &Gate) {
        let scheme = if gate.tls.is_some() { "wss" } else { "ws" };
        let text = format!("Listening for websocket clients on {scheme}://{place}");
        self.log.line(Level::Info, text);
        if gate.tls.is_none() {
            let text = "Websocket not configured with TLS. DO NOT USE IN PRODUCTION!";
            self.log.line(Level::Warn, text.to_owned());
        }
    }
}

/// What the supervisor sleeps on: listeners, signals, and what other threads tell it.
fn watch(listeners: &mut [Listening]) -> io::Result<(Poll, Signals, Arc<Ended>)> {
    let poll = Poll::new()?;
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2])?;
    for listening in listeners {
        listening.register(poll.registry())?;
    }
    poll.registry().register(&mut signals, SIGNALS, Interest::READABLE)?;
    let ended = Arc::new(Ended {
        waker: Waker::new(poll.registry(), SHARD_ENDED)?,
        any: AtomicBool::new(false),
        wishes: ArrayQueue::new(Ended::WISHES_MAX),
    });
    Ok((poll, signals, ended))
}

/// What is there before anything runs.
struct Ground {
    listeners: Vec<Listening>,
    desk: Desk,
    monitor_url: Option<(&'static str, SocketAddr)>,
    monitor_lent: Option<(Place, OwnedFd)>,
    info: ServerInfo,
    identity: Arc<Identity>,
    premises: Premises,
    origin: Option<Origin>,
    policy: Arc<Policy>,
    seed: u64,
    clock: Clock,
}

fn announce(log: &Log, start: &Start, info: &ServerInfo, open_files: Option<u64>) {
    let config = &start.reading.config;
    let line = |text| log.line(Level::Info, text);
    line(format!("Starting {}", start.executable));
    line(format!("  Version:  {} (NATS {})", env!("CARGO_PKG_VERSION"), info.version));
    line(format!("  Name:     {}", info.server_name));
    line(format!("  ID:       {}", info.server_id));
    line(format!("  Shards:   {}", config.shards));
    let files = open_files.map_or("unlimited".to_owned(), |files| files.to_string());
    line(format!("  Open files: {files}"));
    if let Some(source) = &start.source {
        let digest = config.digest.as_deref().map(|digest| format!(" ({digest})"));
        let digest = digest.unwrap_or_default();
        line(format!("Using configuration file: {}{digest}", source.path));
    }
    for warning in &config.warnings {
        log.line(Level::Warn, warning.clone());
    }
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
