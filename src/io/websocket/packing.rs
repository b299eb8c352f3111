//! permessage-deflate (RFC 7692) without context takeover: one packer and one unpacker a shard.
//!
//! Absent: frames, and what is done with a message that is too large. Nothing is remembered from
//! one message to the next, so that no connection needs a window of its own, and what a message
//! unpacks to is bounded while it is unpacked: a bomb costs as much as its bound.

use fanfare_protocol::websocket::Violation;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// Rooms that all connections of a shard use in turn; they are made when first needed.
#[derive(Debug, Default)]
pub(in crate::io) struct Packing {
    packer: Option<Compress>,
    unpacker: Option<Decompress>,
    /// What came off a socket whose messages may be packed.
    pub(super) raw: Vec<u8>,
    /// What was unpacked last.
    pub(super) plain: Vec<u8>,
    /// What was packed last.
    pub(super) packed: Vec<u8>,
}

impl Packing {
    /// Unpacks a message into [`Packing::plain`], unless it holds more than `most` bytes.
    pub(super) fn unpack(&mut self, packed: &[u8], most: usize) -> Result<(), Violation> {
        let unpacker = self.unpacker.get_or_insert_with(|| Decompress::new(false));
        unpacker.reset(false);
        self.plain.clear();
        let mut rest = packed;
        let mut in_tail = false;
        let mut last_blocks = 0;
        loop {
            if self.plain.len() > most {
                return Err(Violation::TooBig);
            }
            if self.plain.len() == self.plain.capacity() {
                self.plain.reserve(UNPACKED_AT_ONCE.min(most + 1 - self.plain.len()));
            }
            let before = unpacker.total_in();
            let status = unpacker
                .decompress_vec(rest, &mut self.plain, FlushDecompress::Sync)
                .map_err(|_| Violation::Packed)?;
            let used = usize::try_from(unpacker.total_in() - before).unwrap_or(usize::MAX);
            rest = rest.get(used..).unwrap_or_default();
            match status {
                // A block that said it was the last one; others may follow all the same. Each of
                // them costs a new beginning, however little it holds: nobody needs many.
                Status::StreamEnd if !in_tail && !rest.is_empty() => {
                    last_blocks += 1;
                    if last_blocks > LAST_BLOCKS_MAX {
                        return Err(Violation::Packed);
                    }
                    unpacker.reset(false);
                }
                Status::StreamEnd => break,
                Status::Ok | Status::BufError => {
                    let is_drained = self.plain.len() < self.plain.capacity();
                    if rest.is_empty() && is_drained {
                        if in_tail {
                            return Err(Violation::Packed);
                        }
                        in_tail = true;
                        rest = TAIL;
                    } else if is_drained && used == 0 {
                        return Err(Violation::Packed);
                    }
                }
            }
        }
        if self.plain.len() > most { Err(Violation::TooBig) } else { Ok(()) }
    }

    /// Packs pieces as one message into [`Packing::packed`]; says whether that went well.
    pub(super) fn pack<'a>(&mut self, pieces: impl Iterator<Item = &'a [u8]>) -> bool {
        let packer = self.packer.get_or_insert_with(|| Compress::new(Compression::fast(), false));
        packer.reset();
        self.packed.clear();
        for piece in pieces {
            let mut rest = piece;
            while !rest.is_empty() {
                self.packed.reserve(PACKED_ROOM);
                let before = packer.total_in();
                let packed = packer.compress_vec(rest, &mut self.packed, FlushCompress::None);
                let used = usize::try_from(packer.total_in() - before).unwrap_or(usize::MAX);
                if packed.is_err() {
                    return false;
                }
                rest = rest.get(used..).unwrap_or_default();
            }
        }
        loop {
            self.packed.reserve(PACKED_ROOM);
            if packer.compress_vec(&[], &mut self.packed, FlushCompress::Sync).is_err() {
                return false;
            }
            if self.packed.len() < self.packed.capacity() {
                break;
            }
        }
        match self.packed.strip_suffix(FLUSHED) {
            Some(message) => {
                let length = message.len();
                self.packed.truncate(length);
                true
            }
            None => false,
        }
    }
}

/// What a flushed message ends with; it is not sent (RFC 7692, section 7.2.1).
const FLUSHED: &[u8] = &[0, 0, 0xff, 0xff];
/// The same, and an empty last block, so that the end of a message is known to be one.
const TAIL: &[u8] = &[0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff];
/// Blocks of one message that say they are the last one, and are not.
const LAST_BLOCKS_MAX: usize = 8;
/// Bytes that are unpacked between two looks at the bound.
const UNPACKED_AT_ONCE: usize = 16 * 1024;
/// Room for what is packed.
const PACKED_ROOM: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packed(packing: &mut Packing, plain: &[u8]) -> Vec<u8> {
        assert!(packing.pack(plain.chunks(7)));
        packing.packed.clone()
    }

    proptest! {
        #[test]
        fn what_is_packed_can_be_unpacked(
            words in prop::collection::vec(0u8..4, 0..30_000),
            noise in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut packing = Packing::default();
            let plain = [words, noise].concat();
            for _ in 0..2 {
                let message = packed(&mut packing, &plain);
                prop_assert!(packing.unpack(&message, plain.len()).is_ok());
                prop_assert_eq!(&packing.plain, &plain);
            }
            if !plain.is_empty() {
                let message = packed(&mut packing, &plain);
                let less = packing.unpack(&message, plain.len() - 1);
                prop_assert_eq!(less, Err(Violation::TooBig));
            }
        }

        #[test]
        fn no_bytes_make_it_panic_or_grow(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut packing = Packing::default();
            let _ = packing.unpack(&bytes, 1000);
            prop_assert!(packing.plain.capacity() <= 2 * UNPACKED_AT_ONCE);
        }
    }

    /// Less than a hundredth of what it unpacks to: no more is made than the bound allows.
    #[test]
    fn a_bomb_stops_at_the_bound() {
        let mut packing = Packing::default();
        let bomb = packed(&mut packing, &vec![0; 64 * 1024 * 1024]);
        assert!(bomb.len() < 1_000_000, "{}", bomb.len());
        let mut packing = Packing::default();
        assert_eq!(packing.unpack(&bomb, 100_000), Err(Violation::TooBig));
        assert!(packing.plain.capacity() <= 200_000, "{}", packing.plain.capacity());
        let small = packed(&mut packing, b"fine");
        assert_eq!(packing.unpack(&small, 4), Ok(()));
        assert_eq!(packing.plain, b"fine");
    }

    /// The examples of RFC 7692, section 7.2.3.
    #[test]
    fn the_standards_examples_unpack() {
        let mut packing = Packing::default();
        for message in [
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
            &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
            &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
        ] {
            assert_eq!(packing.unpack(message, 5), Ok(()), "{message:x?}");
            assert_eq!(packing.plain, b"Hello", "{message:x?}");
        }
        // Its reference into an earlier message leads nowhere.
        let shared = [0xf2, 0x00, 0x11, 0x00, 0x00];
        assert_eq!(packing.unpack(&shared, 5), Err(Violation::Packed));
        assert_eq!(packing.unpack(&[0xf2, 0x48, 0xcd], 5), Err(Violation::Packed), "cut short");
    }

    /// Blocks that hold nothing never meet the bound of what a message holds.
    #[test]
    fn a_message_begins_anew_a_few_times_only() {
        let mut packing = Packing::default();
        let empty_last = [3, 0];
        assert_eq!(packing.unpack(&empty_last.repeat(LAST_BLOCKS_MAX), 5), Ok(()));
        assert!(packing.plain.is_empty());
        let many = empty_last.repeat(LAST_BLOCKS_MAX + 2);
        assert_eq!(packing.unpack(&many, 5), Err(Violation::Packed));
    }
}
