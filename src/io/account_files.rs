//! A directory of account JWTs: one file `KEY.jwt` for each account.
//!
//! Absent: writing it, and what the JWTs say. Names come from the directory alone and are looked
//! at, never made: no key that a client names becomes a path.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::errno;
use crate::core::auth::jwt::TOKEN_BYTES_MAX;
use crate::core::auth::key::KeyKind;

/// What a directory holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct AccountFiles {
    /// Public keys and JWTs, in the order of the keys.
    pub(crate) found: Vec<(Box<str>, Box<str>)>,
    /// Files that could not be read, in words for the log.
    pub(crate) problems: Vec<String>,
}

/// Reads a directory. One that is not there is empty, and that is a problem to tell.
pub(crate) fn read(directory: &str) -> io::Result<AccountFiles> {
    let mut files = AccountFiles::default();
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            files.problems.push(format!("the directory {directory:?} does not exist"));
            return Ok(files);
        }
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(key) = name.to_str().and_then(|name| name.strip_suffix(".jwt")) else { continue };
        if !KeyKind::Account.is_key(key) {
            files.problems.push(format!("{key:?}.jwt is not named after an account's public key"));
        } else if files.found.len() >= FILES_MAX {
            files.problems.push(format!("more than {FILES_MAX} accounts, the others are left out"));
            break;
        } else {
            match read_file(&entry.path()) {
                Ok(text) => files.found.push((key.into(), text)),
                Err(error) => files.problems.push(format!("{key}.jwt: {}", errno::plain(&error))),
            }
        }
    }
    files.found.sort();
    Ok(files)
}

fn read_file(path: &Path) -> io::Result<Box<str>> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let mut text = String::new();
    let bound = TOKEN_BYTES_MAX as u64 + 1;
    if file.take(bound).read_to_string(&mut text)? > TOKEN_BYTES_MAX {
        return Err(io::Error::other("longer than a JWT may be"));
    }
    Ok(text.trim().into())
}

/// Accounts of one directory.
const FILES_MAX: usize = 65_536;

#[cfg(test)]
mod tests {
    use nkeys::KeyPair;

    use super::*;

    #[test]
    fn files_are_accounts_by_their_names() {
        let directory = std::env::temp_dir().join(format!("fanfare-jwt-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let keys: Vec<String> = (0..2).map(|_| KeyPair::new_account().public_key()).collect();
        let write = |name: &str, text: &[u8]| fs::write(directory.join(name), text).unwrap();
        write(&format!("{}.jwt", keys[0]), b" eyJ.one.x\n");
        write(&format!("{}.jwt", keys[1]), &vec![b'e'; TOKEN_BYTES_MAX + 1]);
        write(&format!("{}.jwt", KeyPair::new_user().public_key()), b"a user");
        write("operator.jwt", b"an operator");
        write(&format!("{}.jwt.deleted", keys[1]), b"an old one");
        let third = KeyPair::new_account().public_key();
        fs::create_dir_all(directory.join(format!("{third}.jwt"))).unwrap();
        let found = read(directory.to_str().unwrap()).unwrap();
        fs::remove_dir_all(&directory).unwrap();
        assert_eq!(found.found, [(keys[0].as_str().into(), "eyJ.one.x".into())]);
        assert_eq!(found.problems.len(), 4, "{:?}", found.problems);
    }

    #[test]
    fn a_directory_that_is_not_there_is_empty() {
        let found = read("/nowhere/to/be/found").unwrap();
        assert_eq!((found.found.len(), found.problems.len()), (0, 1));
        assert!(read("/dev/null").is_err());
    }
}
