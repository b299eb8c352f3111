//! The log: lines in nats-server's form, written by a thread of its own from a bounded queue.
//!
//! Absent: what is worth a line. A full queue drops lines and counts them, so that a flood of
//! events or a slow disk never holds a shard up.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use chrono::Local;

use crate::config::Verbosity;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// What an operator expects to see.
    Info,
    /// Connections coming and going.
    Debug,
    /// Protocol lines.
    Trace,
    /// Something that an operator should know of.
    Warn,
    /// Something that went wrong.
    Error,
    /// Why the broker cannot go on.
    Fatal,
}

impl Level {
    fn label(self) -> &'static str {
        match self {
            Self::Info => "INF",
            Self::Debug => "DBG",
            Self::Trace => "TRC",
            Self::Warn => "WRN",
            Self::Error => "ERR",
            Self::Fatal => "FTL",
        }
    }
}

#[derive(Debug)]
enum Entry {
    Line(Level, String),
    Reopen,
    End,
}

/// A handle to the log; copies share its queue.
#[derive(Debug, Clone)]
pub struct Log {
    queue: SyncSender<Entry>,
    dropped: Arc<AtomicU64>,
    verbosity: Verbosity,
}

/// Where the log goes.
#[derive(Debug, Clone)]
pub struct LogTarget {
    /// A file, or standard error.
    pub file: Option<PathBuf>,
    /// Whether lines carry date and time.
    pub time: bool,
}

/// The log's thread; ending it writes what waits.
#[derive(Debug)]
pub struct LogWriter {
    queue: SyncSender<Entry>,
    thread: JoinHandle<()>,
}

impl LogWriter {
    /// Writes everything that was logged and ends the log.
    pub fn end(self) {
        // The writer only ends by this entry, so that both steps can fail only if it panicked.
        let _ = self.queue.send(Entry::End);
        let _ = self.thread.join();
    }
}

impl Log {
    /// Opens the log and starts its thread.
    pub fn open(target: LogTarget, verbosity: Verbosity) -> io::Result<(Self, LogWriter)> {
        let sink = Sink::open(target)?;
        let (queue, entries) = sync_channel(QUEUE_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&dropped);
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(sink, &entries, &counter))?;
        let log = Self { queue: queue.clone(), dropped, verbosity };
        Ok((log, LogWriter { queue, thread }))
    }

    /// Logs a line.
    pub fn line(&self, level: Level, text: String) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(Entry::Line(level, text)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Logs a line that only a debugging operator wants; the text is made only then.
    pub fn debug(&self, text: impl FnOnce() -> String) {
        if self.verbosity.debug {
            self.line(Level::Debug, text());
        }
    }

    /// Opens the file anew, after somebody moved it away.
    pub fn reopen(&self) {
        let _ = self.queue.try_send(Entry::Reopen);
    }
}

#[derive(Debug)]
struct Sink {
    target: LogTarget,
    file: Option<File>,
}

impl Sink {
    fn open(target: LogTarget) -> io::Result<Self> {
        let file = match &target.file {
            Some(path) => Some(OpenOptions::new().create(true).append(true).open(path)?),
            None => None,
        };
        Ok(Self { target, file })
    }

    fn write(&mut self, level: Level, text: &str) {
        let pid = std::process::id();
        let label = level.label();
        let line = if self.target.time {
            let time = Local::now().format("%Y/%m/%d %H:%M:%S%.6f");
            format!("[{pid}] {time} [{label}] {text}\n")
        } else {
            format!("[{pid}] [{label}] {text}\n")
        };
        // A log that cannot be written has nobody to complain to.
        let _ = match &mut self.file {
            Some(file) => file.write_all(line.as_bytes()),
            None => io::stderr().write_all(line.as_bytes()),
        };
    }

    fn reopen(&mut self) {
        match Self::open(self.target.clone()) {
            Ok(sink) => *self = sink,
            Err(error) => self.write(Level::Error, &format!("Error reopening the log: {error}")),
        }
    }
}

fn write_all(mut sink: Sink, entries: &Receiver<Entry>, dropped: &AtomicU64) {
    while let Ok(entry) = entries.recv() {
        match entry {
            Entry::Line(level, text) => sink.write(level, &text),
            Entry::Reopen => sink.reopen(),
            Entry::End => return,
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            sink.write(Level::Warn, &format!("The log's queue was full: {lost} lines dropped"));
        }
    }
}

/// Lines that wait to be written; more are dropped and counted.
const QUEUE_MAX: usize = 4096;
