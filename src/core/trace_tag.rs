//! What stands behind the body of a traced message between two shards.
//!
//! Absent: what it is for (`tracing`). It never leaves the broker.

/// What a peer has to know of a trace.
#[derive(Debug)]
pub(crate) struct Tag {
    pub(crate) trace: u64,
    pub(crate) account: u32,
    pub(crate) shard: u8,
    pub(crate) only: bool,
}

impl Tag {
    /// As it stands behind a body.
    pub(crate) fn to_bytes(&self) -> [u8; TAG_LEN] {
        let mut bytes = [0; TAG_LEN];
        bytes[..8].copy_from_slice(&self.trace.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.account.to_le_bytes());
        bytes[12..].copy_from_slice(&[self.shard, u8::from(self.only)]);
        bytes
    }

    /// The inverse of [`Tag::to_bytes`].
    pub(crate) fn from_bytes(bytes: [u8; TAG_LEN]) -> Self {
        let (mut trace, mut account) = ([0; 8], [0; 4]);
        trace.copy_from_slice(&bytes[..8]);
        account.copy_from_slice(&bytes[8..12]);
        Self {
            trace: u64::from_le_bytes(trace),
            account: u32::from_le_bytes(account),
            shard: bytes[12],
            only: bytes[13] == 1,
        }
    }
}

/// The mark of a traced message beside its hops, of which there are never so many.
pub(crate) const TRACED: u8 = 0x80;
/// Bytes behind the body of a traced message between shards: trace, account, shard, and whether
/// only the trace is wanted.
pub(crate) const TAG_LEN: usize = 14;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read_as_it_was_written() {
        let tag = Tag { trace: u64::MAX - 7, account: 0x0102_0304, shard: 63, only: true };
        let read = Tag::from_bytes(tag.to_bytes());
        assert_eq!((read.trace, read.account), (tag.trace, tag.account));
        assert_eq!((read.shard, read.only), (63, true));
    }
}
