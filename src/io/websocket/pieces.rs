//! Bytes in pieces: where they are put, how they are gathered for one write, and parts of them.
//!
//! Absent: what they are.

use super::pipe::PIECES_MAX;

/// Where the core wants its bytes.
pub(super) struct Place<'a> {
    pub(super) room: &'a mut [u8],
    pub(super) length: usize,
}

impl Place<'_> {
    /// Puts bytes into the room, as far as it has space; says how many.
    pub(super) fn put(&mut self, bytes: &[u8]) -> usize {
        let space = self.room.get_mut(self.length..).unwrap_or_default();
        let (front, _) = bytes.split_at(space.len().min(bytes.len()));
        if let Some(space) = space.get_mut(..front.len()) {
            space.copy_from_slice(front);
        }
        self.length += front.len();
        front.len()
    }
}

/// Bytes that are used up from the front. They stay where they are until the last one is used, so
/// that many small uses of many bytes cost no more than the bytes.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) bytes: Vec<u8>,
    used: usize,
}

impl Kept {
    /// Keeps bytes, the first of which are used already.
    pub(super) fn new(mut bytes: Vec<u8>, used: usize) -> Self {
        if used >= bytes.len() {
            return Self::default();
        }
        bytes.shrink_to_fit();
        Self { bytes, used }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Gives all away: the bytes, and how many of them are used.
    pub(super) fn take(&mut self) -> (Vec<u8>, usize) {
        let Self { bytes, used } = std::mem::take(self);
        (bytes, used)
    }

    /// Puts into a place what fits.
    pub(super) fn put_into(&mut self, place: &mut Place<'_>) {
        self.used += place.put(self.bytes.get(self.used..).unwrap_or_default());
        if self.used >= self.bytes.len() {
            *self = Self::default();
        }
    }
}

/// Pieces of one write.
pub(super) struct List<'a> {
    pieces: [&'a [u8]; PIECES_MAX],
    used: usize,
}

impl Default for List<'_> {
    fn default() -> Self {
        Self { pieces: [&[]; PIECES_MAX], used: 0 }
    }
}

impl<'a> List<'a> {
    pub(super) fn push(&mut self, piece: &'a [u8]) {
        if piece.is_empty() {
            return;
        }
        if let Some(place) = self.pieces.get_mut(self.used) {
            *place = piece;
        }
        self.used += 1;
    }

    /// The pieces; nothing at all if there were too many, so that none is left out unseen.
    pub(super) fn as_slice(&self) -> Option<&[&'a [u8]]> {
        self.pieces.get(..self.used)
    }
}

/// The parts of pieces that stand between two places of the whole.
pub(super) fn between<'p>(
    pieces: impl Iterator<Item = &'p [u8]>,
    from: usize,
    to: usize,
) -> impl Iterator<Item = &'p [u8]> {
    let mut start = 0;
    pieces.map(move |piece| {
        let (first, end) = (start, start + piece.len());
        start = end;
        let (first, last) = (from.max(first) - first, to.min(end).saturating_sub(first));
        piece.get(first.min(last)..last).unwrap_or_default()
    })
}

/// What is left of some bytes.
pub(super) fn rest(mut bytes: Vec<u8>, sent: usize) -> Vec<u8> {
    if sent >= bytes.len() {
        return Vec::new();
    }
    bytes.drain(..sent);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_too_many_is_not_left_out_unseen() {
        let mut list = List::default();
        for _ in 0..PIECES_MAX {
            list.push(b"x");
            list.push(b"");
        }
        assert_eq!(list.as_slice().map(<[_]>::len), Some(PIECES_MAX));
        list.push(b"y");
        assert_eq!(list.as_slice(), None);
    }
}
