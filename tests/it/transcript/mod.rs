//! Wire transcripts: conversations in text files, played against a running broker.
//!
//! Absent: any conversation; those are the files of `transcripts/`, whose `README.md` describes
//! the notation.

mod pattern;
mod play;
mod script;
mod split;

pub(crate) use play::play;
pub(crate) use script::Script;
pub(crate) use split::{SPLITS, Split};
