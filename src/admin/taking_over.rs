//! An upgrade as the new process sees it: it is told what to know, gets ready, receives clients,
//! and says that they are its own.
//!
//! Absent: the old process's side (`handing_over`). Before that last word nothing that happens here
//! can be seen from outside, and the end of the line ends this process.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::files::PreparedPid;
use super::run_error::RunError;
use super::stop::send_now;
use super::supervisor::Supervisor;
use super::welcome::{Place, Welcome};
use crate::core::auth::delegation::Premises;
use crate::core::ids::ShardId;
use crate::core::moving::STATE_VERSION;
use crate::io::exchange::Mail;
use crate::io::handover::{Channel, Frame, Kind};
use crate::io::log::Level;
use crate::io::moving::{Delivery, Order, Rendezvous, Report, listeners_by_name};
use crate::io::stream::Stream;

/// Set in the environment of a process that follows another one; the line is its standard input.
pub(crate) const VARIABLE: &str = "FANFARE_TAKES_OVER";

/// The line to the process that this one follows, and what it has said.
#[derive(Debug)]
pub(crate) struct Inherited {
    channel: Channel,
    welcome: Welcome,
    listeners: Vec<Option<OwnedFd>>,
}

impl Inherited {
    /// The line, if this process was started to follow another one.
    pub(crate) fn find() -> Option<Result<Self, String>> {
        std::env::var_os(VARIABLE)?;
        Some(Self::open())
    }

    fn open() -> Result<Self, String> {
        let unable = |error: std::io::Error| format!("taking over: {error}");
        let end = std::io::stdin().as_fd().try_clone_to_owned().map_err(unable)?;
        let nothing = std::fs::File::open("/dev/null").map_err(unable)?;
        rustix::stdio::dup2_stdin(&nothing).map_err(|error| unable(error.into()))?;
        let channel = Channel::from_descriptor(end);
        let frame = channel.receive(Instant::now() + WELCOME_MAX).map_err(unable)?;
        let Frame { kind: Kind::Welcome, bytes, descriptors } = frame else {
            return Err("taking over: the old process said something else".to_owned());
        };
        let inherited = Welcome::from_json(&bytes).filter(|it| it.state == STATE_VERSION);
        let Some(welcome) = inherited else {
            let text = "this version understands another version of state than the old process's";
            Self::fail_on(&channel, text);
            return Err(text.to_owned());
        };
        if welcome.listeners.len() != descriptors.len() {
            return Err("taking over: listeners are missing".to_owned());
        }
        Ok(Self { channel, welcome, listeners: descriptors.into_iter().map(Some).collect() })
    }

    /// Tells the old process why nothing comes of it.
    pub(crate) fn fail(&self, reason: &str) {
        Self::fail_on(&self.channel, reason);
    }

    fn fail_on(channel: &Channel, reason: &str) {
        // It may have given up already.
        let _ = channel.send(Kind::Failed, reason.as_bytes(), &[], Instant::now() + FAREWELL_MAX);
    }

    /// A listener that the old process has at this place.
    pub(super) fn take_listener(&mut self, wanted: &Place) -> Option<OwnedFd> {
        let found = self.welcome.listeners.iter().position(|place| place.serves(wanted))?;
        self.listeners.get_mut(found)?.take()
    }

    /// Removes the sockets' files of listeners that nobody has any more. Whoever had one had its
    /// path, too, so that no listener of ours can be at one of them.
    fn remove_left(&self) {
        for (place, socket) in self.welcome.listeners.iter().zip(&self.listeners) {
            if place.port.is_none() && socket.is_some() {
                // If it is gone already, somebody else has done it.
                let _ = std::fs::remove_file(&place.host);
            }
        }
    }

    pub(super) fn seed(&self) -> u64 {
        self.welcome.seed
    }

    /// What the old process's clock showed a moment ago.
    pub(super) fn clock_ns(&self) -> u64 {
        self.welcome.clock_ns
    }

    /// Teaches the accounts that the old process has fetched.
    pub(super) fn teach(&self, premises: &mut Premises) {
        let Some(operator) = &mut premises.operator else { return };
        let mut taught = (**operator).clone();
        for (key, text) in &self.welcome.accounts {
            if taught.account(key).is_none() {
                // Who does not trust it any more goes without, as after a reload.
                let _ = taught.learn(key, text);
            }
        }
        *operator = std::sync::Arc::new(taught);
    }

    /// Waits for a frame of a broker that may take its time.
    fn receive(&self) -> Result<Frame, RunError> {
        let until = Instant::now() + STEP_MAX;
        self.channel.receive(until).map_err(|error| RunError::TakingOver(error.to_string()))
    }

    fn say(&self, kind: Kind, bytes: &[u8]) -> Result<(), RunError> {
        let until = Instant::now() + STEP_MAX;
        let said = self.channel.send(kind, bytes, &[], until);
        said.map_err(|error| RunError::TakingOver(error.to_string()))
    }
}

impl Supervisor {
    /// Lets the shards wait for clients of the old process.
    pub(super) fn await_clients(&self, inherited: &Inherited) {
        let theirs: Vec<String> =
            inherited.welcome.listeners.iter().map(|place| place.name.clone()).collect();
        let ours: Vec<&str> = self.config.listeners.iter().map(|it| &*it.name).collect();
        let listeners = listeners_by_name(&theirs, &ours);
        for shard in self.exchange.shards() {
            send_now(&self.exchange, shard, Mail::Await(listeners.clone()));
        }
    }

    /// Takes the old process's clients over; the broker is this process when this returns.
    pub(super) fn take_over(&mut self, inherited: &Inherited) -> Result<(), RunError> {
        let pid_file = self.config.pid_file.as_deref().map(PreparedPid::new).transpose();
        let path = self.config.pid_file.clone().unwrap_or_default();
        let pid_file = pid_file.map_err(|error| RunError::PidFile(path.clone(), error))?;
        inherited.say(Kind::Hello, &STATE_VERSION.to_le_bytes())?;
        let mut moved = 0;
        loop {
            let frame = inherited.receive()?;
            match frame.kind {
                Kind::Parcel => {
                    moved += frame.descriptors.len();
                    self.deliver(frame)?;
                    inherited.say(Kind::Received, &[])?;
                }
                Kind::All => {
                    let number = <[u8; 8]>::try_from(&frame.bytes[..]).map(u64::from_le_bytes);
                    self.next_number = number.map_err(|_| confused())?;
                    break;
                }
                _ => return Err(confused()),
            }
        }
        self.settle_interest()?;
        inherited.say(Kind::Ready, &[])?;
        if inherited.receive()?.kind != Kind::Go {
            return Err(confused());
        }
        if let Some(pid_file) = pid_file {
            pid_file.publish().map_err(|error| RunError::PidFile(path, error))?;
        }
        inherited.say(Kind::Mine, &[])?;
        self.serve_clients();
        inherited.remove_left();
        let text =
            format!("Took over {moved} connections from process {}", inherited.welcome.process);
        self.log.line(Level::Info, text);
        Ok(())
    }

    /// Brings a parcel to its shard, which may be another one where there are fewer.
    fn deliver(&self, frame: Frame) -> Result<(), RunError> {
        let Frame { mut bytes, descriptors, .. } = frame;
        if bytes.is_empty() {
            return Err(confused());
        }
        let from = usize::from(bytes.remove(0));
        let shard = ShardId::new(from % self.config.shards.max(1)).ok_or_else(confused)?;
        let (told, answer) = channel();
        let streams = descriptors.into_iter().map(Stream::from).collect();
        let delivery = Delivery { bytes, streams, told };
        send_now(&self.exchange, shard, Mail::Parcel(Box::new(delivery)));
        let result = answer.recv_timeout(STEP_MAX).map_err(|_| RunError::ShardEnded)?;
        result.map_err(RunError::TakingOver)
    }

    /// Waits until every shard knows what the others' clients want.
    fn settle_interest(&self) -> Result<(), RunError> {
        let until = Instant::now() + STEP_MAX;
        while Instant::now() < until {
            let held: Vec<_> = self.exchange.shards().map(|shard| self.look_at(shard)).collect();
            let mut is_calm = true;
            for (reports, _) in &held {
                match reports.recv_timeout(STEP_MAX) {
                    Ok(Report::Rests(rest)) => is_calm &= rest.is_calm,
                    Ok(_) | Err(_) => return Err(RunError::ShardEnded),
                }
            }
            for (_, orders) in &held {
                // A shard that has ended ends this process.
                let _ = orders.send(Order::Calm);
            }
            if is_calm {
                return Ok(());
            }
            std::thread::park_timeout(LOOK_PAUSE);
        }
        Err(RunError::TakingOver("shards do not come to rest".to_owned()))
    }

    fn look_at(&self, shard: ShardId) -> (Receiver<Report>, std::sync::mpsc::Sender<Order>) {
        let (orders, received) = channel();
        let (told, reports) = channel();
        let rendezvous = Rendezvous { reports: told, orders: received };
        send_now(&self.exchange, shard, Mail::Hold(Box::new(rendezvous)));
        (reports, orders)
    }

    fn serve_clients(&mut self) {
        let mut answers = Vec::new();
        for shard in self.exchange.shards() {
            let (told, answer) = channel();
            send_now(&self.exchange, shard, Mail::MoveIn(told));
            answers.push(answer);
        }
        for answer in answers {
            // A shard that has ended ends this process.
            let _ = answer.recv_timeout(STEP_MAX);
        }
        for listening in &mut self.listeners {
            listening.listener.own();
        }
        for shard in self.exchange.shards() {
            let stats = self.exchange.stats(shard);
            self.sent[shard.index()] = stats.clients_total;
        }
    }
}

fn confused() -> RunError {
    RunError::TakingOver("the old process said something else".to_owned())
}

/// How long the old process may take for its first words.
const WELCOME_MAX: Duration = Duration::from_secs(10);
/// How long either process may take for one step: the old one has a bound of its own.
const STEP_MAX: Duration = Duration::from_secs(60);
const FAREWELL_MAX: Duration = Duration::from_secs(1);
/// Time between two looks at the shards.
const LOOK_PAUSE: Duration = Duration::from_micros(300);
