//! The files that tell other programs about a running broker: its number and its addresses.
//!
//! Absent: the log's file (`io::log_file`). Nothing here is ever read back.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::supervisor::Supervisor;
use crate::config::Config;
use crate::config::listen::Tls;
use crate::io::errno;
use crate::io::log::{Level, Log};

impl Supervisor {
    /// Writes the file with the addresses, if one is wanted.
    pub(super) fn write_ports_file(&mut self) {
        let Some(folder) = &self.config.ports_file_dir else { return };
        let path = ports_path(folder, &self.executable);
        let requires_tls = |tls: &Tls| !tls.allow_non_tls;
        let listeners = self.config.listeners.iter().zip(&self.listeners);
        let (mut clients, mut websocket) = (Vec::new(), Vec::new());
        for (config, open) in listeners {
            let Some(address) = open.listener.address() else { continue };
            let required = config.tls.as_ref().is_some_and(requires_tls);
            match (&config.websocket, required) {
                (None, false) => clients.extend(urls("nats", address)),
                (None, true) => clients.extend(urls("tls", address)),
                (Some(_), false) => websocket.extend(urls("ws", address)),
                (Some(_), true) => websocket.extend(urls("wss", address)),
            }
        }
        let monitoring = self.monitor_url.map(|(scheme, address)| self::urls(scheme, address));
        let monitoring = monitoring.unwrap_or_default();
        let lists = [("nats", clients), ("monitoring", monitoring), ("websocket", websocket)];
        if let Err(error) = write_ports(&path, lists) {
            let (path, error) = (path.display(), errno::plain(&error));
            let text = format!("Error writing ports file ({path}): open {path}: {error}");
            self.log.line(Level::Error, text);
            return;
        }
        self.ports_file = Some(path);
    }

    /// Lets the files follow a configuration that has just taken effect.
    pub(super) fn renew_files(&mut self, old: &Config) {
        if self.config.pid_file != old.pid_file {
            if let Some(path) = &self.config.pid_file
                && let Err(error) = write_pid(path)
            {
                let text =
                    format!("Failed to write pidfile: open {path}: {}", errno::plain(&error));
                self.log.line(Level::Error, text);
            }
            remove_pid(old);
        }
        if self.config.ports_file_dir != old.ports_file_dir {
            remove_ports(&self.log, self.ports_file.take().as_deref());
            self.write_ports_file();
        }
    }
}

/// Removes all of them, at the end.
pub(super) fn remove(log: &Log, ports_file: Option<&Path>, config: &Config) {
    remove_ports(log, ports_file);
    remove_pid(config);
}

pub(super) fn remove_ports(log: &Log, path: Option<&Path>) {
    let Some(path) = path else { return };
    if let Err(error) = fs::remove_file(path) {
        let (path, error) = (path.display(), errno::plain(&error));
        let text = format!("Error cleaning up ports file {path}: remove {path}: {error}");
        log.line(Level::Error, text);
    }
}

fn remove_pid(config: &Config) {
    if let Some(path) = &config.pid_file {
        // The file may have been removed already; it says nothing true any more either way.
        let _ = fs::remove_file(path);
    }
}

/// The URLs of one address; one that stands for all of this machine's is told as all of them.
fn urls(scheme: &str, address: SocketAddr) -> Vec<String> {
    let url = |address: SocketAddr| format!("{scheme}://{address}");
    if !address.ip().is_unspecified() {
        return vec![url(address)];
    }
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let ips = interfaces.iter().map(if_addrs::Interface::ip);
    let reached = ips.filter(|ip| address.is_ipv6() || ip.is_ipv4());
    let urls: Vec<String> = reached.map(|ip| url(SocketAddr::new(ip, address.port()))).collect();
    if urls.is_empty() { vec![url(address)] } else { urls }
}

/// Writes the process's number and nothing else: programs parse the whole file as one.
pub(super) fn write_pid(path: &str) -> io::Result<()> {
    fs::write(path, own_number())
}

/// What stands in the file.
pub(super) fn own_number() -> String {
    std::process::id().to_string()
}

/// The process's number, written where it can take the place of another's without fail: a full
/// disk or a missing permission shows before anything has changed.
#[derive(Debug)]
pub(super) struct PreparedPid {
    path: PathBuf,
    /// Written and to be renamed; `None` where the path is no plain file, and is written by now.
    written: Option<PathBuf>,
}

impl PreparedPid {
    pub(super) fn new(path: &str) -> io::Result<Self> {
        let path = PathBuf::from(path);
        if fs::metadata(&path).is_ok_and(|found| !found.is_file()) {
            fs::write(&path, own_number())?;
            return Ok(Self { path, written: None });
        }
        let number = own_number();
        let unfinished = PathBuf::from(format!("{}.{number}.new", path.display()));
        let result = fs::File::create(&unfinished).and_then(|mut file| {
            file.write_all(number.as_bytes())?;
            file.sync_all()
        });
        let prepared = Self { path, written: Some(unfinished) };
        result.map(|()| prepared)
    }

    /// The number stands in the file.
    pub(super) fn publish(mut self) -> io::Result<()> {
        match self.written.take() {
            Some(written) => fs::rename(written, &self.path),
            None => Ok(()),
        }
    }
}

impl Drop for PreparedPid {
    fn drop(&mut self) {
        if let Some(written) = &self.written {
            // Nobody needs it any more.
            let _ = fs::remove_file(written);
        }
    }
}

/// Where the file with the addresses is: it bears the name that the broker was called by.
fn ports_path(folder: &str, executable: &str) -> PathBuf {
    Path::new(folder).join(format!("{executable}_{}.ports", std::process::id()))
}

/// Writes the URLs that clients connect to.
///
/// Who waits for the file to appear must not find half of it: it is written under another name
/// and renamed.
fn write_ports(path: &Path, lists: [(&str, Vec<String>); 3]) -> io::Result<()> {
    let mut ports = Map::new();
    for (name, urls) in lists {
        if !urls.is_empty() || name == "nats" {
            let urls = urls.into_iter().map(Value::String).collect();
            ports.insert(name.to_owned(), Value::Array(urls));
        }
    }
    let unfinished = path.with_extension("ports.new");
    fs::write(&unfinished, Value::Object(ports).to_string())?;
    fs::rename(&unfinished, path)
}
