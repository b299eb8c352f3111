//! A shard's clients on their way to another process of the same broker.
//!
//! Absent: sockets and the talk between the processes (`io::moving`, `admin::upgrade`). A shard at
//! rest is written down as *parcels*, without being changed by it; a shard that waits reads them
//! and stands where the first one stood. Parcels hold no password, token or key. A reader trusts
//! nothing: whatever is not exactly as it should be is an error, and then the move is off.

mod freeze;
mod pack;
mod record;
mod rights;
mod thaw;
mod unpack;

use std::fmt;

pub use self::freeze::{Freezing, Parcel, Rest};
pub(crate) use self::thaw::Thawing;

/// The version of what parcels hold. A process that writes another one is not moved from.
pub const STATE_VERSION: u32 = 1;

/// Why a parcel is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MovingError {
    /// It ends too early.
    Short,
    /// Something stands behind its end.
    Long,
    /// A word of it means nothing.
    Word,
    /// A text is none.
    Text,
    /// It names something that is not there.
    Unknown,
    /// There is more of something than there may be.
    TooMany,
}

impl fmt::Display for MovingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "a record of a client ends too early",
            Self::Long => "a record of a client is too long",
            Self::Word => "a record of a client has an unknown word",
            Self::Text => "a record of a client has a text that is none",
            Self::Unknown => "a record of a client names something unknown",
            Self::TooMany => "a record of a client has too much of something",
        })
    }
}

impl std::error::Error for MovingError {}

/// What a parcel holds, as its first byte says it.
const TALLY: u8 = 1;
const MESSAGES: u8 = 2;
const CLIENTS: u8 = 3;
const ANSWERS: u8 = 4;

#[cfg(test)]
mod tests;
