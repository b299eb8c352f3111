//! Where lines of the log end: standard error, a file, or the system log.
//!
//! Absent: the queue in front (`log`). A place that cannot be written has nobody to complain to,
//! and never ends the broker.

use std::fmt;
use std::io::{self, Write};

use chrono::{DateTime, Local, Utc};

use super::errno;
use super::log::Level;
use super::log_file::{LogFile, Rotation};
use super::syslog::SystemLog;
use crate::config::{Config, Syslog};

/// Where the log goes, and how its lines look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogTarget {
    /// A file; it counts more than the system log.
    file: Option<String>,
    rotation: Rotation,
    syslog: Option<Syslog>,
    /// What the system log calls this broker.
    tag: String,
    time: Option<Zone>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zone {
    Local,
    Utc,
}

impl LogTarget {
    /// What a configuration says, for an executable of this name.
    pub fn of(config: &Config, executable: &str) -> Self {
        let zone = if config.log_utc { Zone::Utc } else { Zone::Local };
        Self {
            file: config.log_file.clone(),
            rotation: Rotation { size_max: config.log_size_max, files_max: config.log_files_max },
            syslog: config.syslog.clone(),
            tag: executable.to_owned(),
            time: config.log_time.then_some(zone),
        }
    }

    /// Whether lines go to a file.
    pub fn is_file(&self) -> bool {
        self.file.is_some()
    }
}

/// Why a log cannot be opened.
#[derive(Debug)]
pub enum SinkError {
    /// The file.
    File(String, io::Error),
    /// The system log, with the reason.
    Syslog(String),
}

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => {
                write!(f, "error opening file: open {path}: {}", errno::plain(error))
            }
            Self::Syslog(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for SinkError {}

/// An open place for lines.
#[derive(Debug)]
pub struct Sink {
    target: LogTarget,
    place: Place,
}

#[derive(Debug)]
enum Place {
    StandardError,
    File(LogFile),
    System(Box<SystemLog>),
}

impl Sink {
    /// Opens it; may wait for a system log on another machine, for seconds at most.
    pub fn open(target: LogTarget) -> Result<Self, SinkError> {
        let place = match (&target.file, &target.syslog) {
            (Some(path), _) => {
                let file = LogFile::open(path, target.rotation);
                Place::File(file.map_err(|error| SinkError::File(path.clone(), error))?)
            }
            (None, Some(syslog)) => {
                let system = SystemLog::open(syslog, &target.tag);
                Place::System(Box::new(system.map_err(SinkError::Syslog)?))
            }
            (None, None) => Place::StandardError,
        };
        Ok(Self { target, place })
    }

    /// Writes one line.
    pub(super) fn write(&mut self, level: Level, text: &str) {
        match &mut self.place {
            Place::StandardError => {
                let _ = io::stderr().write_all(line(self.target.time, level, text).as_bytes());
            }
            Place::File(file) => {
                let said = file.write(&line(self.target.time, level, text));
                for (level, text) in said {
                    file.append(&line(self.target.time, level, &text));
                }
            }
            Place::System(system) => system.write(level, text),
        }
    }

    /// Opens the place anew.
    pub(super) fn reopen(&mut self) {
        match Self::open(self.target.clone()) {
            Ok(sink) => *self = sink,
            Err(error) => self.write(Level::Error, &format!("Error reopening the log: {error}")),
        }
    }
}

/// `[pid] 2026/11/21 04:27:16.511030 [INF] text`.
fn line(time: Option<Zone>, level: Level, text: &str) -> String {
    const FORM: &str = "%Y/%m/%d %H:%M:%S%.6f";
    let pid = std::process::id();
    let label = level.label();
    let now: DateTime<Utc> = Utc::now();
    match time {
        Some(Zone::Local) => {
            let time = now.with_timezone(&Local);
            format!("[{pid}] {} [{label}] {text}\n", time.format(FORM))
        }
        Some(Zone::Utc) => format!("[{pid}] {} [{label}] {text}\n", now.format(FORM)),
        None => format!("[{pid}] [{label}] {text}\n"),
    }
}
