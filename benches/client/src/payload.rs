//! What the messages of a load run carry, so that a receiver can tell a lost, repeated, swapped,
//! foreign or damaged one: who sent it, its number, a check word, times, and a known filler.
//!
//! Absent: the protocol around the payload and the counting of what was found (`receipt`).
//!
//! Layout, little endian, as far as the size allows:
//! bytes 0–7 the number of the message (low 48 bits) and its publisher (high 16 bits);
//! bytes 8–15 the check word of the first eight under the run's key;
//! bytes 16–23 when it was due, bytes 24–31 when it was written, in nanoseconds of the run's clock;
//! the rest is one of four fillers, chosen by the number. Below eight bytes all of it is filler.

/// Bytes of number and publisher.
pub const NUMBER_LEN: usize = 8;
/// Bytes after which a message can be checked in full.
pub const CHECKED_LEN: usize = 16;
/// Bytes after which a message says when it was due and when it was written.
pub const TIMED_LEN: usize = 32;
/// How many fillers there are; a publisher's ring of prepared messages has a multiple of it.
pub const FILLERS: u64 = 4;

const NUMBER_MASK: u64 = (1 << 48) - 1;

/// One message's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The publisher's index in the run.
    pub publisher: u16,
    /// The message's number, from 0.
    pub number: u64,
}

/// When a message was due and when it was written, in nanoseconds of the run's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// By the schedule.
    pub due_ns: u64,
    /// By the clock.
    pub written_ns: u64,
}

/// What a receiver found in a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Everything that the size allows to check is right.
    Message(Mark),
    /// Too small to carry a number; the filler is right.
    Anonymous,
    /// Not what any publisher of this run sent.
    Damaged,
}

/// Writes and checks payloads of one size for one run.
#[derive(Debug, Clone)]
pub struct Format {
    size: usize,
    run_key: u64,
    filler_len: usize,
    fillers: Vec<u8>,
}

impl Format {
    /// A format for payloads of `size` bytes; messages of another `run_key` count as damaged.
    pub fn new(size: usize, run_key: u64) -> Self {
        let filler_len = size.saturating_sub(filler_start(size));
        let mut fillers = Vec::new();
        for filler in 0..FILLERS {
            let mut state = 0x9E37_79B9_7F4A_7C15 ^ filler;
            for _ in 0..filler_len {
                state = mixed(state);
                fillers.push(state.to_le_bytes()[3]);
            }
        }
        Self { size, run_key, filler_len, fillers }
    }

    /// The payload's length.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether a payload has room for its times.
    pub fn is_timed(&self) -> bool {
        self.size >= TIMED_LEN
    }

    /// A whole payload of `mark`; its times are zero until [`stamp`] writes them.
    pub fn payload(&self, mark: Mark) -> Vec<u8> {
        let mut bytes = vec![0; self.size];
        let start = filler_start(self.size);
        if let Some(rest) = bytes.get_mut(start..) {
            let number = if self.size < NUMBER_LEN { 0 } else { mark.number };
            rest.copy_from_slice(self.filler(number));
        }
        self.renumber(&mut bytes, mark);
        bytes
    }

    /// Makes a prepared payload that of `mark`; the filler must already be the right one, which
    /// holds when the old and the new number agree modulo [`FILLERS`].
    #[inline]
    pub fn renumber(&self, payload: &mut [u8], mark: Mark) {
        let word = (u64::from(mark.publisher) << 48) | (mark.number & NUMBER_MASK);
        if let Some(place) = payload.first_chunk_mut::<CHECKED_LEN>() {
            let check = mixed(word ^ self.run_key);
            let both = (u128::from(check) << 64) | u128::from(word);
            *place = both.to_le_bytes();
        } else if let Some(place) = payload.first_chunk_mut::<NUMBER_LEN>() {
            *place = word.to_le_bytes();
        }
    }

    /// Checks a payload.
    #[inline]
    pub fn check(&self, payload: &[u8]) -> Found {
        if payload.len() != self.size {
            return Found::Damaged;
        }
        let Some(word) = payload.first_chunk::<NUMBER_LEN>() else {
            let right = payload == self.filler(0);
            return if right { Found::Anonymous } else { Found::Damaged };
        };
        let word = u64::from_le_bytes(*word);
        let [.., low, high] = word.to_le_bytes();
        let mark = Mark { publisher: u16::from_le_bytes([low, high]), number: word & NUMBER_MASK };
        let Some(check) = payload.get(NUMBER_LEN..CHECKED_LEN).and_then(|s| s.first_chunk::<8>())
        else {
            let right = payload.get(NUMBER_LEN..) == Some(self.filler(mark.number));
            return if right { Found::Message(mark) } else { Found::Damaged };
        };
        if u64::from_le_bytes(*check) != mixed(word ^ self.run_key) {
            return Found::Damaged;
        }
        if self.fillers.is_empty() {
            return Found::Message(mark);
        }
        let start = filler_start(self.size);
        if payload.get(start..) == Some(self.filler(mark.number)) {
            Found::Message(mark)
        } else {
            Found::Damaged
        }
    }

    fn filler(&self, number: u64) -> &[u8] {
        let index = usize::try_from(number % FILLERS).unwrap_or(0);
        let start = index * self.filler_len;
        self.fillers.get(start..start + self.filler_len).unwrap_or(&[])
    }
}

/// Writes the times into a payload that has room for them.
#[inline]
pub fn stamp(payload: &mut [u8], times: Times) {
    if let Some(place) = payload.get_mut(CHECKED_LEN..TIMED_LEN) {
        let both = (u128::from(times.written_ns) << 64) | u128::from(times.due_ns);
        place.copy_from_slice(&both.to_le_bytes());
    }
}

/// Reads the times from a payload that has room for them.
#[inline]
pub fn times(payload: &[u8]) -> Option<Times> {
    let (due, rest) = payload.get(CHECKED_LEN..)?.split_first_chunk::<8>()?;
    let written = rest.first_chunk::<8>()?;
    Some(Times { due_ns: u64::from_le_bytes(*due), written_ns: u64::from_le_bytes(*written) })
}

/// A word that depends on every bit of `word`, used as check word and to sum up sets of numbers.
#[inline]
pub fn mixed(word: u64) -> u64 {
    let product = word.wrapping_mul(0xD6E8_FEB8_6659_FD93);
    (product ^ (product >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93) ^ (product >> 29)
}

fn filler_start(size: usize) -> usize {
    match size {
        0..NUMBER_LEN => 0,
        NUMBER_LEN..CHECKED_LEN => NUMBER_LEN,
        CHECKED_LEN..TIMED_LEN => CHECKED_LEN,
        _ => TIMED_LEN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [usize; 12] = [0, 1, 7, 8, 12, 16, 24, 31, 32, 33, 128, 16384];

    #[test]
    fn what_was_written_is_found_at_every_size() {
        for size in SIZES {
            let format = Format::new(size, 7);
            for number in [0, 1, 2, 3, 4, 99, (1 << 48) - 1] {
                let mark = Mark { publisher: 65535, number };
                let payload = format.payload(mark);
                assert_eq!(payload.len(), size);
                let expected =
                    if size < NUMBER_LEN { Found::Anonymous } else { Found::Message(mark) };
                assert_eq!(format.check(&payload), expected);
            }
        }
    }

    #[test]
    fn every_flipped_bit_of_a_large_payload_is_seen() {
        for size in [16, 24, 40] {
            let format = Format::new(size, 7);
            let whole = format.payload(Mark { publisher: 3, number: 12 });
            for bit in 0..size * 8 {
                if size >= TIMED_LEN && (128..256).contains(&bit) {
                    continue;
                }
                let mut payload = whole.clone();
                payload[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(format.check(&payload), Found::Damaged, "size {size} bit {bit}");
            }
        }
    }

    #[test]
    fn other_runs_and_other_sizes_are_refused() {
        let payload = Format::new(16, 7).payload(Mark { publisher: 0, number: 1 });
        assert_eq!(Format::new(16, 8).check(&payload), Found::Damaged);
        assert_eq!(Format::new(17, 7).check(&payload), Found::Damaged);
        assert_eq!(Format::new(16, 7).check(&payload[..15]), Found::Damaged);
    }

    #[test]
    fn renumbering_keeps_the_rest_when_the_filler_stays() {
        let format = Format::new(64, 7);
        let mut payload = format.payload(Mark { publisher: 1, number: 6 });
        let later = Mark { publisher: 1, number: 6 + FILLERS * 1000 };
        format.renumber(&mut payload, later);
        stamp(&mut payload, Times { due_ns: 1, written_ns: u64::MAX });
        assert_eq!(format.check(&payload), Found::Message(later));
        assert_eq!(times(&payload), Some(Times { due_ns: 1, written_ns: u64::MAX }));
        assert_eq!(times(&payload[..31]), None);
    }
}
