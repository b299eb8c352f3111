//! Watching the files of a configuration: a change that has come to rest is a reason to reload.
//!
//! Absent: reading them. They are looked at once a second; a file that is still being written looks
//! different each time, and one that was refused is not read again until it changes.

use std::time::{Duration, Instant};

use crate::io::disk::Snapshot;

/// See the module's head.
#[derive(Debug)]
pub(super) struct Watch {
    /// The files as they were last read.
    read: Snapshot,
    /// The files as they were last looked at.
    seen: Snapshot,
    /// When they are looked at next; `None` when nobody watches.
    due: Option<Instant>,
}

impl Watch {
    pub(super) fn new(files: Snapshot, is_on: bool) -> Self {
        let due = is_on.then(|| Instant::now() + PAUSE);
        Self { seen: files.clone(), read: files, due }
    }

    pub(super) fn is_on(&self) -> bool {
        self.due.is_some()
    }

    /// How long the supervisor may sleep for the watch's sake.
    pub(super) fn timeout(&self) -> Option<Duration> {
        self.due.map(|due| due.saturating_duration_since(Instant::now()))
    }

    /// Looks at the files if it is time to; says whether they changed and are at rest.
    pub(super) fn has_changed(&mut self) -> bool {
        let now = Instant::now();
        if self.due.is_none_or(|due| now < due) {
            return false;
        }
        self.due = Some(now + PAUSE);
        let looked = self.read.again();
        let is_at_rest = looked == self.seen;
        let is_new = looked != self.read;
        self.seen = looked;
        if is_at_rest && is_new {
            // Not again for the same change, whatever becomes of it.
            self.read = self.seen.clone();
            return true;
        }
        false
    }
}

/// How often files are looked at.
const PAUSE: Duration = Duration::from_secs(1);
