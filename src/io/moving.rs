//! A shard's thread while its clients move from one process to another.
//!
//! Absent: who is moved and what is said of them (`core::moving`), and the order of steps
//! (`admin::handing_over`). A thread that stands still waits for its orders, and for nothing else;
//! if nobody is left to give any, it goes on as if nothing had happened.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Instant;

use super::doorkeeper::wall_ms;
use super::handover::{Channel, Kind};
use super::reactor::Reactor;
use super::stream::Stream;
use super::who::Who;
use crate::core::close::CloseReason;
use crate::core::ids::{ConnId, ListenerId};
use crate::core::moving::Rest;
use crate::core::turn::{Polled, Turn};

/// Where a shard that stands still and the supervisor meet.
#[derive(Debug)]
pub(crate) struct Rendezvous {
    pub(crate) reports: Sender<Report>,
    pub(crate) orders: Receiver<Order>,
}

/// What a shard says while it stands still.
#[derive(Debug)]
pub(crate) enum Report {
    /// How it stands.
    Rests(Rest),
    /// It was written down: so many clients; or why not.
    Written(Result<usize, String>),
    /// So many clients are left, now that those who were moved are gone.
    Left(usize),
}

/// What it is told.
#[derive(Debug)]
pub(crate) enum Order {
    /// Go on for a while without reading, and come to rest.
    Calm,
    /// Write everything down, before this moment.
    Write(Arc<Channel>, Instant),
    /// It is off: read again.
    Resume,
    /// Those who were written down live elsewhere. Go on without reading.
    Leave,
}

/// A parcel for a shard.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) bytes: Vec<u8>,
    pub(crate) streams: Vec<Stream>,
    pub(crate) told: Sender<Result<(), String>>,
}

impl Reactor {
    /// Stands still until told otherwise.
    pub(super) fn stand_still(&mut self, turn: &mut Turn<Polled>, rendezvous: &Rendezvous) {
        turn.handle_quiesce();
        let mut written: Vec<ConnId> = Vec::new();
        let mut report = Report::Rests(turn.shard().rest());
        loop {
            // Whoever waits for it has gone if this fails, and then there are no orders either.
            let _ = rendezvous.reports.send(report);
            match rendezvous.orders.recv() {
                Ok(Order::Write(channel, until)) => {
                    let result = self.write_down(turn, &channel, until);
                    let count = result.as_ref().map(Vec::len).map_err(Clone::clone);
                    written = result.unwrap_or_default();
                    report = Report::Written(count);
                }
                Ok(Order::Calm) => return,
                Ok(Order::Resume) | Err(_) => return turn.handle_resume(),
                Ok(Order::Leave) => {
                    let left = turn.shard().clients_outside() - written.len();
                    self.let_go(turn, &written);
                    let _ = rendezvous.reports.send(Report::Left(left));
                    return;
                }
            }
        }
    }

    /// Says everything about this shard's clients, and lends their sockets.
    fn write_down(
        &self,
        turn: &Turn<Polled>,
        channel: &Channel,
        until: Instant,
    ) -> Result<Vec<ConnId>, String> {
        let shard = turn.shard();
        let mut freezing = shard.freeze(|client| self.sockets.bare(client).is_some());
        let clients = freezing.clients().to_vec();
        while let Some(parcel) = shard.poll_parcel(&mut freezing) {
            // INVARIANT: a broker has 64 shards at most.
            let mut bytes = vec![u8::try_from(self.me.index()).unwrap_or(u8::MAX)];
            bytes.extend_from_slice(&parcel.bytes);
            let sockets = parcel.clients.iter();
            let sockets: Option<Vec<_>> =
                sockets.map(|client| self.sockets.bare(*client).map(Stream::descriptor)).collect();
            let sockets = sockets.ok_or("a client has no socket")?;
            channel
                .send(Kind::Parcel, &bytes, &sockets, until)
                .map_err(|error| super::handover::told(&error))?;
            // Descriptors on their way are counted by the system, and must not pile up.
            let answer = channel.receive(until).map_err(|error| super::handover::told(&error))?;
            match answer.kind {
                Kind::Received => {}
                Kind::Failed => return Err(String::from_utf8_lossy(&answer.bytes).into_owned()),
                _ => return Err("the new process said something else".to_owned()),
            }
        }
        Ok(clients)
    }

    /// Lets clients go that another process serves.
    fn let_go(&mut self, turn: &mut Turn<Polled>, clients: &[ConnId]) {
        for client in clients {
            if let Some(stream) = self.sockets.bare(*client) {
                // It was watched, or it would have been closed before.
                let _ = stream.deregister(self.poll.registry());
            }
            self.sockets.close(*client, CloseReason::MovedAway);
        }
        turn.handle_moved_out(clients);
        // Who has not come in yet comes again.
        self.close_lobby(turn);
    }

    /// Takes in what another process says of its clients.
    pub(super) fn take_in(&mut self, turn: &mut Turn<Polled>, delivery: Delivery) {
        let Delivery { bytes, streams, told } = delivery;
        turn.handle_wall_clock(wall_ms());
        let result = match turn.handle_parcel(&bytes) {
            Ok(clients) if clients.len() == streams.len() => {
                for (client, stream) in clients.into_iter().zip(streams) {
                    self.sockets.insert(client, stream, None);
                    let listener = turn.listener_of(client).unwrap_or_default();
                    self.exchange.note_entered(listener);
                    if let Err(refusal) = self.doorkeeper.seat_moved(turn, client) {
                        turn.handle_unwelcome(client, refusal);
                    }
                }
                Ok(())
            }
            Ok(_) => Err("clients and sockets do not match".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        // The supervisor waits for it, or has ended.
        let _ = told.send(result);
    }

    /// Begins to serve the clients that came.
    pub(super) fn move_in(&mut self, turn: &mut Turn<Polled>, told: &Sender<()>) {
        turn.handle_moved_in();
        for client in self.sockets.all() {
            let Some(stream) = self.sockets.bare(client) else { continue };
            let token = Who::Client(client).for_poller();
            if stream.register(self.poll.registry(), token).is_err() {
                turn.handle_abandoned(client, CloseReason::ReadError, None);
            }
        }
        // As above.
        let _ = told.send(());
    }
}

/// Our listeners in the order of another process's.
pub(crate) fn listeners_by_name(theirs: &[String], ours: &[&str]) -> Vec<ListenerId> {
    let same = |name: &String| {
        let place = ours.iter().position(|own| own == name);
        place.and_then(ListenerId::new).unwrap_or_default()
    };
    theirs.iter().map(same).collect()
}
