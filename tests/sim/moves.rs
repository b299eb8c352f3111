//! The whole broker moves to another process: all shards come to rest, are written down, and new
//! ones go on with what was written, while clients know nothing of it.
//!
//! Absent: processes and sockets (`tests/it`). Some moves are given up, and then the old shards go
//! on. Clients that cannot be moved would be told to come again; a world waits until there are
//! none, or gives up.

use std::collections::BTreeMap;

use fanfare::core::ids::{ConnId, ListenerId};
use fanfare::core::moving::{Freezing, Parcel};
use fanfare::core::shard::Shard;
use fanfare::core::turn::{Polled, Turn};

use super::hosts::{Host, Stage};
use super::journal::{Checked, Event, fail};
use super::mutations::Mutation;
use super::network::Signal;
use super::world::World;

/// What a shard is told about a move in its next turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Read no more.
    Quiesce,
    /// Go on: it was given up.
    Resume,
    /// The clients are yours.
    MoveIn,
}

/// How far a move is.
#[derive(Debug)]
pub(crate) enum Move {
    /// Shards come to rest, until this step at the latest.
    Calming { until: u64 },
    /// They are written down too early, and go on for a while (a mutation).
    Stale { until: u64, parcels: Vec<Vec<Parcel>> },
    /// New shards tell each other what their clients want.
    Arriving,
}

impl World {
    /// Begins to move all shards, if no move is under way.
    pub(crate) fn begin_move(&mut self) {
        let is_layered = self.clients.iter().any(|client| client.socket.is_layered());
        if self.moving.is_some() || is_layered {
            return;
        }
        self.journal.note(Event::Fault { what: "moves all shards", whom: 0 });
        self.order_all(Order::Quiesce);
        let until = self.journal.step + u64::from(self.rng.between(50, 4_000));
        self.moving = Some(Move::Calming { until });
    }

    fn order_all(&mut self, order: Order) {
        self.hosts.iter_mut().for_each(|host| host.orders.push_back(order));
    }

    /// Takes the next step of a move, if it can be taken.
    pub(crate) fn follow_move(&mut self) -> Checked {
        let Some(moving) = self.moving.take() else { return Ok(()) };
        match moving {
            Move::Calming { until } => {
                if self.is_at_rest() && self.is_movable() {
                    let parcels = self.freeze_all();
                    self.moving = Some(if self.mutation == Mutation::MoveStale {
                        self.order_all(Order::Resume);
                        Move::Stale { until: self.journal.step + 400, parcels }
                    } else {
                        self.thaw_all(parcels)?;
                        Move::Arriving
                    });
                } else if self.journal.step > until {
                    self.journal.note(Event::Fault { what: "gives the move up", whom: 0 });
                    self.order_all(Order::Resume);
                } else {
                    self.moving = Some(Move::Calming { until });
                }
            }
            Move::Stale { until, parcels } => {
                let has_same = self.hosts.iter().zip(&parcels).all(|(host, parcels)| {
                    let moved = parcels.iter().flat_map(|parcel| &parcel.clients);
                    moved.into_iter().all(|id| host.clients.contains_key(&id.token()))
                });
                if self.journal.step > until && has_same && self.is_asleep() {
                    self.thaw_all(parcels)?;
                    self.moving = Some(Move::Arriving);
                } else {
                    self.moving = Some(Move::Stale { until, parcels });
                }
            }
            Move::Arriving => {
                if self.is_at_rest() {
                    self.order_all(Order::MoveIn);
                } else {
                    self.moving = Some(Move::Arriving);
                }
            }
        }
        Ok(())
    }

    fn is_asleep(&self) -> bool {
        self.hosts.iter().all(|host| {
            let is_empty = host.orders.is_empty() && host.decisions.is_empty();
            is_empty && !host.has_rings() && matches!(host.stage, Some(Stage::Asleep(_)))
        })
    }

    /// Whether nothing is on its way between shards, none of which is in a turn.
    fn is_at_rest(&self) -> bool {
        let is_calm = |host: &Host| host.shard().is_some_and(|shard| shard.rest().is_calm);
        self.is_asleep() && self.hosts.iter().all(is_calm)
    }

    fn is_movable(&self) -> bool {
        let all_move = |host: &Host| {
            let shard = host.shard();
            shard.is_some_and(|it| it.freeze(|_| true).clients().len() == host.clients.len())
        };
        self.questions.is_empty() && self.hosts.iter().all(all_move)
    }

    fn freeze_all(&self) -> Vec<Vec<Parcel>> {
        let freeze = |shard: &Shard| {
            let mut freezing: Freezing = shard.freeze(|_| true);
            std::iter::from_fn(|| shard.poll_parcel(&mut freezing)).collect()
        };
        self.hosts.iter().filter_map(Host::shard).map(freeze).collect()
    }

    /// Puts new shards into the places of the old ones.
    fn thaw_all(&mut self, parcels: Vec<Vec<Parcel>>) -> Checked {
        self.journal.note(Event::Fault { what: "new shards take over", whom: 0 });
        for (index, parcels) in parcels.into_iter().enumerate() {
            let shard = self.new_shard(index);
            let mut turn = Turn::begin(Box::new(shard), self.now);
            turn.handle_await(vec![ListenerId::default()]);
            let old = std::mem::take(&mut self.hosts[index].clients);
            for parcel in parcels {
                let Ok(ids) = turn.handle_parcel(&parcel.bytes) else {
                    return fail("moving", format!("shard {index} does not read a parcel"));
                };
                self.rename(index, &old, &parcel, &ids)?;
            }
            self.hosts[index].signals.clear();
            self.hosts[index].stage = Some(Stage::Polled(turn));
        }
        Ok(())
    }

    fn rename(
        &mut self,
        host: usize,
        old: &BTreeMap<u64, usize>,
        parcel: &Parcel,
        ids: &[ConnId],
    ) -> Checked {
        if parcel.clients.len() != ids.len() {
            return fail(
                "moving",
                format!("{} clients became {}", parcel.clients.len(), ids.len()),
            );
        }
        for (before, id) in parcel.clients.iter().zip(ids) {
            let client = old[&before.token()];
            self.clients[client].id = Some(*id);
            self.hosts[host].clients.insert(id.token(), client);
        }
        Ok(())
    }

    /// Tells a shard what it is to know about a move.
    pub(crate) fn give_orders(&mut self, me: usize, turn: &mut Turn<Polled>) {
        while let Some(order) = self.hosts[me].orders.pop_front() {
            match order {
                Order::Quiesce => turn.handle_quiesce(),
                Order::Resume => turn.handle_resume(),
                Order::MoveIn => {
                    turn.handle_moved_in();
                    let clients: Vec<usize> = self.hosts[me].clients.values().copied().collect();
                    for client in clients {
                        let first = self.clients[client].socket.first_signal();
                        self.signal(client, first);
                        self.signal(client, Signal::Writable);
                    }
                }
            }
        }
    }
}
