//! Names of things inside the broker: small copies that stay harmless when the thing is gone.
//!
//! Absent: what the things are. A handle is (slot, generation): a slot is reused, a pair is not
//! (I9, I13).

/// One shard: an event loop with the clients that live on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(u8);

impl ShardId {
    /// The shard with this number, or `None` above the most a broker runs.
    pub fn new(index: usize) -> Option<Self> {
        u8::try_from(index).ok().filter(|n| *n < 64).map(Self)
    }

    /// The shard's number, to index tables that have one row for each shard.
    #[inline]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The shard's bit in a set of shards.
    #[inline]
    pub(crate) fn bit(self) -> u64 {
        1u64 << self.0
    }
}

/// One place where clients connect, by its position in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ListenerId(u8);

impl ListenerId {
    /// Most listeners of one broker.
    pub const COUNT_MAX: usize = 128;

    /// The listener with this number, or `None` above the most a broker has.
    pub fn new(index: usize) -> Option<Self> {
        u8::try_from(index).ok().filter(|n| usize::from(*n) < Self::COUNT_MAX).map(Self)
    }

    /// The listener's number, to index tables that have one row for each listener.
    #[inline]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A slot in one of the shard's tables.
///
/// Tables are bounded far below `u32::MAX` entries, so that four bytes are enough in structures
/// that exist a million times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u32);

impl Slot {
    /// Narrows a table's key.
    #[inline]
    pub(crate) fn from_key(key: usize) -> Self {
        debug_assert!(u32::try_from(key).is_ok(), "tables are bounded below 2^32 entries");
        // INVARIANT: every table has a configured bound below 2^32 entries (config::Limits).
        #[expect(clippy::cast_possible_truncation)]
        Self(key as u32)
    }

    /// The table's key.
    #[inline]
    pub(crate) fn key(self) -> usize {
        self.0 as usize
    }
}

/// Tells the present owner of a slot from former ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Generation(u32);

impl Generation {
    /// The generation after this one.
    pub(crate) fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// As a number.
    pub fn value(self) -> u32 {
        self.0
    }

    /// A given generation; tests start near the wrap.
    pub(crate) fn from_value(value: u32) -> Self {
        Self(value)
    }
}

/// A client's connection on its home shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnId {
    /// Where it is.
    pub slot: Slot,
    /// Which one it is.
    pub generation: Generation,
}

impl ConnId {
    /// Packed into the token that the poller hands back with an event.
    pub fn token(self) -> u64 {
        (u64::from(self.generation.0) << 32) | u64::from(self.slot.0)
    }

    /// The inverse of [`ConnId::token`].
    pub fn from_token(token: u64) -> Self {
        // INVARIANT: the two halves of a token were 32-bit numbers.
        #[expect(clippy::cast_possible_truncation)]
        let (slot, generation) = (token as u32, (token >> 32) as u32);
        Self { slot: Slot(slot), generation: Generation(generation) }
    }
}

/// A filter or queue of one shard, as its peers name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Handle {
    /// Where it is on its home shard.
    pub slot: Slot,
    /// Which one it is.
    pub generation: Generation,
}

/// An account: a subject space of its own. Every shard knows it by the same number, which is never
/// given to another account while the broker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(u32);

impl AccountId {
    /// `$G`, the account of clients that have none of their own.
    pub const GLOBAL: Self = Self(0);
    /// The system account, whatever its name.
    pub const SYSTEM: Self = Self(1);

    /// The account with this number.
    pub(crate) fn from_index(index: usize) -> Self {
        debug_assert!(u32::try_from(index).is_ok(), "accounts are bounded below 2^32");
        // INVARIANT: accounts are bounded (`accounts::ACCOUNTS_MAX`).
        #[expect(clippy::cast_possible_truncation)]
        Self(index as u32)
    }

    /// The account's number, to index tables that have one row for each account.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A connection's number in the whole broker: never reused, shown to people as `cid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientNumber(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_gives_its_connection_back() {
        for (slot, generation) in [(0, 0), (7, 1), (u32::MAX - 1, u32::MAX)] {
            let id = ConnId { slot: Slot(slot), generation: Generation(generation) };
            assert_eq!(ConnId::from_token(id.token()), id);
        }
    }

    #[test]
    fn there_are_64_shards_at_most() {
        assert!(ShardId::new(63).is_some());
        assert!(ShardId::new(64).is_none());
    }
}
