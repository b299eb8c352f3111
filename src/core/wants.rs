//! Who wants one filter: receivers of this shard, queue groups on it, and peers.
//!
//! Absent: what a filter is called and who was told of it (`filters`, `interest`). Nearly every
//! filter of a busy broker has one receiver on one shard and one peer entry on each other: either
//! stands in place, three words in all. Whatever is more stands behind one pointer, in vectors, so
//! that a walk over many receivers is no longer than over a vector. No list has an order.

use super::ids::{Handle, ShardId, Slot};
use super::sids::Sid;

/// One receiver in a list.
///
/// Two counts of 48 bits, so that there is room for it in three words with their variant: at ten
/// million deliveries a second the first year of one subscription does not end them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    pub(crate) client: Slot,
    pub(crate) sid: Sid,
    delivered_low: u32,
    max_low: u32,
    delivered_high: u16,
    max_high: u16,
}

impl Member {
    /// A receiver to whom nothing was delivered, without a maximum.
    pub(crate) fn new(client: Slot, sid: Sid) -> Self {
        let (delivered_low, max_low, delivered_high, max_high) = (0, 0, 0, 0);
        Self { client, sid, delivered_low, max_low, delivered_high, max_high }
    }

    /// The same with counts from elsewhere; what is larger than they hold is their largest.
    pub(crate) fn counted(mut self, delivered: u64, max: u64) -> Self {
        (self.delivered_low, self.delivered_high) = split(delivered);
        self.set_max(max);
        self
    }

    /// Deliveries since SUB.
    #[inline]
    pub(crate) fn delivered(&self) -> u64 {
        u64::from(self.delivered_low) | u64::from(self.delivered_high) << 32
    }

    /// Deliveries after which the subscription ends; 0 for never.
    #[inline]
    pub(crate) fn max(&self) -> u64 {
        u64::from(self.max_low) | u64::from(self.max_high) << 32
    }

    /// Sets the deliveries after which the subscription ends.
    pub(crate) fn set_max(&mut self, max: u64) {
        (self.max_low, self.max_high) = split(max);
    }

    /// Counts a delivery. Says whether it was the last one.
    #[inline]
    pub(crate) fn count(&mut self) -> bool {
        let (low, carry) = self.delivered_low.overflowing_add(1);
        self.delivered_low = low;
        if carry {
            self.delivered_high = self.delivered_high.saturating_add(1);
        }
        self.delivered_low == self.max_low && self.delivered_high == self.max_high
    }

    /// Whether it has had all that it wanted.
    pub(crate) fn is_finished(&self) -> bool {
        self.max() > 0 && self.delivered() >= self.max()
    }
}

fn split(count: u64) -> (u32, u16) {
    let count = count.min((1 << 48) - 1);
    // INVARIANT: the low 32 bits of 48, and the 16 above them.
    #[expect(clippy::cast_possible_truncation)]
    let halves = (count as u32, (count >> 32) as u16);
    halves
}

/// What a peer told about a filter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Remote {
    pub(crate) shard: ShardId,
    pub(crate) handle: Handle,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct Wants(Kind);

#[derive(Debug, Default)]
enum Kind {
    #[default]
    Nobody,
    Member(Member),
    Remote(Remote),
    /// Anything else; stays this way until it is empty again.
    Several(Box<Several>),
}

#[derive(Debug, Default)]
struct Several {
    members: Vec<Member>,
    queues: Vec<Slot>,
    remotes: Vec<Remote>,
}

impl Wants {
    /// Receivers of this shard.
    #[inline]
    pub(crate) fn members(&self) -> &[Member] {
        match &self.0 {
            Kind::Member(member) => std::slice::from_ref(member),
            Kind::Several(several) => &several.members,
            Kind::Nobody | Kind::Remote(_) => &[],
        }
    }

    /// The same, to count deliveries.
    #[inline]
    pub(crate) fn members_mut(&mut self) -> &mut [Member] {
        match &mut self.0 {
            Kind::Member(member) => std::slice::from_mut(member),
            Kind::Several(several) => &mut several.members,
            Kind::Nobody | Kind::Remote(_) => &mut [],
        }
    }

    /// Queue groups that have members here or on peers.
    #[inline]
    pub(crate) fn queues(&self) -> &[Slot] {
        match &self.0 {
            Kind::Several(several) => &several.queues,
            Kind::Nobody | Kind::Member(_) | Kind::Remote(_) => &[],
        }
    }

    /// Peers with plain subscribers.
    #[inline]
    pub(crate) fn remotes(&self) -> &[Remote] {
        match &self.0 {
            Kind::Remote(remote) => std::slice::from_ref(remote),
            Kind::Several(several) => &several.remotes,
            Kind::Nobody | Kind::Member(_) => &[],
        }
    }

    /// Whether nobody wants the filter.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.0, Kind::Nobody)
    }

    /// Adds a receiver and says where it stands.
    pub(crate) fn add_member(&mut self, member: Member) -> usize {
        if self.is_empty() {
            self.0 = Kind::Member(member);
            return 0;
        }
        let members = &mut self.several().members;
        if members.len() == members.capacity() {
            // By a quarter instead of to the double: a list may have a million members.
            members.reserve_exact((members.len() / 4).max(2));
        }
        members.push(member);
        members.len() - 1
    }

    /// Takes the receiver at a place out; the last one moves there.
    pub(crate) fn remove_member(&mut self, index: usize) -> Option<Member> {
        match &mut self.0 {
            Kind::Member(member) if index == 0 => {
                let member = *member;
                self.0 = Kind::Nobody;
                Some(member)
            }
            Kind::Several(several) if index < several.members.len() => {
                let members = &mut several.members;
                let member = members.swap_remove(index);
                if members.len() * 4 < members.capacity() {
                    members.shrink_to(members.len() * 2);
                }
                self.settle();
                Some(member)
            }
            Kind::Nobody | Kind::Member(_) | Kind::Remote(_) | Kind::Several(_) => None,
        }
    }

    /// Adds a queue group.
    pub(crate) fn add_queue(&mut self, queue: Slot) {
        self.several().queues.push(queue);
    }

    /// Takes a queue group out.
    pub(crate) fn remove_queue(&mut self, queue: Slot) {
        if let Kind::Several(several) = &mut self.0 {
            several.queues.retain(|other| *other != queue);
            self.settle();
        }
    }

    /// Notes what a peer told, in place of what it told before.
    pub(crate) fn put_remote(&mut self, remote: Remote) {
        match &mut self.0 {
            Kind::Nobody => self.0 = Kind::Remote(remote),
            Kind::Remote(known) if known.shard == remote.shard => *known = remote,
            Kind::Remote(_) | Kind::Member(_) | Kind::Several(_) => {
                let remotes = &mut self.several().remotes;
                if let Some(known) = remotes.iter_mut().find(|it| it.shard == remote.shard) {
                    *known = remote;
                } else {
                    remotes.reserve_exact(1);
                    remotes.push(remote);
                }
            }
        }
    }

    /// Forgets what a peer told.
    pub(crate) fn remove_remote(&mut self, shard: ShardId) {
        match &mut self.0 {
            Kind::Remote(known) if known.shard == shard => self.0 = Kind::Nobody,
            Kind::Several(several) => {
                several.remotes.retain(|known| known.shard != shard);
                self.settle();
            }
            Kind::Nobody | Kind::Member(_) | Kind::Remote(_) => {}
        }
    }

    /// Everything in vectors, whatever it was.
    fn several(&mut self) -> &mut Several {
        if !matches!(self.0, Kind::Several(_)) {
            let mut several = Box::<Several>::default();
            match std::mem::take(&mut self.0) {
                Kind::Member(member) => several.members = vec![member],
                Kind::Remote(remote) => several.remotes = vec![remote],
                Kind::Nobody | Kind::Several(_) => {}
            }
            self.0 = Kind::Several(several);
        }
        match &mut self.0 {
            Kind::Several(several) => several,
            // INVARIANT: made so just above.
            Kind::Nobody | Kind::Member(_) | Kind::Remote(_) => unreachable!("it has vectors"),
        }
    }

    /// Gives the vectors back when nothing is in them.
    fn settle(&mut self) {
        if let Kind::Several(several) = &self.0
            && several.members.is_empty()
            && several.queues.is_empty()
            && several.remotes.is_empty()
        {
            self.0 = Kind::Nobody;
        }
    }
}

const _: () = assert!(size_of::<Wants>() == 24, "three words, in entries that are many");

#[cfg(test)]
mod tests {
    use super::super::ids::Generation;
    use super::super::rng::Rng;
    use super::*;

    #[test]
    fn counts_pass_what_a_word_holds() {
        let near = u64::from(u32::MAX) - 1;
        let mut member =
            Member::new(Slot::from_key(1), Sid::NONE).counted(near, u64::from(u32::MAX) + 2);
        assert_eq!((0..3).map(|_| member.count()).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(member.delivered(), u64::from(u32::MAX) + 2);
        assert!(member.is_finished());
        let endless = Member::new(Slot::from_key(1), Sid::NONE).counted(u64::MAX, u64::MAX);
        assert_eq!((endless.delivered(), endless.max()), ((1 << 48) - 1, (1 << 48) - 1));
    }

    /// Does at random what interest does, beside three plain lists.
    #[test]
    fn it_behaves_as_three_lists_do() {
        let (mut wants, mut rng) = (Wants::default(), Rng::new(7));
        let (mut members, mut queues, mut remotes) = (Vec::new(), Vec::new(), Vec::new());
        for step in 0..20_000usize {
            let slot = Slot::from_key(step);
            let most = if step % 4_000 < 2_000 { 2 } else { 9 };
            match rng.below(6) {
                0 if members.len() < most => {
                    assert_eq!(wants.add_member(Member::new(slot, Sid::NONE)), members.len());
                    members.push(slot);
                }
                1 if !members.is_empty() => {
                    let index = rng.below(u32::try_from(members.len()).unwrap()) as usize;
                    let removed = wants.remove_member(index).map(|member| member.client);
                    assert_eq!(removed, Some(members.swap_remove(index)));
                }
                2 if queues.len() < most / 2 => {
                    wants.add_queue(slot);
                    queues.push(slot);
                }
                3 => {
                    if let Some(queue) = queues.pop() {
                        wants.remove_queue(queue);
                    }
                }
                4 => {
                    let shard =
                        ShardId::new(rng.below(u32::try_from(most).unwrap()) as usize).unwrap();
                    let handle = Handle { slot, generation: Generation::default() };
                    wants.put_remote(Remote { shard, handle });
                    remotes.retain(|(known, _)| *known != shard);
                    remotes.push((shard, slot));
                }
                _ => {
                    let shard =
                        ShardId::new(rng.below(u32::try_from(most).unwrap()) as usize).unwrap();
                    wants.remove_remote(shard);
                    remotes.retain(|(known, _)| *known != shard);
                }
            }
            let clients: Vec<_> = wants.members().iter().map(|member| member.client).collect();
            assert_eq!(clients, members);
            assert_eq!(wants.queues(), queues);
            let mut told: Vec<_> =
                wants.remotes().iter().map(|known| (known.shard, known.handle.slot)).collect();
            told.sort_unstable();
            remotes.sort_unstable();
            assert_eq!(told, remotes);
            let nobody = members.is_empty() && queues.is_empty() && remotes.is_empty();
            assert_eq!(wants.is_empty(), nobody);
        }
        assert_eq!(wants.remove_member(99).map(|member| member.client), None);
    }
}
