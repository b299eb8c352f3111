//! The quick reading of control lines in their usual spelling: one blank between words, CR LF
//! behind them.
//!
//! Absent: everything else the protocol allows. `None` from any function here says nothing about
//! the line but that the grammar must look at it.

use crate::limits::MAX_SIZE_DIGITS;

/// The end of a line that announces a message: `[reply] [header_len] total_len` CR LF.
pub(crate) struct Tail<'a> {
    pub(crate) reply: &'a [u8],
    pub(crate) header_len: Option<u32>,
    pub(crate) total_len: u32,
    /// Where the byte behind the line stands.
    pub(crate) end: usize,
}

/// Reads the tail of a line from `at`.
#[inline]
pub(crate) fn tail(input: &[u8], at: usize, has_headers: bool) -> Option<Tail<'_>> {
    if let Some(tail) = sizes(input, at, has_headers) {
        return Some(tail);
    }
    let (reply, at) = word(input, at)?;
    Some(Tail { reply, ..sizes(input, at, has_headers)? })
}

/// Reads a word with one blank behind it; gives the word and where the byte behind the blank
/// stands.
#[inline]
pub(crate) fn word(input: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let end = word_end(input, at)?;
    let is_word = end > at && input.get(end) == Some(&b' ');
    is_word.then_some((input.get(at..end)?, end + 1))
}

#[inline]
fn sizes(input: &[u8], at: usize, has_headers: bool) -> Option<Tail<'_>> {
    let (first, end) = number(input, at)?;
    let (header_len, total_len, end) = if has_headers {
        if input.get(end) != Some(&b' ') {
            return None;
        }
        let (total_len, end) = number(input, end + 1)?;
        (Some(first), total_len, end)
    } else {
        (None, first, end)
    };
    let is_end = input.get(end..end + 2)? == b"\r\n";
    is_end.then_some(Tail { reply: b"", header_len, total_len, end: end + 2 })
}

/// Reads 1 to 9 digits; gives the number and where the byte behind them stands, whatever it is.
#[inline]
fn number(input: &[u8], start: usize) -> Option<(u32, usize)> {
    let mut value = 0_u32;
    let mut at = start;
    while at - start < MAX_SIZE_DIGITS {
        let digit = input.get(at)?.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value * 10 + u32::from(digit);
        at += 1;
    }
    (at > start).then_some((value, at))
}

/// Where the first blank or control character stands, looking at eight bytes at a time.
#[inline]
fn word_end(input: &[u8], mut at: usize) -> Option<usize> {
    while let Some(chunk) = input.get(at..)?.first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        // The lowest bit set here belongs to the first byte below 0x21: a borrow can only set
        // bits of bytes behind it.
        let small = word.wrapping_sub(EACH_BYTE * 0x21) & !word & (EACH_BYTE * 0x80);
        if small != 0 {
            // INVARIANT: at most 7.
            return Some(at + (small.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    let rest = input.get(at..)?;
    rest.iter().position(|byte| *byte <= b' ').map(|offset| at + offset)
}

const EACH_BYTE: u64 = 0x0101_0101_0101_0101;
