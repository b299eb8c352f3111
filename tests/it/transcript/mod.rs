//! Wire transcripts: conversations in text files, played against a running broker.
//!
//! Absent: any conversation; those are the files of `transcripts/`, whose `README.md` describes
//! the notation.

mod pattern;
mod play;
mod script;
mod split;

pub(crate) use pattern::{Fit, Pattern};
pub(crate) use play::play;
pub(crate) use script::{Script, resolve};
pub(crate) use split::{SPLITS, Split};
