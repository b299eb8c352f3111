//! What stands between a socket and its client: a PROXY header, a choice, a handshake, then TLS; a
//! request of HTTP, then frames.
//!
//! Absent: the client, and the order of turns (`lobby`). A layer is a value that is told to go on
//! and says how far it came. A connection in clear has none.

use std::net::SocketAddr;
use std::sync::Arc;

use fanfare_protocol::proxy::{self, ProxyStep};

use super::fault::Fault;
use super::gate::Gate;
use super::stream::{Stream, would_block};
use super::tls::{self, Session, Shake, ShakeError};
use super::websocket::{self, Budget, Packing, Pipe, Progress, Reception, Upgrade, Visitor};
use crate::config::listen::HandshakeFirst;
use crate::core::auth::TlsPeer;
use crate::core::close::CloseReason;
use crate::core::time::Instant;
use crate::core::turn::{ReadOutcome, WriteOutcome};

/// See the module's head.
#[derive(Debug)]
pub(super) struct Layer {
    stage: Stage,
    order: Order,
    gate: Arc<Gate>,
    /// When the present stage must be over.
    pub(super) deadline: Instant,
    /// Whether the greeting is out, which is in clear whatever comes then.
    greeted: bool,
    /// Whether it stands in the list of those to go on.
    pub(super) queued: bool,
    /// Whether the peer has ended its side.
    pub(super) hangup: bool,
}

/// Rooms that all connections of a shard use in turn.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    tls: tls::Rooms,
    packing: Packing,
}

/// What comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// The greeting, in clear.
    Greeting,
    /// The handshake.
    Handshake,
}

#[derive(Debug)]
enum Stage {
    /// Nothing has been looked at.
    Start,
    /// A PROXY header may come.
    Header,
    /// A PROXY header is known; this much of it is still to be skipped.
    Skip(Box<(usize, Option<SocketAddr>)>),
    /// The header is over.
    Threshold,
    /// The client's first byte decides: a handshake, or the greeting.
    Choice,
    /// The client's first byte decides: a handshake, or clear text.
    Sniff,
    /// A handshake will begin with the client's first bytes.
    Hello,
    /// It has begun.
    Shaking(Box<Session>),
    /// It is through.
    Open(Box<Session>),
    /// A request is coming.
    Request(Box<Request>),
    /// It was granted.
    Frames(Option<Box<Session>>, Box<websocket::Session>),
}

/// A request of HTTP, and the TLS that it comes through.
#[derive(Debug)]
struct Request {
    tls: Option<Box<Session>>,
    peer: Option<Arc<TlsPeer>>,
    upgrade: Upgrade,
}

/// How far a layer came.
#[derive(Debug)]
pub(super) enum Advance {
    /// More must happen on the socket first.
    Wait,
    /// There may be more to do at once.
    Again,
    /// A proxy says where the connection comes from.
    Peer(SocketAddr),
    /// There is nothing to protect: the client may be greeted, or goes on, in clear.
    Clear,
    /// The handshake is through.
    Secured(Arc<TlsPeer>),
    /// Frames begin, in clear or in TLS.
    Upgraded(Visitor, Option<Arc<TlsPeer>>),
    /// The connection is over.
    Failed(Fault),
}

impl Layer {
    pub(super) fn new(gate: Arc<Gate>, order: Order, now: Instant) -> Self {
        Self {
            stage: Stage::Start,
            order,
            gate,
            deadline: now.after_ns(HEADER_NS),
            greeted: false,
            queued: false,
            hangup: false,
        }
    }

    /// Whether it is not known yet what the client's bytes travel in.
    pub(super) fn is_waiting(&self) -> bool {
        !matches!(self.stage, Stage::Open(_) | Stage::Frames(..))
    }

    /// Greets first after all, because the client did not begin.
    pub(super) fn fall_back(&mut self, now: Instant) {
        self.order = Order::Greeting;
        self.stage = Stage::Threshold;
        self.deadline = now.after_ns(HEADER_NS);
    }

    /// Goes on as far as one step leads.
    pub(super) fn advance(&mut self, stream: &Stream, rooms: &mut Rooms, now: Instant) -> Advance {
        match &mut self.stage {
            Stage::Start => {
                let is_behind_proxy = self.gate.proxy_protocol;
                self.stage = if is_behind_proxy { Stage::Header } else { Stage::Threshold };
                Advance::Again
            }
            Stage::Header => self.find_header(stream),
            Stage::Skip(header) => match skip(stream, &mut header.0) {
                Ok(false) => Advance::Wait,
                Ok(true) => {
                    let peer = header.1.map_or(Advance::Again, Advance::Peer);
                    self.stage = Stage::Threshold;
                    peer
                }
                Err(fault) => Advance::Failed(fault),
            },
            Stage::Threshold => self.choose(now),
            Stage::Choice | Stage::Sniff => self.sniff(stream, now),
            Stage::Hello => self.begin(stream),
            Stage::Shaking(_) => self.shake(stream, rooms, now),
            Stage::Request(_) => self.go_on_with_request(stream, rooms),
            Stage::Open(_) | Stage::Frames(..) => Advance::Wait,
        }
    }

    /// The deadline is over.
    pub(super) fn expire(&self) -> Advance {
        match self.stage {
            // As with nats-server: who does not speak is taken for one that speaks in clear.
            Stage::Choice | Stage::Sniff => Advance::Clear,
            Stage::Start | Stage::Header | Stage::Skip(..) | Stage::Threshold => {
                Advance::Failed(Fault::Late)
            }
            Stage::Hello | Stage::Shaking(_) => Advance::Failed(Fault::LateShake),
            Stage::Request(_) => Advance::Failed(Fault::LateRequest),
            Stage::Open(_) | Stage::Frames(..) => Advance::Wait,
        }
    }

    fn find_header(&mut self, stream: &Stream) -> Advance {
        let mut bytes = [0; proxy::PREFIX_MAX];
        let seen = match stream.peek(&mut bytes) {
            Ok(0) => return Advance::Failed(Fault::Ended),
            Ok(seen) => seen,
            Err(error) if would_block(&error) => return Advance::Wait,
            Err(error) => return Advance::Failed(Fault::Socket(error)),
        };
        match proxy::parse(bytes.get(..seen).unwrap_or_default()) {
            Ok(ProxyStep::More) => return Advance::Wait,
            Ok(ProxyStep::Absent) => self.stage = Stage::Threshold,
            Ok(ProxyStep::Header { source, length }) => {
                self.stage = Stage::Skip(Box::new((length, source)));
            }
            Err(error) => return Advance::Failed(Fault::Proxy(error)),
        }
        Advance::Again
    }

    fn choose(&mut self, now: Instant) -> Advance {
        let Some(tls) = &self.gate.tls else {
            return if self.gate.websocket.is_some() {
                self.expect_request(None, None, now)
            } else {
                Advance::Clear
            };
        };
        let (stage, wait) = match (self.order, tls.handshake_first) {
            (Order::Handshake, HandshakeFirst::Auto(wait)) => (Stage::Choice, wait),
            (Order::Greeting, _) if tls.allow_non_tls => (Stage::Sniff, tls.timeout_ns),
            (Order::Handshake | Order::Greeting, _) => return self.expect_hello(now),
        };
        self.stage = stage;
        self.deadline = now.after_ns(wait);
        Advance::Again
    }

    fn expect_hello(&mut self, now: Instant) -> Advance {
        let Some(tls) = &self.gate.tls else { return Advance::Clear };
        if !tls.admits(now) {
            return Advance::Failed(Fault::Throttled);
        }
        self.stage = Stage::Hello;
        self.deadline = now.after_ns(tls.timeout_ns);
        Advance::Again
    }

    fn sniff(&mut self, stream: &Stream, now: Instant) -> Advance {
        let mut first = [0];
        let is_choice = matches!(self.stage, Stage::Choice);
        match stream.peek(&mut first) {
            Err(error) if would_block(&error) => Advance::Wait,
            Ok(1..) if is_choice || first == [HANDSHAKE_RECORD] => self.expect_hello(now),
            Ok(0) if is_choice => Advance::Failed(Fault::Ended),
            Err(error) if is_choice => Advance::Failed(Fault::Socket(error)),
            // The client's own reads and writes will meet whatever is wrong.
            Ok(_) | Err(_) => Advance::Clear,
        }
    }

    fn begin(&mut self, stream: &Stream) -> Advance {
        if self.order == Order::Greeting && !self.greeted {
            // The answer to a client that did not wait must stand behind the greeting.
            return Advance::Wait;
        }
        // Nothing is made for a peer that has not said a word.
        let mut first = [0];
        match stream.peek(&mut first) {
            Ok(0) => return Advance::Failed(Fault::Shake(ShakeError::Ended)),
            // As nats-server does it, what is no TLS gets no alert of TLS.
            Ok(_) if !matches!(first, [HANDSHAKE_RECORD | ALERT_RECORD]) => {
                return Advance::Failed(Fault::Shake(ShakeError::NotTls));
            }
            Ok(_) => {}
            Err(error) if would_block(&error) => return Advance::Wait,
            Err(error) => return Advance::Failed(Fault::Socket(error)),
        }
        let Some(tls) = &self.gate.tls else { return Advance::Clear };
        match Session::new(tls) {
            Ok(session) => {
                self.stage = Stage::Shaking(Box::new(session));
                Advance::Again
            }
            Err(error) => Advance::Failed(Fault::Shake(ShakeError::Tls(error))),
        }
    }

    fn expect_request(
        &mut self,
        tls: Option<Box<Session>>,
        peer: Option<Arc<TlsPeer>>,
        now: Instant,
    ) -> Advance {
        let upgrade = Upgrade::default();
        self.stage = Stage::Request(Box::new(Request { tls, peer, upgrade }));
        let wait = self.gate.websocket.as_ref().map_or(HEADER_NS, Reception::timeout_ns);
        self.deadline = now.after_ns(wait);
        Advance::Again
    }

    fn go_on_with_request(&mut self, stream: &Stream, rooms: &mut Rooms) -> Advance {
        let (Stage::Request(request), Some(reception)) = (&mut self.stage, &self.gate.websocket)
        else {
            return Advance::Clear;
        };
        let is_secure = request.tls.is_some();
        let tls = request.tls.as_deref_mut();
        let mut pipe = Pipe { stream, tls, rooms: &mut rooms.tls };
        match request.upgrade.step(&mut pipe, reception, is_secure) {
            Progress::Wait => Advance::Wait,
            Progress::Again => Advance::Again,
            Progress::Failed(fault) => Advance::Failed(fault),
            Progress::Done(frames, visitor) => {
                let (tls, peer) = (request.tls.take(), request.peer.take());
                self.stage = Stage::Frames(tls, frames);
                Advance::Upgraded(visitor, peer)
            }
        }
    }

    fn shake(&mut self, stream: &Stream, rooms: &mut Rooms, now: Instant) -> Advance {
        let (Stage::Shaking(session), Some(tls)) = (&mut self.stage, &self.gate.tls) else {
            return Advance::Clear;
        };
        match session.shake(stream, tls, &mut rooms.tls) {
            Shake::Wait => Advance::Wait,
            Shake::Again => Advance::Again,
            Shake::Failed(error) => Advance::Failed(Fault::Shake(error)),
            Shake::Done(peer) => {
                let Stage::Shaking(session) = std::mem::replace(&mut self.stage, Stage::Hello)
                else {
                    return Advance::Clear;
                };
                if self.gate.websocket.is_some() {
                    return self.expect_request(Some(session), Some(peer), now);
                }
                self.stage = Stage::Open(session);
                Advance::Secured(peer)
            }
        }
    }

    /// Reads for the client.
    pub(super) fn read(
        &mut self,
        stream: &Stream,
        room: &mut [u8],
        rooms: &mut Rooms,
        has_entered: bool,
    ) -> ReadOutcome {
        match &mut self.stage {
            Stage::Open(session) => session.read(stream, room, &mut rooms.tls),
            Stage::Frames(tls, frames) => {
                let budget =
                    self.gate.websocket.as_ref().map(|reception| reception.budget(has_entered));
                let tls = tls.as_deref_mut();
                let mut pipe = Pipe { stream, tls, rooms: &mut rooms.tls };
                let budget = budget.unwrap_or(Budget(0));
                frames.read(&mut pipe, room, budget, &mut rooms.packing)
            }
            // What comes before belongs to the layer.
            _ => ReadOutcome::WouldBlock,
        }
    }

    /// Writes for the client.
    pub(super) fn write<'a>(
        &mut self,
        stream: &Stream,
        pieces: impl Iterator<Item = &'a [u8]> + Clone,
        rooms: &mut Rooms,
    ) -> WriteOutcome {
        match &mut self.stage {
            Stage::Open(session) => session.write(stream, pieces, &mut rooms.tls),
            Stage::Frames(tls, frames) => {
                let tls = tls.as_deref_mut();
                let mut pipe = Pipe { stream, tls, rooms: &mut rooms.tls };
                frames.write(&mut pipe, pieces, &mut rooms.packing)
            }
            _ if self.greeted => WriteOutcome::Bytes(0),
            _ => self.greet(stream, pieces),
        }
    }

    /// Whether the greeting is out and the handshake may begin.
    pub(super) fn is_greeted(&self) -> bool {
        self.greeted && self.is_waiting()
    }

    /// Writes the greeting's line and no byte more.
    fn greet<'a>(
        &mut self,
        stream: &Stream,
        pieces: impl Iterator<Item = &'a [u8]>,
    ) -> WriteOutcome {
        let mut written = 0;
        for piece in pieces {
            let end = piece.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
            let part = piece.get(..end.unwrap_or(piece.len())).unwrap_or_default();
            match stream.write(part) {
                Ok(bytes) => {
                    written += bytes;
                    if bytes < part.len() {
                        break;
                    }
                }
                Err(error) if would_block(&error) => break,
                Err(_) => return WriteOutcome::Failed,
            }
            if end.is_some() {
                self.greeted = true;
                break;
            }
        }
        WriteOutcome::Bytes(written)
    }

    /// Writes what the socket did not take before; says whether the client may write now.
    pub(super) fn flush(&mut self, stream: &Stream, rooms: &mut Rooms) -> bool {
        match &mut self.stage {
            Stage::Frames(tls, frames) => {
                let tls = tls.as_deref_mut();
                let mut pipe = Pipe { stream, tls, rooms: &mut rooms.tls };
                frames.flush(&mut pipe).unwrap_or(true)
            }
            // An error is met again by the client's next write.
            Stage::Open(session) => session.flush(stream).unwrap_or(true),
            _ => !self.greeted,
        }
    }

    /// Says goodbye to the peer.
    pub(super) fn close(&mut self, stream: &Stream, rooms: &mut Rooms, reason: CloseReason) {
        match &mut self.stage {
            Stage::Open(session) => session.close(stream),
            Stage::Frames(tls, frames) => {
                let tls = tls.as_deref_mut();
                let mut pipe = Pipe { stream, tls, rooms: &mut rooms.tls };
                frames.close(&mut pipe, reason);
            }
            _ => {}
        }
    }
}

/// Takes bytes off a socket that mean nothing; says whether all of them have come.
fn skip(stream: &Stream, left: &mut usize) -> Result<bool, Fault> {
    let mut sink = [0; 4096];
    while *left > 0 {
        let most = (*left).min(sink.len());
        match stream.read(sink.get_mut(..most).unwrap_or_default()) {
            Ok(0) => return Err(Fault::Ended),
            Ok(bytes) => *left -= bytes.min(*left),
            Err(error) if would_block(&error) => return Ok(false),
            Err(error) => return Err(Fault::Socket(error)),
        }
    }
    Ok(true)
}

/// Time for a PROXY header (nats-server allows the same).
const HEADER_NS: u64 = 5_000_000_000;
/// The first byte of a record of a handshake.
const HANDSHAKE_RECORD: u8 = 0x16;
/// The first byte of an alert.
const ALERT_RECORD: u8 = 0x15;
