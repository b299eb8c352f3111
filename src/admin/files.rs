//! The files that tell other programs about a running broker: its number and its addresses.
//!
//! Absent: the log's file (`io::log_file`). Nothing here is ever read back.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// Writes the process's number and nothing else: programs parse the whole file as one.
pub(super) fn write_pid(path: &str) -> io::Result<()> {
    fs::write(path, std::process::id().to_string())
}

/// Where the file with the addresses is: it bears the name that the broker was called by.
pub(super) fn ports_path(folder: &str, executable: &str) -> PathBuf {
    Path::new(folder).join(format!("{executable}_{}.ports", std::process::id()))
}

/// Writes the URLs that clients connect to.
///
/// Who waits for the file to appear must not find half of it: it is written under another name
/// and renamed.
pub(super) fn write_ports(path: &Path, clients: &[String]) -> io::Result<()> {
    let clients: Vec<Value> = clients.iter().map(|url| Value::String(url.clone())).collect();
    let mut ports = Map::new();
    ports.insert("nats".to_owned(), Value::Array(clients));
    let unfinished = path.with_extension("ports.new");
    fs::write(&unfinished, Value::Object(ports).to_string())?;
    fs::rename(&unfinished, path)
}
