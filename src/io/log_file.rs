//! A log's file: appended to, put aside when it is large, and the oldest ones removed.
//!
//! Absent: how a line looks (`log_sink`). A file that cannot be put aside goes on growing to twice
//! the size before that is tried again; lines are not lost for it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chrono::Local;

use super::errno;
use super::log_line::Level;

/// When a file is put aside, and how many are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Rotation {
    /// Bytes; 0 for never.
    pub(super) size_max: u64,
    /// Files, the current one included; 0 for all.
    pub(super) files_max: u32,
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    rotation: Rotation,
    written: u64,
    /// Bytes at which the file is put aside next.
    limit: u64,
}

impl LogFile {
    /// Opens a file to append to, and makes it if it is not there.
    pub(super) fn open(path: &str, rotation: Rotation) -> io::Result<Self> {
        let path = PathBuf::from(path);
        let file = open(&path)?;
        let written = file.metadata()?.len();
        Ok(Self { path, file, rotation, written, limit: rotation.size_max })
    }

    /// Appends a line; says what became of the file, if it was put aside for it.
    pub(super) fn write(&mut self, line: &str) -> Vec<(Level, String)> {
        self.append(line);
        if self.rotation.size_max == 0 || self.written <= self.limit {
            return Vec::new();
        }
        self.rotate()
    }

    /// Appends a line whatever the file's size.
    pub(super) fn append(&mut self, line: &str) {
        if self.file.write_all(line.as_bytes()).is_ok() {
            self.written = self.written.saturating_add(line.len() as u64);
        }
    }

    fn rotate(&mut self) -> Vec<(Level, String)> {
        let stamp = Local::now().format("%Y.%m.%d.%H.%M.%S.%f");
        let backup = PathBuf::from(format!("{}.{stamp}", self.path.display()));
        let renewed = fs::rename(&self.path, &backup).and_then(|()| open(&self.path));
        let mut said = Vec::new();
        match renewed {
            Ok(file) => {
                self.file = file;
                self.written = 0;
                self.limit = self.rotation.size_max;
                let text = format!("Rotated log, backup saved as {:?}", backup.display());
                said.push((Level::Info, text));
                if self.rotation.files_max > 0 {
                    self.purge(&mut said);
                }
            }
            Err(error) => {
                self.limit = self.limit.saturating_mul(2);
                said.push((
                    Level::Error,
                    format!(
                        "Unable to rotate the logfile ({}), will attempt next rotation at size {}",
                        errno::plain(&error),
                        self.limit
                    ),
                ));
            }
        }
        said
    }

    /// Removes the oldest files that were put aside until as many are left as are wanted.
    fn purge(&self, said: &mut Vec<(Level, String)>) {
        let mut backups = match self.backups() {
            Ok(backups) => backups,
            Err(error) => {
                let text = format!("Unable to look for old log files: {}", errno::plain(&error));
                said.push((Level::Error, text));
                return;
            }
        };
        // Names end in the time, so that the oldest come first.
        backups.sort_unstable();
        let kept = usize::try_from(self.rotation.files_max - 1).unwrap_or(usize::MAX);
        let surplus = backups.len().saturating_sub(kept);
        for backup in &backups[..surplus] {
            let name = backup.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match fs::remove_file(backup) {
                Ok(()) => said.push((Level::Info, format!("Purged log file {name:?}"))),
                Err(error) => {
                    let error = errno::plain(&error);
                    let text = format!("Unable to remove the old log file {name:?}: {error}");
                    said.push((Level::Error, text));
                    return;
                }
            }
        }
    }

    fn backups(&self) -> io::Result<Vec<PathBuf>> {
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let own = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut backups = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let stamp = name.strip_prefix(&own).and_then(|rest| rest.strip_prefix('.'));
            if stamp.is_some_and(is_stamp) {
                backups.push(entry.path());
            }
        }
        Ok(backups)
    }
}

/// Whether this is how a file that was put aside ends: `2026.11.21.04.27.16.511030123`.
fn is_stamp(text: &str) -> bool {
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    text.split('.').map(str::len).eq([4, 2, 2, 2, 2, 2, 9]) && text.split('.').all(is_number)
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of its own below the build's.
    fn folder(name: &str) -> PathBuf {
        let name = format!("fanfare-log-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).expect("a writable folder");
        folder
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        let name = |entry: io::Result<fs::DirEntry>| {
            entry.expect("an entry").file_name().to_string_lossy().into_owned()
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn stamps_are_told_from_other_endings() {
        assert!(is_stamp("2026.11.21.04.27.16.511030123"));
        for text in ["", "1", "gz", "2026.11.21.04.27.16.51103012", "2026.11.21.04.27.16.51103012x"]
        {
            assert!(!is_stamp(text), "{text}");
        }
        assert!(!is_stamp("2026.11.21.04.27.16.511030123.gz"));
    }

    #[test]
    fn a_file_is_put_aside_when_it_is_too_large_and_the_oldest_go() {
        let folder = folder("rotation");
        let path = folder.join("a.log");
        fs::write(folder.join("a.log.keep"), "not ours").expect("a file");
        let rotation = Rotation { size_max: 10, files_max: 3 };
        let mut file = LogFile::open(path.to_str().expect("a name"), rotation).expect("a file");
        assert_eq!(file.write("123456789\n"), vec![]);
        for round in 0..4 {
            let said = file.write("x\n");
            assert!(said[0].1.starts_with("Rotated log, backup saved as \""), "{said:?}");
            assert_eq!(said.len(), if round < 2 { 1 } else { 2 }, "{said:?}");
            assert_eq!(file.write("123456789\n"), vec![]);
        }
        let names = names(&folder);
        assert_eq!(names.len(), 4, "the file, two put aside, and what is not ours: {names:?}");
        assert_eq!(fs::read_to_string(&path).expect("a file"), "123456789\n");
        fs::remove_dir_all(folder).expect("a folder");
    }

    #[test]
    fn a_file_that_cannot_be_put_aside_goes_on() {
        let folder = folder("stuck");
        let path = folder.join("a.log");
        let rotation = Rotation { size_max: 4, files_max: 0 };
        let mut file = LogFile::open(path.to_str().expect("a name"), rotation).expect("a file");
        fs::remove_file(&path).expect("a file");
        let said = file.write("12345\n");
        assert!(said[0].1.starts_with("Unable to rotate the logfile"), "{said:?}");
        assert_eq!(file.write("1\n"), vec![], "not before twice the size");
        fs::remove_dir_all(folder).expect("a folder");
    }
}
