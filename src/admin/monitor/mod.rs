//! The monitor: a thread that answers questions about the broker, whoever asks them and in
//! whatever way: HTTP, or requests that shards bring.
//!
//! Absent: anything that a shard or the supervisor waits for. The thread may wait a second for
//! pages of shards; everybody else only leaves something on its desk. It sleeps when nobody asks.

mod account;
mod account_rows;
mod accounts;
mod answer;
mod asking;
mod certificates;
mod connection;
mod connz;
mod fixed;
mod healthz;
mod measured;
mod metrics;
mod moments;
mod options;
mod page;
mod process;
mod refusal;
mod requests;
mod serving;
mod statsz;
mod statusz;
mod subsz;
mod turns;
mod varz;
mod websocket;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use super::run_error::RunError;
use super::supervisor::Ended;
use super::taking_over::Inherited;
use super::welcome::Place;
use crate::config::Config;
use crate::config::listen::{Address, Tls};
use crate::core::ids::ShardId;
use crate::core::system_requests::SystemAnswer;
use crate::io::accept::Listener;
use crate::io::clock::Clock;
use crate::io::desk::{Desk, Errand, News, Sheet};
use crate::io::doorkeeper::Task;
use crate::io::exchange::Exchange;
use crate::io::http::HttpServer;
use crate::io::log::Log;
use crate::io::tls::Acceptor;
use crate::io::worker::WorkerPool;
use account_rows::AccountRows;
use accounts::Usage;
use moments::Calendar;
use process::Process;
use statsz::Pulse;
use statusz::History;
use turns::Turns;

/// See the module's head.
pub(super) struct Monitor {
    poll: Poll,
    http: Option<HttpServer>,
    /// Whether more requests may be waiting than the last look has answered.
    has_requests: bool,
    sheets: Receiver<Sheet>,
    turns: Turns,
    exchange: Arc<Exchange>,
    log: Log,
    news: News,
    /// When the certificate of the classic listener ends.
    certificate_end: String,
    calendar: Calendar,
    process: Process,
    workers: Arc<WorkerPool<Task>>,
    usage: Option<Usage>,
    account_rows: AccountRows,
    history: History,
    /// How often each path was asked for.
    requests: BTreeMap<&'static str, u64>,
    /// The number of the present question to shards, when each was last asked, and until when
    /// answers are waited for.
    question: u64,
    /// Answers to requests that their shards had no room for.
    unsent: Vec<(ShardId, SystemAnswer)>,
    pulse: Pulse,
    /// Asks the supervisor for what only it can do.
    wishes: Arc<Ended>,
    asked: Vec<Option<Instant>>,
    patience: Instant,
}

/// What there is of a monitor before the broker runs.
pub(super) struct Opening {
    poll: Poll,
    http: Option<HttpServer>,
    sheets: Receiver<Sheet>,
    host: String,
    /// For the log: what is spoken where.
    pub(super) told: Option<String>,
}

impl Opening {
    /// Opens the port, if there is to be one, and sets the desk up.
    pub(super) fn open(
        config: &Config,
        inherited: Option<&mut Inherited>,
    ) -> Result<(Self, Desk), RunError> {
        let system = |error| RunError::System("starting the monitor", error);
        let poll = Poll::new().map_err(system)?;
        let (desk, sheets) = Desk::new(poll.registry(), DESK).map_err(system)?;
        let (mut http, mut told) = (None, None);
        if let Some((server, place)) = open_port(config, inherited)? {
            told = Some(place);
            http = Some(server);
        }
        if let Some(http) = &mut http {
            http.register(&poll).map_err(system)?;
        }
        let host = host(config).to_owned();
        Ok((Self { poll, http, sheets, host, told }, desk))
    }

    /// The port's URL, for other programs.
    pub(super) fn url(&self, config: &Config) -> Option<(&'static str, std::net::SocketAddr)> {
        let scheme = if config.monitoring.https.is_some() { "https" } else { "http" };
        Some((scheme, self.http.as_ref()?.address()?))
    }

    /// The open port, to be lent to another process.
    pub(super) fn lent(&self) -> Option<(Place, OwnedFd)> {
        let listener = self.http.as_ref()?.listener();
        let address = listener.address()?;
        let place =
            Place { name: PLACE.to_owned(), host: self.host.clone(), port: Some(address.port()) };
        // Without a descriptor to spare the other process has to do without the port.
        Some((place, listener.descriptor().try_clone_to_owned().ok()?))
    }

    /// Begins the thread.
    pub(super) fn begin(
        self,
        exchange: Arc<Exchange>,
        news: News,
        workers: Arc<WorkerPool<Task>>,
        clock: Clock,
        log: Log,
        wishes: Arc<Ended>,
    ) -> io::Result<JoinHandle<()>> {
        let monitor = self.ready(exchange, news, workers, clock, log, wishes);
        let builder = std::thread::Builder::new().name("monitor".to_owned());
        builder.spawn(move || monitor.run())
    }

    /// The monitor, before it runs.
    fn ready(
        self,
        exchange: Arc<Exchange>,
        news: News,
        workers: Arc<WorkerPool<Task>>,
        clock: Clock,
        log: Log,
        wishes: Arc<Ended>,
    ) -> Monitor {
        let calendar = Calendar::new(clock);
        let Self { poll, http, sheets, .. } = self;
        let certificate_end = certificates::end_of(news.config.listeners.first());
        Monitor {
            poll,
            http,
            has_requests: false,
            sheets,
            turns: Turns::default(),
            exchange,
            log,
            news,
            certificate_end,
            calendar,
            process: Process::default(),
            workers,
            usage: None,
            account_rows: AccountRows::default(),
            history: History::default(),
            requests: BTreeMap::new(),
            question: 0,
            unsent: Vec::new(),
            pulse: Pulse::default(),
            wishes,
            asked: Vec::new(),
            patience: Instant::now(),
        }
    }
}

impl Monitor {
    fn run(mut self) {
        // Where processors are scarce, messages come before those who look; a system that does not
        // let us step back has decided otherwise.
        let _ = rustix::process::setpriority_process(None, NICENESS);
        let mut events = Events::with_capacity(EVENTS);
        while !self.exchange.desk.is_closed() {
            let http = self.http.as_ref().and_then(HttpServer::timeout);
            let has_more = self.has_requests || self.turns.has_more(&self.exchange.desk);
            let more = has_more.then_some(Duration::ZERO);
            let timeout = [http, self.due_in(), more].into_iter().flatten().min();
            // An interrupted poll has brought nothing.
            let _ = self.poll.poll(&mut events, timeout);
            // One at a time, so that who asks without end keeps nobody else from being served.
            if let Some(errand) = self.turns.next(&self.exchange.desk) {
                self.run_errand(errand);
            }
            self.do_what_is_due();
            self.serve(&events);
        }
    }

    fn run_errand(&mut self, errand: Errand) {
        match errand {
            Errand::News(news) => {
                self.certificate_end = certificates::end_of(news.config.listeners.first());
                self.news = *news;
            }
            Errand::Request(shard, request) => self.serve_request(shard, *request),
        }
    }

    /// How long the thread may sleep for the sake of what is done at certain times.
    fn due_in(&self) -> Option<Duration> {
        let now = Instant::now();
        let due = [self.process.due_in(now), self.resend_in(), Some(self.pulse.due_in(now))];
        due.into_iter().flatten().min()
    }

    /// Does what is done at certain times.
    fn do_what_is_due(&mut self) {
        self.process.look(Instant::now());
        self.send_waiting_answers();
        self.beat();
    }
}

/// The host whose port it is.
fn host(config: &Config) -> &str {
    let classic = config.listeners.first();
    match (&*config.monitoring.host, classic.map(|listener| &listener.address)) {
        ("", Some(Address::Tcp { host, .. })) => host,
        (host, _) => host,
    }
}

fn open_port(
    config: &Config,
    inherited: Option<&mut Inherited>,
) -> Result<Option<(HttpServer, String)>, RunError> {
    let monitoring = &config.monitoring;
    let (scheme, port) = match (monitoring.http, monitoring.https) {
        (Some(port), _) => ("http", port),
        (None, Some(port)) => ("https", port),
        (None, None) => return Ok(None),
    };
    let classic = config.listeners.first();
    let host = host(config);
    let address = Address::Tcp { host: host.into(), port };
    let wanted = Place::of(PLACE, &address);
    let listener = match inherited.and_then(|inherited| inherited.take_listener(&wanted)) {
        Some(socket) => Listener::adopt(socket, &address),
        None => Listener::open(&address),
    };
    let listener = listener.map_err(RunError::MonitorPort)?;
    let port = listener.address().map_or(port, |address| address.port());
    let acceptor = match classic.and_then(|listener| listener.tls.as_ref()) {
        Some(tls) if scheme == "https" => {
            // Whoever looks needs no certificate of its own, as in nats-server.
            let tls = Tls {
                verify: false,
                verify_and_map: false,
                pinned_certs: Vec::new(),
                ..tls.clone()
            };
            let acceptor = Acceptor::load(&tls);
            Some(acceptor.map_err(|error| RunError::Tls("monitor".to_owned(), error))?)
        }
        _ => None,
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let told = format!("Starting {scheme} monitor on {host}:{port}");
    Ok(Some((HttpServer::new(listener, acceptor), told)))
}

/// What the port is called among the listeners of two processes.
const PLACE: &str = "the monitor's";
/// The token of the desk's waker; the HTTP server has the others.
const DESK: Token = Token(0);
/// How far the thread steps back behind others.
const NICENESS: i32 = 10;
/// Events of one poll.
const EVENTS: usize = 256;

#[cfg(test)]
mod tests;
