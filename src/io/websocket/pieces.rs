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
    /// Puts bytes into the room; gives back those that it has no space for.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Vec<u8> {
        let space = self.room.get_mut(self.length..).unwrap_or_default();
        let (front, back) = bytes.split_at(space.len().min(bytes.len()));
        if let Some(space) = space.get_mut(..front.len()) {
            space.copy_from_slice(front);
        }
        self.length += front.len();
        back.to_vec()
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
        debug_assert!(self.used < PIECES_MAX, "the core gathers fewer pieces");
        if let Some(place) = self.pieces.get_mut(self.used) {
            *place = piece;
            self.used += 1;
        }
    }

    pub(super) fn as_slice(&self) -> &[&'a [u8]] {
        self.pieces.get(..self.used).unwrap_or_default()
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
