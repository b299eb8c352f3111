//! Files as the configuration needs them: read whole, and looked at for changes.
//!
//! Absent: what is in them. Every file that was read is remembered as it was at that moment, so
//! that a change while it was read is noticed too.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::errno;
use crate::config::Config;
use crate::config::Files;
use crate::config::text::FILE_BYTES_MAX;

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

/// Files of this machine, and its environment.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    /// What was read.
    pub(crate) seen: Snapshot,
}

impl Files for Disk {
    fn read(&mut self, path: &str) -> Result<String, String> {
        let told = |error: io::Error| match error.kind() {
            io::ErrorKind::InvalidData => format!("open {path}: {error}"),
            _ => format!("open {path}: {}", errno::plain(&error)),
        };
        let mut file = match File::open(Path::new(path)) {
            Ok(file) => file,
            Err(error) => {
                self.seen.note(path, None);
                return Err(told(error));
            }
        };
        let metadata = file.metadata().map_err(told)?;
        self.seen.note(path, Some(Stamp::of(&metadata)));
        if metadata.is_dir() {
            return Err(format!("read {path}: is a directory"));
        }
        let mut text = String::new();
        let most = FILE_BYTES_MAX as u64 + 1;
        file.by_ref().take(most).read_to_string(&mut text).map_err(told)?;
        Ok(text)
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// Most files that are watched.
const WATCHED_MAX: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changes_or_goes_is_another_state() {
        let path = std::env::temp_dir().join(format!("fanfare-disk-{}", std::process::id()));
        let name = path.to_str().expect("a name");
        fs::write(&path, "a: 1").expect("a writable folder");
        let mut disk = Disk::default();
        assert_eq!(disk.read(name).as_deref(), Ok("a: 1"));
        assert_eq!(disk.seen.again(), disk.seen);
        fs::write(&path, "a: 12").expect("a writable folder");
        let changed = disk.seen.again();
        assert_ne!(changed, disk.seen);
        assert_eq!(changed.again(), changed);
        fs::remove_file(&path).expect("a file");
        assert_ne!(changed.again(), changed);
        let missing = format!("open {name}: no such file or directory");
        assert_eq!(disk.read(name), Err(missing));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let mut disk = Disk::default();
        let folder = std::env::temp_dir();
        let folder = folder.to_str().expect("a name");
        assert_eq!(disk.read(folder), Err(format!("read {folder}: is a directory")));
        let path = std::env::temp_dir().join(format!("fanfare-binary-{}", std::process::id()));
        fs::write(&path, [0xff, 0xfe]).expect("a writable folder");
        assert!(disk.read(path.to_str().expect("a name")).is_err());
        fs::remove_file(path).expect("a file");
    }
}
