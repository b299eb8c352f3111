//! WebSocket between a socket, or its TLS, and the core: the HTTP request that begins it, frames
//! off and on, messages packed and unpacked.
//!
//! Absent: the protocol inside, which is one stream of bytes however it was framed, and the grammar
//! of frames (`fanfare_protocol::websocket`). It keeps no buffer for a connection that has nothing
//! under way; packing has rooms that all connections of a shard share.

mod answer;
mod farewell;
mod packing;
mod pieces;
mod pipe;
mod reception;
mod request;
mod session;
mod upgrade;

pub(super) use packing::Packing;
pub(super) use pipe::Pipe;
pub(crate) use reception::Reception;
pub(super) use request::{Refused, Visitor};
pub(super) use session::{Budget, Session};
pub(super) use upgrade::{Progress, Upgrade};
