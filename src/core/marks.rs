//! The marks that a shard keeps on a client: which lists it stands in, which rules concern it.
//!
//! Absent: what the client itself chose (`clients` has that), and the lists. A mark and the list it
//! tells of change together, or a client is forgotten.

/// Where a client stands in the shard's lists.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Places {
    /// The socket may have bytes that were not read.
    pub(crate) readable: bool,
    /// In the list of clients to read.
    pub(crate) ready: bool,
    /// A command waits for a free batch; nothing more is read.
    pub(crate) parked: bool,
    /// Parked for being too fast; a timer lets it go on.
    pub(crate) paused: bool,
    /// A message of its own is still being walked; it goes on when that is over.
    pub(crate) walking: bool,
    /// In the list of clients to write.
    pub(crate) dirty: bool,
    /// The socket took less than it was given; it will say when it takes more.
    pub(crate) blocked: bool,
    /// What was taken last is not all on its way.
    pub(crate) held: bool,
    /// Something was blocked and has not been written out since.
    pub(crate) waiting: bool,
    /// In the list of clients whose sockets are to be closed.
    pub(crate) closed: bool,
    /// The peer sends no more.
    pub(crate) input_ended: bool,
    /// The peer has ended its side; the end is behind the bytes that are left.
    pub(crate) hangup: bool,
    /// Whether the connection will be secured is not known yet: no time is kept for it.
    pub(crate) undecided: bool,
    pub(crate) ping_timer: bool,
    pub(crate) deadline_timer: bool,
    pub(crate) expiry_timer: bool,
    pub(crate) entry_timer: bool,
}

/// Which of its messages need more than the plain way. Beside its choices, because those are
/// copied for every message and these are asked about once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Checks {
    /// What it publishes is subject to rules: permissions, mappings, other accounts, a rate.
    pub(crate) ruled: bool,
    /// It may publish only so fast.
    pub(crate) paced: bool,
    /// What it would be sent is looked at first, or noted.
    pub(crate) filtered: bool,
}
