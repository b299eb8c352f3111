//! Queue groups: which one member of the whole broker gets a message.
//!
//! Absent: delivery. I8: for each group name in a plan exactly one member is asked. The draw is
//! uniform over members, whatever shard they live on: by the counts that the peers told, then, on
//! the drawn shard, over its own members.

use super::ids::{Handle, ShardId, Slot};
use super::interest::Interest;
use super::rng::Rng;
use super::texts::TextId;
use super::wants::Member;

/// The draw's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pick {
    /// The member of a queue at a position.
    Local { queue: Slot, position: u32 },
    /// A member that this peer will choose.
    Peer(ShardId),
}

/// The members of one group that match one message: its queues on all matching filters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group<'a> {
    pub(crate) interest: &'a Interest,
    pub(crate) queues: &'a [(TextId, Slot)],
}

impl Group<'_> {
    /// Draws from all members of the broker. `excluded` is how many local members cannot be
    /// chosen because they are the publisher's own.
    pub(crate) fn pick(
        self,
        excluded: u32,
        eligible: impl Fn(Slot, &Member) -> bool,
        rng: &mut Rng,
    ) -> Option<Pick> {
        let local = self.local_members().saturating_sub(excluded);
        let remote = self.remote_members();
        let drawn = rng.below(local.saturating_add(remote));
        if drawn < local
            && let Some(pick) = self.pick_local(eligible, rng)
        {
            return Some(pick);
        }
        self.pick_peer(rng).map(Pick::Peer)
    }

    /// Draws from this shard's members that are able to take the message.
    pub(crate) fn pick_local(
        self,
        eligible: impl Fn(Slot, &Member) -> bool,
        rng: &mut Rng,
    ) -> Option<Pick> {
        let total = self.local_members();
        if total == 0 {
            return None;
        }
        // Drawing again keeps the choice uniform; the walk ends it when most are not able.
        for _ in 0..DRAWS_MAX {
            let drawn = rng.below(total);
            if let Some(pick) = self.member_at(drawn, &eligible) {
                return Some(pick);
            }
        }
        let start = rng.below(total);
        (start..total).chain(0..start).find_map(|index| self.member_at(index, &eligible))
    }

    /// Draws a peer by the members it told of.
    pub(crate) fn pick_peer(self, rng: &mut Rng) -> Option<ShardId> {
        let mut drawn = rng.below(self.remote_members());
        for (shard, _, count) in self.remotes() {
            if drawn < count {
                return Some(shard);
            }
            drawn -= count;
        }
        None
    }

    /// A peer's own names for this group's queues.
    pub(crate) fn handles_of(self, peer: ShardId) -> impl Iterator<Item = Handle> {
        self.remotes().filter(move |remote| remote.0 == peer).map(|(_, handle, _)| handle)
    }

    fn local_members(self) -> u32 {
        let sizes = self.queues.iter().map(|(_, slot)| self.interest.queue(*slot).members.len());
        u32::try_from(sizes.sum::<usize>()).unwrap_or(u32::MAX)
    }

    fn remote_members(self) -> u32 {
        self.remotes().fold(0, |sum: u32, (_, _, count)| sum.saturating_add(count))
    }

    fn remotes(self) -> impl Iterator<Item = (ShardId, Handle, u32)> {
        self.queues.iter().flat_map(move |(_, slot)| {
            let remotes = self.interest.queue(*slot).remotes.as_slice();
            remotes.iter().map(|remote| (remote.shard, remote.handle, remote.count))
        })
    }

    fn member_at(self, mut index: u32, eligible: impl Fn(Slot, &Member) -> bool) -> Option<Pick> {
        for (_, queue) in self.queues {
            let members = self.interest.queue(*queue).members.as_slice();
            if let Some(member) = members.get(index as usize) {
                return eligible(*queue, member)
                    .then_some(Pick::Local { queue: *queue, position: index });
            }
            index -= u32::try_from(members.len()).unwrap_or(u32::MAX);
        }
        None
    }
}

/// Draws before a walk takes the first that is able.
const DRAWS_MAX: u32 = 8;
