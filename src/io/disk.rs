//! Files as the configuration needs them: read whole, and looked at for changes.
//!
//! Absent: what is in them. Every file that was read is remembered as it was at that moment, so
//! that a change while it was read is noticed too.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;

use crate::config::Config;

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// Files, and how each of them was; a file that is not there is a state too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Snapshot(Vec<(Box<str>, Option<Stamp>)>);

impl Snapshot {
    /// The same files as they are now.
    pub(crate) fn again(&self) -> Self {
        Self(self.0.iter().map(|(path, _)| (path.clone(), look(path))).collect())
    }

    fn note(&mut self, path: &str, stamp: Option<Stamp>) {
        if !self.0.iter().any(|(known, _)| &**known == path) && self.0.len() < WATCHED_MAX {
            self.0.push((path.into(), stamp));
        }
    }

    /// Takes the files in that a configuration names, as they are now.
    pub(crate) fn note_named(&mut self, config: &Config) {
        for tls in config.listeners.iter().filter_map(|listener| listener.tls.as_ref()) {
            for certificate in &tls.certificates {
                for path in [&certificate.cert_file, &certificate.key_file] {
                    self.note(path, look(path));
                }
            }
            if let Some(path) = &tls.ca_file {
                self.note(path, look(path));
            }
        }
    }
}

fn look(path: &str) -> Option<Stamp> {
    fs::metadata(path).ok().map(|metadata| Stamp::of(&metadata))
}

/// Most files that are watched.
const WATCHED_MAX: usize = 2048;
