//! Subscription ids as four bytes: the number itself when it is one, else a reference to a text.
//!
//! Absent: what a sid subscribes to (`subs`). Client libraries number their subscriptions, so the
//! texts are rare; a text lives as long as a subscription or an unsent message names it.

use super::texts::{TextId, TextTable};

/// A subscription's id, which its client chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Sid(u32);

impl Sid {
    /// No sid: the record is written as it is.
    pub(crate) const NONE: Self = Self(u32::MAX);

    /// The number behind a canonical decimal text.
    fn from_decimal(text: &[u8]) -> Option<Self> {
        if text.is_empty() || text.len() > 10 || (text[0] == b'0' && text.len() > 1) {
            return None;
        }
        let mut value = 0u64;
        for digit in text {
            if !digit.is_ascii_digit() {
                return None;
            }
            value = value * 10 + u64::from(digit - b'0');
        }
        u32::try_from(value).ok().filter(|value| value & UNUSUAL == 0).map(Self)
    }

    fn from_text(id: TextId) -> Self {
        Self(id.value() | UNUSUAL)
    }

    fn unusual(self) -> Option<TextId> {
        let is_text = self.0 & UNUSUAL != 0 && self != Self::NONE;
        is_text.then_some(TextId::from_value(self.0 & !UNUSUAL))
    }
}

/// Marks a reference to a text.
const UNUSUAL: u32 = 1 << 31;

/// The texts of one shard's unusual sids.
#[derive(Debug)]
pub(crate) struct SidTable {
    unusual: TextTable,
}

impl SidTable {
    pub(crate) fn new(seed: u64) -> Self {
        Self { unusual: TextTable::new(seed) }
    }

    /// The sid with this text, if a subscription may have it.
    pub(crate) fn find(&self, text: &[u8]) -> Option<Sid> {
        Sid::from_decimal(text).or_else(|| self.unusual.find(text).map(Sid::from_text))
    }

    /// The sid with this text, with one reference for the caller.
    pub(crate) fn intern(&mut self, text: &[u8]) -> Sid {
        Sid::from_decimal(text).unwrap_or_else(|| Sid::from_text(self.unusual.intern(text)))
    }

    #[inline]
    pub(crate) fn acquire(&mut self, sid: Sid) {
        if let Some(id) = sid.unusual() {
            self.unusual.acquire(id);
        }
    }

    #[inline]
    pub(crate) fn release(&mut self, sid: Sid) {
        if let Some(id) = sid.unusual() {
            self.unusual.release(id);
        }
    }

    /// The sid's text; `digits` is room for a number.
    #[inline]
    pub(crate) fn text<'a>(&'a self, sid: Sid, digits: &'a mut [u8; 10]) -> &'a [u8] {
        if sid == Sid::NONE {
            return &[];
        }
        match sid.unusual() {
            Some(id) => self.unusual.text(id),
            None => decimal(sid.0, digits),
        }
    }

    /// Bytes of the sid's text.
    #[inline]
    pub(crate) fn text_len(&self, sid: Sid) -> usize {
        if sid == Sid::NONE {
            return 0;
        }
        match sid.unusual() {
            Some(id) => self.unusual.text(id).len(),
            None => digits(sid.0),
        }
    }

    /// Texts that something still names: zero when nothing is subscribed or unsent.
    pub(crate) fn texts(&self) -> usize {
        self.unusual.len()
    }
}

/// Decimal digits of a number: sids are small, so that comparing beats a logarithm.
#[inline]
fn digits(value: u32) -> usize {
    let (mut digits, mut bound) = (1, 10u64);
    while u64::from(value) >= bound {
        digits += 1;
        bound *= 10;
    }
    digits
}

fn decimal(mut value: u32, digits: &mut [u8; 10]) -> &[u8] {
    let mut start = digits.len();
    loop {
        start -= 1;
        // INVARIANT: a remainder of ten is one digit.
        let digit = (value % 10) as u8;
        digits[start] = b'0' + digit;
        value /= 10;
        if value == 0 {
            return &digits[start..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(table: &mut SidTable, text: &[u8]) -> Sid {
        let sid = table.intern(text);
        let mut digits = [0; 10];
        assert_eq!(table.text(sid, &mut digits), text);
        assert_eq!(table.text_len(sid), text.len());
        sid
    }

    #[test]
    fn a_sid_keeps_its_text() {
        let mut table = SidTable::new(3);
        for text in [&b"0"[..], b"1", b"10", b"2147483647", b"99"] {
            round_trip(&mut table, text);
        }
        assert_eq!(table.texts(), 0, "numbers need no table");
        for text in [&b"01"[..], b"abc", b"2147483648", b"4294967295", b"-1", "\u{e9}".as_bytes()] {
            round_trip(&mut table, text);
        }
        assert_eq!(table.texts(), 6);
    }

    #[test]
    fn a_text_leaves_with_its_last_reference() {
        let mut table = SidTable::new(3);
        let sid = table.intern(b"abc");
        assert_eq!(table.intern(b"abc"), sid);
        table.release(sid);
        assert_eq!(table.find(b"abc"), Some(sid));
        table.release(sid);
        assert_eq!(table.find(b"abc"), None);
        assert_eq!(table.texts(), 0);
    }
}
