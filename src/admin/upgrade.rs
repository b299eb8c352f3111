//! An upgrade as the old process sees it: somebody asks, a new process is started, and when that is
//! ready, clients go over.
//!
//! Absent: the going over itself (`handing_over`) and the new process's side (`taking_over`). Until
//! the new process is ready the broker serves as always. A stop or a lame duck calls the upgrade
//! off; a SIGHUP waits until it is over, and a reload that somebody is to be answered about is done
//! before it goes on, and by the new process again.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener as StdListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mio::net::UnixListener;
use mio::{Interest, Registry, Token};
use serde_json::Value;

use super::supervisor::{Ended, Supervisor};
use super::taking_over;
use super::welcome::{Place, Welcome};
use crate::core::auth::operator::OperatorState;
use crate::core::moving::STATE_VERSION;
use crate::io::accept::Listener;
use crate::io::control::{self, Caller};
use crate::io::handover::{Channel, Kind, is_end, told};
use crate::io::log::Level;

/// What a broker needs for an upgrade.
pub(super) struct Upgrading {
    /// Where it is asked; `None` if that could not be opened.
    control: Option<UnixListener>,
    /// The executable, as it was called at the start.
    binary: PathBuf,
    bell: Arc<Ended>,
    tell: Sender<News>,
    news: Receiver<News>,
    /// When to look for callers again though nothing has happened.
    look_again: Option<Duration>,
    /// Each thread that hears a caller holds it once more.
    hearing: Arc<()>,
    /// An upgrade under way.
    under_way: Option<UnderWay>,
    /// A new process that is ready for clients, or why there is none.
    launched: Option<Result<Launched, String>>,
    /// Whether a reload was asked for that the new process may know nothing of.
    pub(super) must_tell: bool,
    /// Signals that came meanwhile.
    pub(super) held_back: VecDeque<i32>,
    /// The process that took over, once one has.
    pub(super) successor: Option<u32>,
}

/// A new process that is coming up.
pub(super) struct UnderWay {
    caller: Option<Caller>,
    child: Arc<Mutex<Option<Child>>>,
}

/// What threads tell the supervisor.
enum News {
    Asked(Caller),
    Launched(Result<Launched, String>),
}

/// A new process that is ready for clients.
pub(super) struct Launched {
    pub(super) channel: Channel,
    pub(super) process: u32,
    pub(super) until: Instant,
}

/// What somebody wants.
struct Request {
    binary: Option<PathBuf>,
    patience: Duration,
}

impl Upgrading {
    pub(super) fn new(bell: &Arc<Ended>, registry: &Registry) -> Self {
        let (tell, news) = channel();
        let control = control::open().ok().map(|listener: StdListener| {
            let mut listener = UnixListener::from_std(listener);
            // It is looked at whenever anything happens, if this fails.
            let _ = registry.register(&mut listener, CONTROL, Interest::READABLE);
            listener
        });
        Self {
            control,
            binary: called_by(),
            bell: Arc::clone(bell),
            tell,
            news,
            look_again: None,
            hearing: Arc::new(()),
            under_way: None,
            launched: None,
            must_tell: false,
            held_back: VecDeque::new(),
            successor: None,
        }
    }

    /// Whether anybody can ask.
    pub(super) fn can_be_asked(&self) -> bool {
        self.control.is_some()
    }

    /// Whether a new process is coming up.
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Nobody is heard any more.
    pub(super) fn close(&mut self) {
        self.control = None;
    }

    /// How long the supervisor may sleep for the sake of callers and of a new process.
    pub(super) fn timeout(&self) -> Option<Duration> {
        let left = |launched: &Launched| launched.until.saturating_duration_since(Instant::now());
        let launched = self.launched.as_ref().and_then(|result| result.as_ref().ok()).map(left);
        [self.look_again, launched].into_iter().flatten().min()
    }

    /// Whether a new process can be kept waiting.
    fn has_time(&self) -> bool {
        let launched = self.launched.as_ref().and_then(|result| result.as_ref().ok());
        launched.is_none_or(|launched| Instant::now() < launched.until)
    }

    /// Lets callers in. Any user may call, but only those who may ask cost more than a look.
    fn hear_callers(&mut self) {
        self.look_again = None;
        let Some(control) = &self.control else { return };
        for _ in 0..CALLERS_PER_LOOK {
            let stream = match control.accept() {
                Ok((stream, _)) => std::os::unix::net::UnixStream::from(OwnedFd::from(stream)),
                Err(error) => {
                    // Otherwise the socket says when there is somebody again.
                    let is_done = error.kind() == std::io::ErrorKind::WouldBlock;
                    self.look_again = (!is_done).then_some(Listener::PAUSE);
                    return;
                }
            };
            if !Caller::may_ask(&stream) || Arc::strong_count(&self.hearing) > HEARINGS_MAX {
                continue;
            }
            let (tell, bell) = (self.tell.clone(), Arc::clone(&self.bell));
            let hearing = Arc::clone(&self.hearing);
            // If no thread can be had, the caller sees its line end.
            let _ = std::thread::Builder::new().name("control".to_owned()).spawn(move || {
                if let Ok(caller) = Caller::hear(stream) {
                    // Both fail only when the supervisor has ended.
                    let _ = tell.send(News::Asked(caller));
                    let _ = bell.waker.wake();
                }
                drop(hearing);
            });
        }
        self.look_again = Some(Duration::ZERO);
    }
}

impl UnderWay {
    /// Ends the new process.
    fn kill(&self) {
        if let Some(child) = &mut *self.child.lock().unwrap_or_else(PoisonError::into_inner) {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Supervisor {
    /// Hears who asks, and goes on with an upgrade. Says whether the broker is another process's
    /// from here on, and nobody is left here.
    pub(super) fn follow_upgrade(&mut self) -> bool {
        self.upgrading.hear_callers();
        while let Ok(news) = self.upgrading.news.try_recv() {
            match news {
                News::Asked(caller) => self.begin_upgrade(caller),
                News::Launched(result) => self.upgrading.launched = Some(result),
            }
        }
        // Whoever asked for a reload is answered before the answer would reach nobody.
        if self.reloading.is_under_way() && self.upgrading.has_time() {
            return false;
        }
        match self.upgrading.launched.take() {
            Some(result) => self.finish_upgrade(result),
            None => false,
        }
    }

    fn begin_upgrade(&mut self, caller: Caller) {
        match self.try_begin_upgrade(&caller) {
            Ok(under_way) => {
                self.upgrading.under_way =
                    Some(UnderWay { caller: Some(caller), child: under_way });
            }
            Err(reason) => {
                self.log.line(Level::Error, format!("No upgrade: {reason}"));
                caller.answer(&Err(reason));
            }
        }
    }

    fn try_begin_upgrade(&mut self, caller: &Caller) -> Result<Arc<Mutex<Option<Child>>>, String> {
        let request = Request::parse(&caller.request).ok_or("the request is not understood")?;
        if self.upgrading.is_under_way() {
            return Err("an upgrade is under way".to_owned());
        }
        if self.lame_duck.is_some() {
            return Err("the broker is leaving".to_owned());
        }
        if std::process::id() == 1 {
            let text = "the broker is the first process of its container, which ends with it";
            return Err(text.to_owned());
        }
        let binary = request.binary.unwrap_or_else(|| self.upgrading.binary.clone());
        self.log.line(Level::Info, format!("Upgrading to {}", binary.display()));
        let child = Arc::new(Mutex::new(None));
        let launch = Launch {
            binary,
            welcome: self.welcome(),
            listeners: self.lend_listeners().map_err(|error| format!("listeners: {error}"))?,
            until: Instant::now() + request.patience,
            child: Arc::clone(&child),
        };
        let (tell, bell) = (self.upgrading.tell.clone(), Arc::clone(&self.upgrading.bell));
        let spawned = std::thread::Builder::new().name("upgrade".to_owned()).spawn(move || {
            // Both fail only when the supervisor has ended.
            let _ = tell.send(News::Launched(launch.run()));
            let _ = bell.waker.wake();
        });
        spawned.map_err(|error| error.to_string())?;
        Ok(child)
    }

    /// Whether clients are another process's now, and none is left here.
    fn finish_upgrade(&mut self, result: Result<Launched, String>) -> bool {
        // It was called off.
        let Some(mut under_way) = self.upgrading.under_way.take() else { return false };
        let result = result.and_then(|launched| self.hand_over(launched, || under_way.kill()));
        let (answer, is_over) = match result {
            Ok(done) => {
                self.log.line(Level::Info, format!("Upgrade done: {}", done.text));
                (Ok(done.text), done.is_over)
            }
            Err(reason) => {
                under_way.kill();
                self.log.line(Level::Error, format!("Upgrade failed: {reason}"));
                (Err(reason), false)
            }
        };
        if let Some(caller) = under_way.caller.take() {
            caller.answer(&answer);
        }
        is_over
    }

    /// Calls an upgrade off, if one is under way.
    pub(super) fn cancel_upgrade(&mut self, reason: &str) {
        if let Some(mut under_way) = self.upgrading.under_way.take() {
            self.upgrading.launched = None;
            under_way.kill();
            self.log.line(Level::Error, format!("Upgrade failed: {reason}"));
            if let Some(caller) = under_way.caller.take() {
                caller.answer(&Err(reason.to_owned()));
            }
        }
    }

    fn welcome(&self) -> Welcome {
        let pairs = self.config.listeners.iter().zip(&self.listeners);
        let operator = self.premises.operator.as_deref();
        let fetched = operator.into_iter().flat_map(OperatorState::texts);
        Welcome {
            state: STATE_VERSION,
            process: std::process::id(),
            seed: self.seed,
            clock_ns: self.clock.now().as_ns(),
            listeners: pairs
                .map(|(config, _)| Place::of(&config.name, &config.address))
                .chain(self.monitor_lent.iter().map(|(place, _)| place.clone()))
                .collect(),
            accounts: fetched.map(|(key, text)| (key.to_owned(), text.to_owned())).collect(),
        }
    }

    fn lend_listeners(&self) -> std::io::Result<Vec<OwnedFd>> {
        let lend = |listening: &super::listeners::Listening| {
            listening.listener.descriptor().try_clone_to_owned()
        };
        let monitor = self.monitor_lent.iter().map(|(_, socket)| socket.try_clone());
        self.listeners.iter().map(lend).chain(monitor).collect()
    }
}

impl Request {
    /// A line of JSON.
    fn parse(line: &str) -> Option<Self> {
        let whole: Value = serde_json::from_str(line).ok()?;
        let upgrade = whole.get("upgrade")?;
        let binary = match upgrade.get("binary") {
            None | Some(Value::Null) => None,
            Some(binary) => Some(PathBuf::from(binary.as_str()?)),
        };
        let seconds = upgrade.get("patience_s")?.as_u64()?.clamp(1, PATIENCE_S_MAX);
        Some(Self { binary, patience: Duration::from_secs(seconds) })
    }
}

/// A new process on its way.
struct Launch {
    binary: PathBuf,
    welcome: Welcome,
    listeners: Vec<OwnedFd>,
    until: Instant,
    child: Arc<Mutex<Option<Child>>>,
}

impl Launch {
    /// Starts the new process and waits until it is ready.
    fn run(self) -> Result<Launched, String> {
        let unable = |error: std::io::Error| format!("{}: {error}", self.binary.display());
        let (channel, end) = Channel::pair().map_err(unable)?;
        let mut arguments = std::env::args_os();
        let name: OsString = arguments.next().unwrap_or_default();
        let mut command = Command::new(&self.binary);
        command.arg0(name).args(arguments).env(taking_over::VARIABLE, "1");
        let child = command.stdin(Stdio::from(end)).spawn().map_err(unable)?;
        // Our copy of its end goes with it, so that the line ends with the new process.
        drop(command);
        let process = child.id();
        *self.child.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
        let listeners: Vec<_> = self.listeners.iter().map(AsFd::as_fd).collect();
        channel
            .send(Kind::Welcome, &self.welcome.to_json(), &listeners, self.until)
            .map_err(|error| self.describe(&error))?;
        let hello = channel.receive(self.until).map_err(|error| self.describe(&error))?;
        match hello.kind {
            Kind::Hello if hello.bytes == STATE_VERSION.to_le_bytes() => {
                Ok(Launched { channel, process, until: self.until })
            }
            Kind::Hello => Err("the new process expects another version of state".to_owned()),
            Kind::Failed => Err(String::from_utf8_lossy(&hello.bytes).into_owned()),
            _ => Err("the new process said something else".to_owned()),
        }
    }

    /// What went wrong, and how the new process ended if it did.
    fn describe(&self, error: &std::io::Error) -> String {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let is_end = is_end(error);
        let status = child.as_mut().filter(|_| is_end).and_then(|child| {
            // A process that ends lets go of the line a moment before it has a status.
            let until = Instant::now() + END_MAX;
            while Instant::now() < until {
                if let Ok(Some(status)) = child.try_wait() {
                    return Some(status);
                }
                std::thread::park_timeout(END_PAUSE);
            }
            // Who has closed the line and lives on is of no use.
            let _ = child.kill();
            child.wait().ok()
        });
        match status {
            Some(status) => format!("the new process has ended ({status})"),
            None => told(error),
        }
    }
}

/// The path that the broker was called by, which a replaced file or link has too; or, where it was
/// found by its name alone, the file that was found.
fn called_by() -> PathBuf {
    let name = std::env::args_os().next().unwrap_or_default();
    let path = Path::new(&name);
    let folder = std::env::current_dir().unwrap_or_default();
    let is_path = path.components().count() > 1;
    if is_path { folder.join(path) } else { std::env::current_exe().unwrap_or_default() }
}

/// What events of the control socket are called.
pub(super) const CONTROL: Token = Token(3);
/// Callers that one look lets in.
const CALLERS_PER_LOOK: usize = 64;
/// Callers who are heard at once.
const HEARINGS_MAX: usize = 8;
/// How long a process that has closed the line may take to end, and the time between two looks.
const END_MAX: Duration = Duration::from_millis(500);
const END_PAUSE: Duration = Duration::from_millis(5);
/// Longest time that an upgrade may be given, in seconds.
const PATIENCE_S_MAX: u64 = 600;
