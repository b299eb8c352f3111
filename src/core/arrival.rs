//! How a connection comes to a shard: through which entrance, over what, and whether it may stay.
//!
//! Absent: sockets, handshakes and everything before them (`io`). The core knows that bytes can be
//! protected, not how: a client whose handshake is still to come is greeted, and nothing else is
//! asked of it until the caller says that its transport is ready.

use std::sync::Arc;

use fanfare_protocol::encode;
use fanfare_protocol::error::ProtocolError;
use fanfare_protocol::info::ServerInfo;

use super::auth::{Cookies, TlsPeer};
use super::badge::Standing;
use super::close::CloseReason;
use super::ids::{ClientNumber, ConnId, ListenerId, Slot};
use super::shard::Shard;
use crate::config::access::ConnectionType;

/// What a shard knows of one listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entrance {
    /// What INFO says to every client that comes through it.
    pub info: ServerInfo,
    /// What its connections count as.
    pub connection_type: ConnectionType,
    /// A client's certificate says who its user is (`verify_and_map`).
    pub maps_certificates: bool,
    /// A proxy may say who the peer is: the greeting does not, unless it is known by then.
    pub behind_proxy: bool,
    /// Time to come in, in nanoseconds; the policy's when absent.
    pub entry_timeout_ns: Option<u64>,
    /// Time between PINGs to a silent client, in nanoseconds; everybody's when absent.
    pub ping_interval_ns: Option<u64>,
}

impl Default for Entrance {
    fn default() -> Self {
        Self {
            info: ServerInfo { headers: true, ..ServerInfo::default() },
            connection_type: ConnectionType::Standard,
            maps_certificates: false,
            behind_proxy: false,
            entry_timeout_ns: None,
            ping_interval_ns: None,
        }
    }
}

/// Whether a new connection may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Admitted,
    /// The table of connections is full: it is told so and closed.
    Full,
}

/// What a connection's bytes travel in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Transport {
    /// Nothing: they are in clear.
    #[default]
    Clear,
    /// The greeting is in clear; what follows will be known later.
    Undecided,
    /// TLS, with a handshake that showed this.
    Secured(Arc<TlsPeer>),
}

/// A new connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Its number in the whole broker.
    pub number: ClientNumber,
    /// `ip:port` of the peer, or a word where there is none.
    pub peer: Box<str>,
    /// Which listener it came through.
    pub listener: ListenerId,
    /// Whether it may stay.
    pub admission: Admission,
    /// What its bytes travel in.
    pub transport: Transport,
    /// What the client is asked to sign, where anybody looks at signatures: it must come from a
    /// source that nobody can guess.
    pub nonce: Option<Box<str>>,
    /// What stands for what its CONNECT leaves out.
    pub cookies: Option<Box<Cookies>>,
}

impl Arrival {
    /// A connection in clear, through the first listener, that may stay.
    pub fn plain(number: ClientNumber, peer: Box<str>) -> Self {
        Self {
            number,
            peer,
            listener: ListenerId::default(),
            admission: Admission::Admitted,
            transport: Transport::Clear,
            nonce: None,
            cookies: None,
        }
    }
}

impl Shard {
    /// Takes a connection in and greets it.
    pub(crate) fn accept(&mut self, arrival: Arrival) -> ConnId {
        let id = self.clients.insert(arrival.number, arrival.peer, self.now);
        let client = self.clients.get_mut(id.slot);
        client.listener = arrival.listener;
        match arrival.transport {
            Transport::Clear => {}
            Transport::Undecided => client.places.undecided = true,
            Transport::Secured(peer) => client.tls = Some(peer),
        }
        let is_decided = !client.places.undecided;
        if let Some(nonce) = arrival.nonce {
            client.badge.get_or_insert_default().nonce = nonce;
        }
        if let Some(cookies) = arrival.cookies {
            client.badge.get_or_insert_default().cookies = Some(cookies);
        }
        if self.policy.asks() {
            self.clients.get_mut(id.slot).standing = Standing::Stranger;
        } else {
            self.set_pace(id.slot);
            self.refresh_choices(id.slot);
        }
        self.send_info(id.slot);
        match arrival.admission {
            Admission::Full => {
                self.answer(id.slot, &ProtocolError::MaxConnections);
            }
            Admission::Admitted if is_decided => self.begin_timers(id.slot),
            Admission::Admitted => {}
        }
        id
    }

    /// How long a client may take until it has come in, in nanoseconds; 0 for ever.
    pub(crate) fn entry_timeout_ns(&self, slot: Slot) -> u64 {
        match self.clients.get(slot).standing {
            Standing::Bound => self.limits.connect_timeout_ns,
            Standing::Stranger | Standing::Waiting => {
                let own = self.entrance_of(slot).and_then(|entrance| entrance.entry_timeout_ns);
                own.unwrap_or(self.policy.entry_timeout_ns)
            }
        }
    }

    /// Time between PINGs to a silent client, in nanoseconds.
    pub(crate) fn ping_interval_ns(&self, slot: Slot) -> u64 {
        let own = self.entrance_of(slot).and_then(|entrance| entrance.ping_interval_ns);
        own.unwrap_or(self.limits.ping_interval_ns)
    }

    /// How a client is connected.
    pub(crate) fn way_of(&self, slot: Slot) -> ConnectionType {
        let entrance = self.entrance_of(slot);
        entrance.map_or(ConnectionType::Standard, |entrance| entrance.connection_type)
    }

    fn entrance_of(&self, slot: Slot) -> Option<&Entrance> {
        self.entrances.get(self.clients.get(slot).listener.index())
    }

    /// A client's handshake is through.
    pub(crate) fn secure(&mut self, id: ConnId, peer: Arc<TlsPeer>) {
        if let Some(slot) = self.decide(id) {
            self.clients.get_mut(slot).tls = Some(peer);
        }
    }

    /// A client that might have secured its connection speaks in clear.
    pub(crate) fn leave_clear(&mut self, id: ConnId) {
        self.decide(id);
    }

    /// A proxy has said who a client's peer is.
    pub(crate) fn name_peer(&mut self, id: ConnId, peer: Box<str>) {
        if let Some(slot) = self.clients.resolve(id) {
            self.clients.get_mut(slot).peer = peer;
        }
    }

    /// A client's transport failed before it was ready, for a reason that the caller knows; the
    /// client may be told.
    pub(crate) fn abandon(
        &mut self,
        id: ConnId,
        reason: CloseReason,
        answer: Option<&ProtocolError>,
    ) {
        let Some(slot) = self.clients.resolve(id) else { return };
        if let Some(answer) = answer {
            let mut text = Vec::new();
            encode::error(&mut text, answer);
            self.clients.push_text(slot, &text);
        }
        self.clients.doom(slot, reason);
    }

    /// What a client is called in the log.
    pub fn name_of(&self, id: ConnId) -> Option<(ClientNumber, &str)> {
        let client = self.clients.get(self.clients.resolve(id)?);
        Some((client.number, &client.peer))
    }

    /// Ends the wait for a transport: from here on a client has its times to keep.
    fn decide(&mut self, id: ConnId) -> Option<Slot> {
        let slot = self.clients.resolve(id)?;
        let now = self.now;
        let client = self.clients.get_mut(slot);
        if std::mem::replace(&mut client.places.undecided, false) && client.closing.is_none() {
            // As with nats-server, the time for CONNECT begins behind the handshake.
            client.started = now;
            self.begin_timers(slot);
        }
        Some(slot)
    }

    fn begin_timers(&mut self, slot: Slot) {
        let first = FIRST_PING_NS.min(self.ping_interval_ns(slot));
        let mut first = first + self.jitter(first / 5);
        let timeout = self.entry_timeout_ns(slot);
        if timeout > 0 {
            first = first.min(timeout);
        }
        self.arm_ping(slot, first);
    }
}

/// When the first PING goes out, to learn the round trip time (nats-server does the same).
const FIRST_PING_NS: u64 = 2_000_000_000;

#[cfg(test)]
mod tests {
    use super::super::ids::ShardId;
    use super::super::policy::Policy;
    use super::super::shard::ShardSetup;
    use super::super::time::Instant;
    use super::super::turn::{Turn, WriteOutcome};
    use super::*;
    use crate::config::Limits;

    const SECOND: u64 = 1_000_000_000;

    fn shard() -> Box<Shard> {
        let entrance = |tls_required| Entrance {
            info: ServerInfo { tls_required, headers: true, ..ServerInfo::default() },
            ..Entrance::default()
        };
        Box::new(Shard::new(ShardSetup {
            id: ShardId::new(0).expect("there is a first shard"),
            shards: 1,
            batches_per_peer: ShardSetup::BATCHES_PER_PEER,
            policy: Arc::new(Policy::open()),
            limits: Arc::new(Limits { connect_timeout_ns: SECOND, ..Limits::default() }),
            entrances: vec![
                entrance(false),
                entrance(true),
                Entrance { behind_proxy: true, ..entrance(false) },
            ],
            seed: 1,
            first_generation: 0,
            trace: None,
            now: Instant::default(),
        }))
    }

    /// One turn after `begin`; gives what was written and whether anybody was closed.
    fn turn(
        shard: Box<Shard>,
        at: u64,
        begin: impl FnOnce(&mut Turn<super::super::turn::Polled>),
    ) -> (Box<Shard>, String, Option<CloseReason>) {
        let mut turn = Turn::begin(shard, Instant::from_ns(at));
        begin(&mut turn);
        let mut turn = turn.read().drain().route().data().write();
        let mut written = Vec::new();
        while turn.poll_write().is_some() {
            let before = written.len();
            turn.slices().for_each(|slice| written.extend_from_slice(slice));
            turn.handle_written(WriteOutcome::Bytes(written.len() - before));
        }
        let mut turn = turn.tick();
        let closed = turn.poll_closed().map(|closed| closed.reason);
        (turn.finish(), String::from_utf8(written).expect("all that is written is text"), closed)
    }

    fn arrival(listener: u8, transport: Transport) -> Arrival {
        let listener = ListenerId::new(usize::from(listener)).expect("a small number");
        let plain = Arrival::plain(ClientNumber(1), "127.0.0.1:9".into());
        Arrival { listener, transport, ..plain }
    }

    #[test]
    fn each_entrance_has_its_own_info() {
        let (shard, plain, _) = turn(shard(), 0, |turn| {
            turn.handle_accept(arrival(0, Transport::Clear));
        });
        let (_, tls, _) = turn(shard, 0, |turn| {
            turn.handle_accept(arrival(1, Transport::Clear));
        });
        assert!(!plain.contains("tls_required"), "{plain}");
        assert!(tls.contains("\"tls_required\":true"), "{tls}");
    }

    /// Two clients, one of which is told to be ready late; time passes for both.
    #[test]
    fn the_time_for_connect_begins_when_the_transport_is_ready() {
        let mut id = None;
        let (shard, _, _) = turn(shard(), 0, |turn| {
            id = Some(turn.handle_accept(arrival(1, Transport::Undecided)));
        });
        let (shard, written, closed) = turn(shard, 5 * SECOND, |_| {});
        assert_eq!((&written[..], closed), ("", None));
        let (shard, ..) = turn(shard, 5 * SECOND, |turn| {
            turn.handle_secured(id.expect("accepted"), Arc::default());
        });
        let (shard, ..) = turn(shard, 6 * SECOND + SECOND / 2, |_| {});
        let (_, written, _) = turn(shard, 6 * SECOND + SECOND / 2, |_| {});
        assert_eq!(written, "-ERR 'Authentication Timeout'\r\n");
    }

    #[test]
    fn behind_a_proxy_the_greeting_names_no_address() {
        let (shard, greeting, _) = turn(shard(), 0, |turn| {
            turn.handle_accept(arrival(2, Transport::Undecided));
        });
        assert!(!greeting.contains("client_ip"), "{greeting}");
        let (_, greeting, _) = turn(shard, 0, |turn| {
            turn.handle_accept(arrival(2, Transport::Secured(Arc::default())));
        });
        assert!(greeting.contains("\"client_ip\":\"127.0.0.1\""), "{greeting}");
    }

    #[test]
    fn a_proxy_names_the_peer_later() {
        let mut id = None;
        let (shard, ..) = turn(shard(), 0, |turn| {
            id = Some(turn.handle_accept(arrival(2, Transport::Undecided)));
        });
        let (shard, ..) = turn(shard, 0, |turn| {
            turn.handle_peer(id.expect("accepted"), "192.0.2.7:77".into());
        });
        let peers: Vec<&str> = shard.clients.iter().map(|client| &client.peer[..]).collect();
        assert_eq!(peers, ["192.0.2.7:77"]);
    }

    #[test]
    fn a_failed_handshake_ends_the_connection() {
        let (_, written, closed) = turn(shard(), 0, |turn| {
            let id = turn.handle_accept(arrival(1, Transport::Undecided));
            let error = ProtocolError::TlsRequired;
            turn.handle_abandoned(id, CloseReason::TlsHandshakeError, Some(&error));
        });
        assert!(written.ends_with("-ERR 'Secure Connection - TLS Required'\r\n"), "{written}");
        assert_eq!(closed, Some(CloseReason::TlsHandshakeError));
    }
}
