//! Connections on their way from a listener to a shard.
//!
//! Absent: which shard is the best (`core::placement`) and what a client says.

use std::sync::Arc;

use super::listeners::Listening;
use super::supervisor::Supervisor;
use crate::core::arrival::{Admission, Arrival};
use crate::core::ids::{ClientNumber, ShardId};
use crate::core::placement::{self, Load};
use crate::io::accept::Accepted;
use crate::io::exchange::Mail;
use crate::io::log::Level;

impl Supervisor {
    /// Accepts a burst of those who wait.
    pub(super) fn accept_all(&mut self) {
        self.paused = false;
        self.more = false;
        if let Some((shard, mail)) = self.held.take()
            && !self.send(shard, mail)
        {
            return;
        }
        for n in 0..self.listeners.len() {
            if !self.accept_from(n) {
                return;
            }
        }
    }

    /// Accepts a burst from one listener. Says whether the others may go on.
    fn accept_from(&mut self, n: usize) -> bool {
        for _ in 0..ACCEPTS_PER_BURST {
            match self.listeners[n].listener.accept() {
                Accepted::Nobody => return true,
                Accepted::Later(error) => {
                    let text = format!("Error accepting a connection: {error}; waiting");
                    self.log.line(Level::Error, text);
                    self.paused = true;
                    return false;
                }
                Accepted::Stream(stream, peer) => {
                    let Some((shard, admission)) = self.place(n) else { return false };
                    let listening = &self.listeners[n];
                    let (listener, gate) = (listening.id, Arc::clone(&listening.gate));
                    self.exchange.note_entered(listener);
                    let number = ClientNumber(self.next_number);
                    self.next_number += 1;
                    let plain = Arrival::plain(number, peer);
                    let nonce = self.nonce();
                    let arrival = Arrival { listener, admission, nonce, ..plain };
                    if !self.send(shard, Mail::Adopt { stream, arrival, gate }) {
                        return false;
                    }
                }
            }
        }
        self.more = true;
        true
    }

    /// Clients of each shard, those on their way included.
    pub(super) fn loads(&self) -> Vec<Load> {
        let load = |shard: ShardId| {
            let [clients, clients_total] = self.exchange.clients(shard);
            let known = clients_total + self.exchange.turned_away(shard);
            let on_the_way = self.sent[shard.index()].saturating_sub(known);
            Load { shard, clients: clients + on_the_way }
        };
        self.exchange.shards().map(load).collect()
    }

    /// The shard for one more connection of a listener, and whether there is room for it.
    fn place(&self, n: usize) -> Option<(ShardId, Admission)> {
        let loads = self.loads();
        let Listening { id, connections_max, .. } = &self.listeners[n];
        let full = self.exchange.inside_all() >= self.connections_max
            || connections_max.is_some_and(|most| self.exchange.inside(*id) >= most);
        let admission = if full { Admission::Full } else { Admission::Admitted };
        placement::choose(&loads).map(|shard| (shard, admission))
    }

    /// Sends mail, or holds it until the shard has room. Says whether it was sent.
    fn send(&mut self, shard: ShardId, mail: Mail) -> bool {
        match self.exchange.send(shard, mail) {
            Ok(()) => {
                self.sent[shard.index()] += 1;
                true
            }
            Err(mail) => {
                self.held = Some((shard, mail));
                false
            }
        }
    }
}

/// Connections accepted before signals are looked at again.
const ACCEPTS_PER_BURST: usize = 256;
