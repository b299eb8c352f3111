//! Which shard gets a new connection.
//!
//! Absent: sockets. A client never moves (I13), so that this one choice is all the balance there is.

use super::ids::ShardId;

/// What is known of a shard when a connection is to be placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// The shard.
    pub shard: ShardId,
    /// Clients that live there or are on their way.
    pub clients: u64,
}

/// The shard with the fewest clients; among equals the first.
pub fn choose(loads: &[Load]) -> Option<ShardId> {
    loads.iter().min_by_key(|load| (load.clients, load.shard)).map(|load| load.shard)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loads(clients: &[u64]) -> Vec<Load> {
        let shard = |n| ShardId::new(n).expect("few shards");
        let load = |(n, clients): (usize, &u64)| Load { shard: shard(n), clients: *clients };
        clients.iter().enumerate().map(load).collect()
    }

    #[test]
    fn the_emptiest_shard_is_chosen_and_the_first_among_equals() {
        let chosen = |clients: &[u64]| choose(&loads(clients)).map(ShardId::index);
        assert_eq!(chosen(&[3, 1, 2]), Some(1));
        assert_eq!(chosen(&[2, 2, 2]), Some(0));
        assert_eq!(chosen(&[]), None);
    }
}
