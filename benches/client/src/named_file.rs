//! Reading a small file that a person named in an option, and saying plainly why that does not
//! work.
//!
//! Absent: what the files hold. The error never repeats a file's content, which may be a key.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Reads a whole file that the option names.
pub fn read(option: &'static str, path: &Path) -> Result<Vec<u8>, FileError> {
    let refused = |error: io::Error| {
        let reason = match error.kind() {
            io::ErrorKind::NotFound => "there is no such file".to_owned(),
            io::ErrorKind::PermissionDenied => "this user may not read it".to_owned(),
            io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
            _ => format!("it cannot be read: {error}"),
        };
        FileError::new(option, path, reason)
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(refused)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(refused)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        return Err(FileError::new(option, path, "it is larger than 4 MiB"));
    }
    Ok(bytes)
}

/// Why a file that was named is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileError {
    option: &'static str,
    path: String,
    reason: String,
}

impl FileError {
    /// What is wrong with the file, as the end of a sentence.
    pub fn new(option: &'static str, path: &Path, reason: impl Into<String>) -> Self {
        Self { option, path: path.display().to_string(), reason: reason.into() }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.option, self.path, self.reason)
    }
}

impl std::error::Error for FileError {}

/// A system's whole collection of authorities has a tenth of it.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_read_is_named_with_its_option() {
        let missing = read("--creds", Path::new("/nowhere/at/all")).unwrap_err();
        assert_eq!(missing.to_string(), "--creds /nowhere/at/all: there is no such file");
        let directory = read("--tlsca", Path::new("/")).unwrap_err();
        assert_eq!(directory.to_string(), "--tlsca /: it is a directory");
        assert!(read("--tlsca", Path::new("/dev/zero")).is_err());
    }
}
