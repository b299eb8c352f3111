//! The log: lines are written by a thread of its own from a bounded queue.
//!
//! Absent: what is worth a line, what it looks like (`log_line`) and where it ends (`log_sink`). A
//! queue that is full, in lines or in bytes, drops lines and counts them, so that a flood of events
//! or a slow disk never holds a shard up.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

pub use super::log_line::{Level, Line};
use super::log_sink::Sink;

#[derive(Debug)]
enum Entry {
    Line(Line),
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
    /// Lines dropped since the thread last said so.
    dropped: AtomicU64,
    /// Lines dropped in all.
    dropped_total: AtomicU64,
    /// Bytes of the lines that wait.
    waiting_bytes: AtomicUsize,
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

    /// Logs a line of words alone.
    pub fn line(&self, level: Level, text: String) {
        self.put(Line::new(level, text));
    }

    /// Logs a line; says whether there was room for it.
    pub fn put(&self, line: Line) -> bool {
        let bytes = line.len();
        // Threads that look at the same time may each add one line too many, not more.
        let before = self.shared.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        if before < WAITING_BYTES_MAX && self.queue.try_send(Entry::Line(line)).is_ok() {
            return true;
        }
        self.shared.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        self.shared.dropped_total.fetch_add(1, Ordering::Relaxed);
        false
    }

    /// Lines that were dropped because the queue was full, since the start.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped_total.load(Ordering::Relaxed)
    }

    /// Logs a line that only a debugging operator wants; it is made only then.
    pub fn debug<L: Into<Line>>(&self, line: impl FnOnce() -> L) {
        if self.shared.debug.load(Ordering::Relaxed) {
            self.put(line().into());
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
            Entry::Line(line) => {
                shared.waiting_bytes.fetch_sub(line.len(), Ordering::Relaxed);
                sink.write(&line);
            }
            Entry::Change(change) => apply(change, &mut sink),
            Entry::Look => {}
            Entry::End => return,
        }
        let lost = shared.dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let text = format!("The log's queue was full: {lost} lines dropped");
            sink.write(&Line::new(Level::Warn, text).with("dropped", lost));
        }
    }
}

/// Lines that wait to be written; more are dropped and counted.
const QUEUE_MAX: usize = 4096;
/// Bytes of lines that wait to be written: a traced message may be long.
const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// A log whose thread does not run, so that everything waits.
    fn stuck() -> (Log, Receiver<Entry>) {
        let (queue, entries) = sync_channel(QUEUE_MAX);
        (Log { queue, shared: Arc::default() }, entries)
    }

    #[test]
    fn a_queue_full_of_lines_drops_and_counts() {
        let (log, entries) = stuck();
        for _ in 0..QUEUE_MAX + 7 {
            log.line(Level::Info, "x".to_owned());
        }
        assert_eq!(log.dropped(), 7);
        assert_eq!(entries.try_iter().count(), QUEUE_MAX);
    }

    #[test]
    fn a_queue_full_of_bytes_drops_and_counts() {
        let (log, entries) = stuck();
        let long = "x".repeat(WAITING_BYTES_MAX / 4);
        for _ in 0..10 {
            log.line(Level::Trace, long.clone());
        }
        assert_eq!((log.dropped(), entries.try_iter().count()), (6, 4));
    }

    #[test]
    fn what_was_written_waits_no_more() {
        let target = super::super::log_sink::LogTarget::of(&crate::config::Config::default(), "x");
        let sink = Sink::open(target).expect("standard error");
        let (log, entries) = stuck();
        log.line(Level::Debug, "a line of the unit test that empties the queue".to_owned());
        assert!(log.shared.waiting_bytes.load(Ordering::Relaxed) > 0);
        log.queue.send(Entry::End).expect("room");
        write_all(sink, &entries, &log.shared);
        assert_eq!(log.shared.waiting_bytes.load(Ordering::Relaxed), 0);
    }
}
