//! WebSocket (RFC 6455) as pure functions: frames read and written, messages in pieces, closes.
//!
//! Absent: sockets, compression, and the HTTP request before the first frame. What travels inside
//! is one stream of bytes: frames may split or join its lines, and nothing here looks at it.

mod close;
mod frame;
mod reader;
mod utf8;

pub use close::{Close, CloseCode};
pub use frame::{ACCEPT_SUFFIX, Header, Kind, Payload, mask};
pub use reader::{Masking, Piece, Reader, Step, Terms, Violation};
