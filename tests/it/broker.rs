//! Starts and stops the broker under test as a process of its own.
//!
//! Absent: anything about the protocol. The port is always chosen by the system.

use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, mpsc};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use crate::log::Log;
use crate::wire::{Connection, DEADLINE};

/// What most client libraries say first.
pub(crate) const CONNECT: &str =
    "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true}\r\n";

/// Which program is under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// This project's broker.
    Fanfare,
    /// The protocol's reference server, to check the tests themselves.
    Reference,
}

/// The program under test.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("FANFARE_TEST_SERVER")
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_fanfare")), PathBuf::from)
}

/// Tells the two programs apart by what their help offers.
pub(crate) fn kind() -> Kind {
    static KIND: OnceLock<Kind> = OnceLock::new();
    *KIND.get_or_init(|| {
        let output = Command::new(binary()).arg("-h").output().expect("the binary runs");
        let help = [output.stdout, output.stderr].concat();
        if String::from_utf8_lossy(&help).contains("--shards") {
            Kind::Fanfare
        } else {
            Kind::Reference
        }
    })
}

/// A file name in the build directory that no other test uses.
pub(crate) fn scratch(name: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let pid = std::process::id();
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{pid}-{number}-{name}"))
}

/// The binary under test by another name, in a folder of its own.
pub(crate) fn called(name: &str) -> PathBuf {
    let folder = scratch("bin");
    fs::create_dir(&folder).expect("the scratch directory");
    let path = folder.join(name);
    std::os::unix::fs::symlink(binary(), &path).expect("a folder of ours");
    path
}

/// How to start a broker: limits by their nats-server names, and raw arguments.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    limits: Vec<(String, String)>,
    arguments: Vec<String>,
    shards: u32,
    host: &'static str,
    port: i32,
    descriptors: Option<u32>,
    executable: Option<PathBuf>,
}

impl Default for Settings {
    /// More shards than most machines that run tests have cores.
    fn default() -> Self {
        Self {
            limits: vec![],
            arguments: vec![],
            shards: 3,
            host: "127.0.0.1",
            port: -1,
            descriptors: None,
            executable: None,
        }
    }
}

impl Settings {
    /// Sets a limit, such as `max_payload`.
    pub(crate) fn limit(mut self, name: &str, value: impl ToString) -> Self {
        self.limits.push((name.to_owned(), value.to_string()));
        self
    }

    /// Sets a limit that the reference does not have, and is started without.
    pub(crate) fn own_limit(self, name: &str, value: impl ToString) -> Self {
        match kind() {
            Kind::Fanfare => self.limit(name, value),
            Kind::Reference => self,
        }
    }

    /// Adds raw command line arguments that both programs know.
    pub(crate) fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|&text| text.to_owned()));
        self
    }

    /// Sets the number of shards; the reference server has none.
    pub(crate) fn shards(mut self, shards: u32) -> Self {
        self.shards = shards;
        self
    }

    /// Listens on another address of this machine.
    pub(crate) fn host(mut self, host: &'static str) -> Self {
        self.host = host;
        self
    }

    /// Asks for one port, which an earlier broker of the same test was given by the system.
    pub(crate) fn port(mut self, port: u16) -> Self {
        self.port = i32::from(port);
        self
    }

    /// Limits the file descriptors of the process, soft and hard.
    pub(crate) fn descriptors(mut self, count: u32) -> Self {
        self.descriptors = Some(count);
        self
    }

    /// Starts the binary under another name, see [`called`].
    pub(crate) fn executable(mut self, path: &Path) -> Self {
        self.executable = Some(path.to_owned());
        self
    }

    /// The command, ready to be spawned.
    pub(crate) fn command(&self) -> Command {
        let binary = self.executable.clone().unwrap_or_else(binary);
        let mut command = match self.descriptors {
            None => Command::new(binary),
            Some(count) => {
                let mut shell = Command::new("sh");
                let script = format!("ulimit -n {count} && exec \"$@\"");
                shell.args(["-c", &script, "sh"]).arg(binary);
                shell
            }
        };
        command.args(["-a", self.host, "-p", &self.port.to_string()]);
        match kind() {
            Kind::Fanfare => {
                command.args(["--shards", &self.shards.to_string()]);
                for (name, value) in &self.limits {
                    command.args([&format!("--{name}"), value]);
                }
            }
            Kind::Reference if self.limits.is_empty() => {}
            Kind::Reference => {
                let lines = self.limits.iter().map(|(name, value)| format!("{name}: {value}\n"));
                let file = scratch("reference.conf");
                fs::write(&file, lines.collect::<String>()).expect("the scratch directory");
                command.arg("-c").arg(file);
            }
        }
        command.args(&self.arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts the process and waits for nothing.
    pub(crate) fn spawn(&self) -> Process {
        Process::spawn(self.command())
    }

    /// Starts a broker and waits until it says that it is ready.
    pub(crate) fn start(&self) -> Broker {
        Broker::ready(self.spawn())
    }

    /// Starts a broker that must refuse to run; returns its status and what it wrote.
    pub(crate) fn refused(&self) -> (ExitStatus, String) {
        let mut process = self.spawn();
        let log = process.log();
        (process.ended(), log.all().join("\n"))
    }
}

/// A process of the binary under test; dropping it kills it, also when the test has failed.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    /// Starts a command whose standard output and error are pipes.
    pub(crate) fn spawn(mut command: Command) -> Self {
        Self(command.spawn().expect("the binary starts"))
    }

    /// Its number.
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// What it writes to standard error; can be asked for once.
    pub(crate) fn log(&mut self) -> Log {
        Log::follow(self.0.stderr.take().expect("a pipe"))
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("the process lives");
    }

    /// Waits for the process to end by itself.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        wait(&mut self.0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running broker.
#[derive(Debug)]
pub(crate) struct Broker {
    process: Process,
    log: Log,
    address: SocketAddr,
}

impl Broker {
    /// Starts one with default settings.
    pub(crate) fn start() -> Self {
        Settings::default().start()
    }

    /// Waits until a process says that it is ready.
    pub(crate) fn ready(mut process: Process) -> Self {
        let log = process.log();
        let listening = log
            .find("Listening for client connections on ")
            .unwrap_or_else(|| panic!("the broker ended at its start:\n{}", log.so_far()));
        let address = listening.rsplit(' ').next().and_then(|text| text.parse().ok());
        let address = address.unwrap_or_else(|| panic!("no address in {listening:?}"));
        log.find("Server is ready").expect("the broker gets ready");
        Self { process, log, address }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL that client libraries take.
    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// What it writes to standard error.
    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// The process's number.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// A raw connection that has read its greeting.
    pub(crate) fn connect(&self) -> Connection {
        let mut connection = Connection::open(self.address);
        let greeting = connection.line();
        assert!(greeting.starts_with("INFO {"), "greeted with {greeting:?}");
        connection
    }

    /// A raw connection that has said `CONNECT` as most client libraries do.
    pub(crate) fn client(&self) -> Connection {
        let mut connection = self.connect();
        connection.send(CONNECT);
        connection
    }

    /// A line of `/proc/<pid>/status` that gives a number, such as `VmRSS` in KiB.
    pub(crate) fn status(&self, name: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("Linux");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let word = line.and_then(|line| line.split_whitespace().next());
        word.and_then(|word| word.parse().ok()).expect("a number")
    }

    /// Clock ticks (hundredths of a second) of processor time that the process has used.
    pub(crate) fn processor_ticks(&self) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("Linux");
        let (_, after_name) = text.rsplit_once(") ").expect("a process name in parentheses");
        let fields: Vec<&str> = after_name.split(' ').collect();
        fields[11..13].iter().map(|field| field.parse::<u64>().expect("ticks")).sum()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits for the process to end by itself.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.process.ended()
    }

    /// The status of a process that has ended, whoever else writes where it did.
    pub(crate) fn collected(&mut self) -> ExitStatus {
        self.process.0.wait().expect("a child of ours")
    }

    /// Kills it as `kill -9` does.
    pub(crate) fn kill(self) {
        drop(self);
    }
}

/// Waits for the end of a process, but not for ever: its standard output, which a broker never
/// writes to, ends with it.
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    if let Some(mut stdout) = child.stdout.take() {
        let (tell, ended) = mpsc::channel();
        thread::spawn(move || {
            let mut written = Vec::new();
            let _ = stdout.read_to_end(&mut written);
            let _ = tell.send(());
        });
        let outcome = ended.recv_timeout(DEADLINE);
        assert!(outcome.is_ok(), "process {} does not end", child.id());
    }
    child.wait().expect("a child of ours")
}
