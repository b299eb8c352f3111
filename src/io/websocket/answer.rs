//! What is said to a request: yes, with the terms, or no, with a status of HTTP.
//!
//! Absent: judging requests (`request`).

use super::reception::Reception;
use super::request::{Granted, Refused};

/// The answer that makes frames of what follows.
pub(super) fn yes(granted: &Granted, reception: &Reception) -> Vec<u8> {
    let mut text = String::from(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: ",
    );
    text.push_str(&granted.accept);
    text.push_str("\r\n");
    if granted.terms.compression {
        text.push_str(PACKED);
    }
    if granted.is_unmasked {
        text.push_str("Nats-No-Masking: true\r\n");
    }
    text.push_str(&reception.headers);
    text.push_str("\r\n");
    text.into_bytes()
}

/// The answer that ends the connection.
pub(super) fn no(refused: &Refused) -> Vec<u8> {
    let status = refused.status;
    let reason = match status {
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        431 => "Request Header Fields Too Large",
        _ => "Bad Request",
    };
    format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Sec-Websocket-Version: 13\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{reason}\n",
        reason.len() + 1
    )
    .into_bytes()
}

const PACKED: &str = "Sec-WebSocket-Extensions: permessage-deflate; \
                      server_no_context_takeover; client_no_context_takeover\r\n";
