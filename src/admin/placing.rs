//! Connections on their way from a listener to a shard.
//!
//! Absent: which shard is the best (`core::placement`) and what a client says.

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
        for _ in 0..ACCEPTS_PER_BURST {
            match self.listener.accept() {
                Accepted::Nobody => return,
                Accepted::Later(error) => {
                    let text = format!("Error accepting a connection: {error}; waiting");
                    self.log.line(Level::Error, text);
                    self.paused = true;
                    return;
                }
                Accepted::Stream(stream, peer) => {
                    let Some((shard, admission)) = self.place() else { return };
                    let number = ClientNumber(self.next_number);
                    self.next_number += 1;
                    let peer = peer.to_string().into_boxed_str();
                    let plain = Arrival::plain(number, peer);
                    let arrival = Arrival { admission, nonce: self.nonce(), ..plain };
                    let mail = Mail::Adopt { stream, arrival };
                    if !self.send(shard, mail) {
                        return;
                    }
                }
            }
        }
        self.more = true;
    }

    /// The shard for one more connection, and whether there is room for it.
    fn place(&self) -> Option<(ShardId, Admission)> {
        let loads: Vec<Load> = self
            .exchange
            .shards()
            .map(|shard| {
                let stats = self.exchange.stats(shard);
                let on_the_way = self.sent[shard.index()].saturating_sub(stats.clients_total);
                Load { shard, clients: stats.clients + on_the_way }
            })
            .collect();
        let clients: u64 = loads.iter().map(|load| load.clients).sum();
        let full = clients >= self.connections_max;
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
