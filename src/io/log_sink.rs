//! Where lines of the log end: standard error, a file, or the system log.
//!
//! Absent: the queue in front (`log`). A place that cannot be written has nobody to complain to,
//! and never ends the broker.

use std::fmt;
use std::io::{self, Write};

use super::errno;
use super::log_file::{LogFile, Rotation};
use super::log_line::{self, Level, Line, Zone};
use super::syslog::SystemLog;
use crate::config::{Config, LogFormat, Syslog};

/// Where the log goes, and how its lines look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogTarget {
    /// A file; it counts more than the system log.
    file: Option<String>,
    rotation: Rotation,
    syslog: Option<Syslog>,
    /// What the system log calls this broker.
    tag: String,
    format: LogFormat,
    time: Option<Zone>,
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
            format: config.log_format,
            time: config.log_time.then_some(zone),
        }
    }

    /// A line in the form that is wanted.
    fn form(&self, line: &Line) -> String {
        match self.format {
            LogFormat::Text => log_line::text(self.time, line),
            LogFormat::Json => log_line::json(self.time.is_some(), line),
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
    pub(super) fn write(&mut self, line: &Line) {
        match &mut self.place {
            Place::StandardError => {
                let _ = io::stderr().write_all(self.target.form(line).as_bytes());
            }
            Place::File(file) => {
                let said = file.write(&self.target.form(line));
                for (level, text) in said {
                    file.append(&self.target.form(&Line::new(level, text)));
                }
            }
            Place::System(system) => match self.target.format {
                LogFormat::Text => system.write(line.level(), &line.words()),
                LogFormat::Json => {
                    let object = log_line::json(self.target.time.is_some(), line);
                    system.write(line.level(), object.trim_end());
                }
            },
        }
    }

    /// Opens the place anew.
    pub(super) fn reopen(&mut self) {
        match Self::open(self.target.clone()) {
            Ok(sink) => *self = sink,
            Err(error) => {
                let text = format!("Error reopening the log: {error}");
                self.write(&Line::new(Level::Error, text));
            }
        }
    }
}
