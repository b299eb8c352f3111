//! Files with nkeys.
//!
//! Absent: anything that is good beyond a test.

use std::fs;
use std::path::{Path, PathBuf};

use nkeys::KeyPair;

use crate::broker::scratch;

/// A user's key: its public form and a file with its seed.
pub(crate) fn nkey() -> (String, PathBuf) {
    let key = KeyPair::new_user();
    (key.public_key(), written("user.nk", &format!("{}\n", key.seed().unwrap())))
}

/// A file with this text that no other test uses.
pub(crate) fn written(name: &str, text: &str) -> PathBuf {
    let file = scratch(name);
    fs::write(&file, text).unwrap();
    file
}

/// A path as an argument.
pub(crate) fn shown(path: &Path) -> &str {
    path.to_str().expect("the build directory has a plain name")
}
