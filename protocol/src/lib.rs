//! The NATS client protocol as pure functions over byte slices: bytes in, values out, and back.
//!
//! Absent: sockets, clocks, threads, locks, randomness and every other way to reach the machine
//! (a check in the tests holds the crate to that), and what an operation causes, which is the
//! broker's business. Nothing that a peer sends may panic here.
//!
//! A broker reads clients with [`decode::next`], judges subjects with [`subject`], reads
//! [`connect::ConnectOptions`], and writes with [`encode`] and [`info::ServerInfo`]. A client
//! reads a server with [`server_op::next`] and writes with [`client_encode`].
//!
//! What a client says, in one page; verbs in any case, `_` one or more blanks (space, tab), blanks
//! allowed before a line's end, which is LF or CR LF, and a message's end always CR LF:
//!
//! ```text
//! CONNECT [_] json
//! PUB     _ subject [_ reply] _ size                 line end, size bytes, CR LF
//! HPUB    _ subject [_ reply] _ header_size _ size   line end, size bytes, CR LF
//! SUB     _ filter [_ queue] _ sid
//! UNSUB   _ sid [_ max]
//! PING    anything       PONG    anything
//! +OK     anything       INFO [_] json               without effect
//! ```
//!
//! Words are any bytes but blanks, CR and LF; sizes are 1 to 9 digits. What breaks the verb or a
//! message's end is answered and closes ([`error::ProtocolError`]), what breaks the arguments
//! closes in silence ([`decode::Violation`]), as nats-server has it.
#![forbid(unsafe_code)]
// Without the standard library there is nothing to reach the machine with.
#![no_std]

extern crate alloc;

pub mod client_encode;
pub mod connect;
pub mod decimal;
pub mod decode;
pub mod encode;
pub mod error;
pub mod grammar;
pub mod header;
pub mod info;
pub mod json;
pub mod limits;
pub mod op;
pub mod proxy;
mod scan;
pub mod server_op;
pub mod subject;
pub mod websocket;
