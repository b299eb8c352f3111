//! The configuration that a command line asks for: its file, if it names one, and its options over
//! it.
//!
//! Absent: the file's language (`config`). The same is done again for every reload.

use std::sync::Arc;

use super::flags::Flags;
use super::options::Id;
use super::overlay;
use crate::admin::source::{Reading, ReadingError, Source};
use crate::config;
use crate::io::disk::{Disk, Snapshot};

/// Reads it now.
pub(super) fn read(flags: &Flags) -> Result<Reading, ReadingError> {
    let Some(path) = file(flags) else {
        let none = Snapshot::default();
        return match overlay::lay_over(flags, overlay::base()) {
            Ok(config) => Ok(Reading { config, files: none }),
            Err(reason) => Err(ReadingError { reason, files: none }),
        };
    };
    let mut disk = Disk::default();
    let loaded = config::load(path, &mut disk, overlay::base());
    let laid = loaded
        .map_err(|errors| errors.to_string())
        .and_then(|config| overlay::lay_over(flags, config));
    let mut files = disk.seen;
    match laid {
        Ok(config) => {
            files.note_named(&config);
            Ok(Reading { config, files })
        }
        Err(reason) => Err(ReadingError { reason, files }),
    }
}

/// How to read it again; `None` when there is no file.
pub(super) fn source(flags: Flags) -> Option<Source> {
    let path = file(&flags)?.to_owned();
    Some(Source { path, read: Arc::new(move || read(&flags)) })
}

/// The file that is named.
pub(super) fn file(flags: &Flags) -> Option<&str> {
    flags.text(Id::Config).filter(|path| !path.is_empty())
}
