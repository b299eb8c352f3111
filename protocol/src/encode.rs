//! What a server writes to its clients, appended to a buffer.
//!
//! Absent: `INFO` (see [`crate::info`]) and payloads, which the caller appends or references. The
//! head of a message is written in two parts around the subscription id, so that a broker renders
//! each part once for all receivers. Nothing here may format with `format!`.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use crate::decimal::write_u32;
use crate::error::ProtocolError;

/// A line's end, and what stands behind every message.
pub const CR_LF: &[u8] = b"\r\n";
/// The acknowledgement of verbose mode.
pub const OK: &[u8] = b"+OK\r\n";
/// The question whether the peer is there.
pub const PING: &[u8] = b"PING\r\n";
/// Its answer.
pub const PONG: &[u8] = b"PONG\r\n";

/// Appends the part of a message's head before the subscription id: `MSG subject ` or
/// `HMSG subject `.
#[inline]
pub fn message_prefix(out: &mut Vec<u8>, subject: &[u8], has_headers: bool) {
    out.extend_from_slice(if has_headers { b"HMSG " } else { b"MSG " });
    out.extend_from_slice(subject);
    out.push(b' ');
}

/// Appends the part of a message's head behind the subscription id: `[ reply][ header_len]
/// total_len` and the line's end. An empty reply is no reply.
#[inline]
pub fn message_suffix(out: &mut Vec<u8>, reply: &[u8], header_len: Option<u32>, total_len: u32) {
    out.push(b' ');
    if !reply.is_empty() {
        out.extend_from_slice(reply);
        out.push(b' ');
    }
    if let Some(header_len) = header_len {
        write_u32(out, header_len);
        out.push(b' ');
    }
    write_u32(out, total_len);
    out.extend_from_slice(CR_LF);
}

/// Appends `-ERR '…'`.
pub fn error(out: &mut Vec<u8>, error: &ProtocolError) {
    out.extend_from_slice(b"-ERR '");
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write!(text, "{error}");
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"'\r\n");
}

/// Appends the whole message that tells a requester that nobody serves `subject`; it goes to the
/// requester's own subscription `sid` that selects `reply`.
pub fn no_responders(out: &mut Vec<u8>, reply: &[u8], sid: &[u8], subject: &[u8]) {
    let len = no_responders_len(subject);
    message_prefix(out, reply, true);
    out.extend_from_slice(sid);
    message_suffix(out, b"", Some(len), len);
    no_responders_block(out, subject);
    out.extend_from_slice(CR_LF);
}

/// The length of the header block that [`no_responders_block`] writes.
pub fn no_responders_len(subject: &[u8]) -> u32 {
    let around = STATUS_503.len() + CR_LF.len() * 2;
    u32::try_from(around + subject.len()).unwrap_or(u32::MAX)
}

/// Appends the header block of a no-responders message, which is all of it.
pub fn no_responders_block(out: &mut Vec<u8>, subject: &[u8]) {
    out.extend_from_slice(STATUS_503);
    out.extend_from_slice(subject);
    out.extend_from_slice(b"\r\n\r\n");
}

/// Status and key of the no-responders block, as nats-server writes it since 2.12.
const STATUS_503: &[u8] = b"NATS/1.0 503\r\nNats-Subject: ";
