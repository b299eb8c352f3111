//! Where a configuration came from, so that it can be read again.
//!
//! Absent: how it is read, which is whoever started the broker to know (`cli`).

use std::fmt;
use std::sync::Arc;

use crate::config::Config;
use crate::io::disk::Snapshot;

/// A configuration, and the files that made it as they were when they were read.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) config: Config,
    pub(crate) files: Snapshot,
}

/// Why a configuration could not be read, and the files that were looked at.
#[derive(Debug, Clone)]
pub(crate) struct ReadingError {
    pub(crate) reason: String,
    pub(crate) files: Snapshot,
}

/// Reads the configuration anew, options of the command line included.
type Read = dyn Fn() -> Result<Reading, ReadingError> + Send + Sync;

/// See the module's head.
#[derive(Clone)]
pub(crate) struct Source {
    /// The file's path as the operator wrote it.
    pub(crate) path: String,
    pub(crate) read: Arc<Read>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("path", &self.path).finish_non_exhaustive()
    }
}
