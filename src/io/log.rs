//! The log: lines in nats-server's form, written by a thread of its own from a bounded queue.
//!
//! Absent: what is worth a line, and where lines end (`log_sink`). A full queue drops lines and
//! counts them, so that a flood of events or a slow disk never holds a shard up.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::log_sink::Sink;

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
    /// How lines of this level are marked.
    pub fn label(self) -> &'static str {
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
    Change(Change),
    /// There is a change beside the queue.
    Look,
    End,
}

/// A change of where lines go.
#[derive(Debug)]
enum Change {
    Reopen,
    Replace(Box<Sink>),
}

/// What all copies of a handle share with the thread.
#[derive(Debug, Default)]
struct Shared {
    dropped: AtomicU64,
    debug: AtomicBool,
    /// The last change that found the queue full; `Some` only then.
    beside: Mutex<Option<Change>>,
}

/// A handle to the log; copies share its queue.
#[derive(Debug, Clone)]
pub struct Log {
    queue: SyncSender<Entry>,
    shared: Arc<Shared>,
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
    /// Starts the log's thread.
    pub fn start(sink: Sink, debug: bool) -> io::Result<(Self, LogWriter)> {
        let (queue, entries) = sync_channel(QUEUE_MAX);
        let shared = Arc::new(Shared { debug: AtomicBool::new(debug), ..Shared::default() });
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(sink, &entries, &of_thread))?;
        let log = Self { queue: queue.clone(), shared };
        Ok((log, LogWriter { queue, thread }))
    }

    /// Logs a line.
    pub fn line(&self, level: Level, text: String) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(Entry::Line(level, text)) {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Logs a line that only a debugging operator wants; the text is made only then.
    pub fn debug(&self, text: impl FnOnce() -> String) {
        if self.shared.debug.load(Ordering::Relaxed) {
            self.line(Level::Debug, text());
        }
    }

    /// Says whether lines for a debugging operator are logged from now on.
    pub fn set_debug(&self, debug: bool) {
        self.shared.debug.store(debug, Ordering::Relaxed);
    }

    /// Opens the file anew, after somebody moved it away.
    pub fn reopen(&self) {
        self.change(Change::Reopen);
    }

    /// Lines go there from now on.
    pub fn replace(&self, sink: Sink) {
        self.change(Change::Replace(Box::new(sink)));
    }

    /// A change waits in the queue like a line, but is never dropped for want of room in it.
    fn change(&self, change: Change) {
        if let Err(TrySendError::Full(Entry::Change(change))) =
            self.queue.try_send(Entry::Change(change))
        {
            let mut beside = self.shared.beside.lock().unwrap_or_else(PoisonError::into_inner);
            *beside = Some(change);
            // If this finds the queue still full, the thread looks soon anyway.
            let _ = self.queue.try_send(Entry::Look);
        }
    }
}

fn write_all(mut sink: Sink, entries: &Receiver<Entry>, shared: &Shared) {
    let apply = |change, sink: &mut Sink| match change {
        Change::Reopen => sink.reopen(),
        Change::Replace(fresh) => *sink = *fresh,
    };
    while let Ok(entry) = entries.recv() {
        // A change that found the queue full stands beside it when one of its entries comes out.
        let beside = shared.beside.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(change) = beside {
            apply(change, &mut sink);
        }
        match entry {
            Entry::Line(level, text) => sink.write(level, &text),
            Entry::Change(change) => apply(change, &mut sink),
            Entry::Look => {}
            Entry::End => return,
        }
        let lost = shared.dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            sink.write(Level::Warn, &format!("The log's queue was full: {lost} lines dropped"));
        }
    }
}

/// Lines that wait to be written; more are dropped and counted.
const QUEUE_MAX: usize = 4096;
