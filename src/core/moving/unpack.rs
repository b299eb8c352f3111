//! Words of a parcel, read one behind the other; the inverse of `pack`.
//!
//! Absent: trust. Every length is checked against what is there before anything is made of it, so
//! that a wrong one costs neither memory nor a panic.

use super::MovingError;

/// See the module's head.
#[derive(Debug)]
pub(super) struct Unpacker<'a> {
    rest: &'a [u8],
}

impl<'a> Unpacker<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Whether all was read.
    pub(super) fn finish(&self) -> Result<(), MovingError> {
        if self.is_empty() { Ok(()) } else { Err(MovingError::Long) }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], MovingError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(MovingError::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], MovingError> {
        self.take(N)?.try_into().map_err(|_| MovingError::Short)
    }

    pub(super) fn u8(&mut self) -> Result<u8, MovingError> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn flag(&mut self) -> Result<bool, MovingError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(MovingError::Word),
        }
    }

    pub(super) fn u32(&mut self) -> Result<u32, MovingError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, MovingError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, MovingError> {
        self.array().map(i64::from_le_bytes)
    }

    /// A number of things that follow; each of them takes a byte at least.
    pub(super) fn count(&mut self) -> Result<usize, MovingError> {
        let count = usize::try_from(self.u32()?).map_err(|_| MovingError::TooMany)?;
        if count <= self.rest.len() { Ok(count) } else { Err(MovingError::Short) }
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], MovingError> {
        let count = self.count()?;
        self.take(count)
    }

    pub(super) fn text(&mut self) -> Result<Box<str>, MovingError> {
        let text = std::str::from_utf8(self.bytes()?).map_err(|_| MovingError::Text)?;
        Ok(text.into())
    }

    /// Something that may be missing.
    pub(super) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, MovingError>,
    ) -> Result<Option<T>, MovingError> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    /// Several things.
    pub(super) fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, MovingError>,
    ) -> Result<Vec<T>, MovingError> {
        let count = self.count()?;
        (0..count).map(|_| read(self)).collect()
    }
}
