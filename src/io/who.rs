//! Names of connections, as the poller and the lists of a shard's thread know them.
//!
//! Absent: the connections. A name is gone with its generation.

use mio::Token;

use crate::core::ids::ConnId;

/// A connection, as the poller and the lists in here name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// One that the core knows.
    Client(ConnId),
    /// One that it does not know yet.
    Guest(Guest),
}

/// The name of a connection that the core does not know yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Guest {
    pub(super) key: u32,
    pub(super) generation: u32,
}

impl Guest {
    /// Whether a number can be the key of one.
    pub(super) fn is_key(key: u32) -> bool {
        key & GUEST_BIT == 0
    }
}

impl Who {
    /// A client's slot is a small number, so that its highest bit tells guests apart.
    pub(super) fn token(self) -> u64 {
        match self {
            Self::Client(client) => client.token(),
            Self::Guest(Guest { key, generation }) => {
                (u64::from(generation) << 32) | u64::from(key | GUEST_BIT)
            }
        }
    }

    pub(super) fn from_token(token: u64) -> Self {
        // INVARIANT: the two halves of a token were 32-bit numbers.
        #[expect(clippy::cast_possible_truncation)]
        let (low, generation) = (token as u32, (token >> 32) as u32);
        if low & GUEST_BIT == 0 {
            Self::Client(ConnId::from_token(token))
        } else {
            Self::Guest(Guest { key: low & !GUEST_BIT, generation })
        }
    }

    pub(super) fn for_poller(self) -> Token {
        // INVARIANT: `main` refuses to start where a pointer has fewer than 64 bits.
        Token(usize::try_from(self.token()).unwrap_or(0))
    }
}

/// Tells guests' tokens from clients'.
const GUEST_BIT: u32 = 1 << 31;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::reactor::Reactor;

    #[test]
    fn a_token_gives_its_owner_back() {
        for (key, generation) in [(0, 0), (7, 1), (u32::MAX >> 1, u32::MAX - 1)] {
            let who = Who::Guest(Guest { key, generation });
            assert_eq!(Who::from_token(who.token()), who);
            assert_ne!(who.for_poller(), Reactor::WAKER);
        }
        let client = Who::Client(ConnId::from_token((9 << 32) | 7));
        assert_eq!(Who::from_token(client.token()), client);
    }
}
