//! What a client writes to its server, appended to a buffer.
//!
//! Absent: checks of the arguments; the caller gives subjects without blanks. Never used by the
//! broker itself.

use crate::connect::ConnectOptions;
use crate::decimal::{write_u32, write_u64};
use crate::encode::CR_LF;
use crate::json::Object;
use alloc::vec::Vec;

/// Appends `CONNECT {…}` with every flag spelled out and the texts that are set.
pub fn connect(out: &mut Vec<u8>, options: &ConnectOptions) {
    out.extend_from_slice(b"CONNECT ");
    let mut object = Object::begin(out);
    object.flag("verbose", options.verbose);
    object.flag("pedantic", options.pedantic);
    object.flag("echo", options.echo);
    object.flag("tls_required", options.tls_required);
    object.flag("headers", options.headers);
    object.flag("no_responders", options.no_responders);
    object.integer("protocol", options.protocol);
    object.flag_if("new_account", options.new_account);
    let texts = [
        ("user", &options.user),
        ("pass", &options.pass),
        ("auth_token", &options.auth_token),
        ("nkey", &options.nkey),
        ("sig", &options.sig),
        ("jwt", &options.jwt),
        ("name", &options.name),
        ("lang", &options.lang),
        ("version", &options.version),
        ("account", &options.account),
        ("proxy_sig", &options.proxy_sig),
    ];
    for (key, value) in texts {
        object.text_if(key, value.as_deref().unwrap_or_default());
    }
    object.end();
    out.extend_from_slice(CR_LF);
}

/// Appends the control line of a publish without headers; the caller appends the payload and
/// [`CR_LF`]. An empty reply is no reply.
#[inline]
pub fn publish_line(out: &mut Vec<u8>, subject: &[u8], reply: &[u8], payload_len: u32) {
    out.extend_from_slice(b"PUB ");
    words(out, subject, reply);
    write_u32(out, payload_len);
    out.extend_from_slice(CR_LF);
}

/// Appends a whole publish without headers.
///
/// A payload must be shorter than 4 GiB, or its line says less than follows.
#[inline]
pub fn publish(out: &mut Vec<u8>, subject: &[u8], reply: &[u8], payload: &[u8]) {
    publish_line(out, subject, reply, length(payload));
    out.extend_from_slice(payload);
    out.extend_from_slice(CR_LF);
}

/// Appends a whole publish with a header block.
pub fn publish_headers(
    out: &mut Vec<u8>,
    subject: &[u8],
    reply: &[u8],
    headers: &[u8],
    payload: &[u8],
) {
    out.extend_from_slice(b"HPUB ");
    words(out, subject, reply);
    write_u32(out, length(headers));
    out.push(b' ');
    write_u32(out, length(headers).saturating_add(length(payload)));
    out.extend_from_slice(CR_LF);
    out.extend_from_slice(headers);
    out.extend_from_slice(payload);
    out.extend_from_slice(CR_LF);
}

/// Appends `SUB filter [queue] sid`.
pub fn subscribe(out: &mut Vec<u8>, filter: &[u8], queue: Option<&[u8]>, sid: &[u8]) {
    out.extend_from_slice(b"SUB ");
    words(out, filter, queue.unwrap_or_default());
    out.extend_from_slice(sid);
    out.extend_from_slice(CR_LF);
}

/// Appends `UNSUB sid [max]`.
pub fn unsubscribe(out: &mut Vec<u8>, sid: &[u8], max: Option<u64>) {
    out.extend_from_slice(b"UNSUB ");
    out.extend_from_slice(sid);
    if let Some(max) = max {
        out.push(b' ');
        write_u64(out, max);
    }
    out.extend_from_slice(CR_LF);
}

/// Two words, each with a blank behind it; an empty second one is left out.
#[inline]
fn words(out: &mut Vec<u8>, first: &[u8], second: &[u8]) {
    out.extend_from_slice(first);
    out.push(b' ');
    if !second.is_empty() {
        out.extend_from_slice(second);
        out.push(b' ');
    }
}

#[inline]
fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
