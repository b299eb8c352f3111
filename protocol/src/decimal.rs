//! Decimal numbers of the wire: written without `format!`, read with the protocol's digit limit.
//!
//! Absent: signs, fractions and any number that the protocol does not carry. Reading must never
//! accept a tenth digit: nats-server refuses it even when it is a leading zero.

use crate::limits::MAX_SIZE_DIGITS;
use alloc::vec::Vec;

/// Appends a number in decimal.
#[inline]
pub fn write_u32(out: &mut Vec<u8>, value: u32) {
    let mut text = [0_u8; 10];
    let start = fill(&mut text, u64::from(value));
    out.extend_from_slice(text.get(start..).unwrap_or_default());
}

/// Appends a number in decimal.
pub fn write_u64(out: &mut Vec<u8>, value: u64) {
    let mut text = [0_u8; 20];
    let start = fill(&mut text, value);
    out.extend_from_slice(text.get(start..).unwrap_or_default());
}

/// Reads a whole argument of 1 to 9 digits; anything else is `None`.
#[inline]
pub fn read(text: &[u8]) -> Option<u32> {
    if text.is_empty() || text.len() > MAX_SIZE_DIGITS {
        return None;
    }
    let mut value = 0_u32;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u32::from(digit);
    }
    Some(value)
}

/// Writes the digits at the end of `text` and says where they begin.
#[inline(always)]
fn fill(text: &mut [u8], mut value: u64) -> usize {
    let mut at = text.len();
    for slot in text.iter_mut().rev() {
        // INVARIANT: a remainder of ten fits a byte.
        *slot = b'0' + (value % 10) as u8;
        value /= 10;
        at -= 1;
        if value == 0 {
            break;
        }
    }
    at
}
