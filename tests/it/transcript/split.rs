//! How the bytes of a conversation are cut into segments on their way to the broker.
//!
//! Absent: randomness that cannot be repeated; every cut follows from the number of a seed.

/// A way to cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Split {
    /// Everything that a client says in one go is one segment.
    Whole,
    /// A segment for each line of the script.
    Lines,
    /// A segment for each byte; long runs of one byte stay together.
    Bytes,
    /// Cut points drawn from this seed.
    Random(u64),
}

/// The ways in which every transcript is played.
pub(crate) const SPLITS: [Split; 6] = [
    Split::Whole,
    Split::Lines,
    Split::Bytes,
    Split::Random(1),
    Split::Random(2),
    Split::Random(3),
];

/// Bytes at the start of a conversation's turn that are sent one by one.
const SINGLE_BYTES_MAX: usize = 400;

/// Cuts what a client says in one go.
pub(crate) fn cut(split: Split, said: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let whole = said.concat();
    match split {
        Split::Whole => vec![whole],
        Split::Lines => said.to_vec(),
        Split::Bytes => {
            let single = whole.len().min(SINGLE_BYTES_MAX);
            let (single, rest) = whole.split_at(single);
            let mut parts: Vec<_> = single.iter().map(|&byte| vec![byte]).collect();
            parts.push(rest.to_vec());
            parts
        }
        Split::Random(seed) => {
            let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            let mut parts = Vec::new();
            let mut rest = &whole[..];
            while !rest.is_empty() {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let length = usize::try_from(state % 23).map_or(1, |drawn| drawn + 1);
                let (part, later) = rest.split_at(length.min(rest.len()));
                parts.push(part.to_vec());
                rest = later;
            }
            // A long run, such as a payload, has been cut often enough by then.
            if parts.len() > 64 {
                let last = parts.split_off(64).concat();
                parts.push(last);
            }
            parts
        }
    }
}
