//! Which shard gets a new connection.
//!
//! Absent: sockets. A client never moves (I13), so that this one choice is all the balance there
//! is. Connections are dealt out in small groups: clients that arrive together often talk to each
//! other, and a message that stays on its shard costs about a third of one that has to wake
//! another thread.

use super::ids::ShardId;

/// What is known of a shard when a connection is to be placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// The shard.
    pub shard: ShardId,
    /// Clients that live there or are on their way.
    pub clients: u64,
}

/// The shard with the fewest whole groups of clients; among equals the first.
///
/// No two shards differ by more than one group, so that many connections are balanced to a
/// fraction of a per cent, and as few as [`CLIENTS_BEFORE_SPREAD`] use every shard.
pub fn choose(loads: &[Load]) -> Option<ShardId> {
    let group = CLIENTS_BEFORE_SPREAD.div_ceil(loads.len().max(1) as u64);
    loads.iter().min_by_key(|load| (load.clients / group, load.shard)).map(|load| load.shard)
}

/// Clients after which every shard has had its first group.
pub const CLIENTS_BEFORE_SPREAD: u64 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn loads(clients: &[u64]) -> Vec<Load> {
        let shard = |n| ShardId::new(n).expect("few shards");
        let load = |(n, clients): (usize, &u64)| Load { shard: shard(n), clients: *clients };
        clients.iter().enumerate().map(load).collect()
    }

    fn chosen(clients: &[u64]) -> Option<usize> {
        choose(&loads(clients)).map(ShardId::index)
    }

    #[test]
    fn a_group_is_filled_before_the_next_shard_begins() {
        assert_eq!(chosen(&[0, 0]), Some(0));
        assert_eq!(chosen(&[15, 0]), Some(0));
        assert_eq!(chosen(&[16, 0]), Some(1));
        assert_eq!(chosen(&[16, 16]), Some(0));
        assert_eq!(chosen(&[]), None);
    }

    #[test]
    fn shards_never_differ_by_more_than_a_group() {
        for shards in [1, 2, 3, 8, 16, 64] {
            let mut clients = vec![0u64; shards];
            for _ in 0..5_000 {
                let shard = chosen(&clients).expect("there are shards");
                clients[shard] += 1;
                let group = CLIENTS_BEFORE_SPREAD.div_ceil(shards as u64);
                let most = clients.iter().max().expect("some");
                let fewest = clients.iter().min().expect("some");
                assert!(most - fewest <= group, "{clients:?}");
            }
        }
    }

    #[test]
    fn a_shard_that_lost_its_clients_is_filled_first() {
        assert_eq!(chosen(&[900, 100, 900]), Some(1));
    }
}
