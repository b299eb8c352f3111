//! Who wants what, in the whole broker: this shard's receivers, and an exact replica of its peers'
//! interest.
//!
//! Absent: finding filters (`filters`), moving changes between shards (`mesh`) and delivery. The
//! representation is nobody else's business: others see filters by slot and lists of receivers.
//! I5: what a drain or a timer changes goes to a dirty set of state, one entry a filter and peer.
//! I9: a slot is freed only after its removal has been staged to every peer.

mod check;

use std::collections::VecDeque;

use fanfare_protocol::subject::Filter as FilterText;
use slab::Slab;

use super::filters::{Filter, Filters};
use super::ids::{AccountId, Generation, Handle, ShardId, Slot};
use super::sids::Sid;
use super::small_list::SmallList;
use super::subs::List;
use super::texts::{TextId, TextTable};
use super::usage::Used;
use super::wants::{Member, Remote};

/// What a peer told about a queue group on a filter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RemoteQueue {
    pub(crate) shard: ShardId,
    pub(crate) handle: Handle,
    pub(crate) count: u32,
}

/// One queue group's members on one filter.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) name: TextId,
    filter: Slot,
    generation: Generation,
    pub(crate) members: SmallList<Member>,
    pub(crate) remotes: SmallList<RemoteQueue>,
    /// Peers that believe this shard has members.
    told: u64,
    dirty: u64,
}

impl Queue {
    /// The filter that its members subscribe to.
    pub(crate) fn filter(&self) -> Slot {
        self.filter
    }
}

/// A change of interest, as one shard tells it to another: state, not a difference, so that telling
/// it again or leaving an older one out is always right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change<'a> {
    /// Whether the teller has plain subscribers for a filter.
    Filter { account: AccountId, filter: &'a [u8], handle: Handle, present: bool },
    /// How many members of a queue group the teller has on a filter.
    Queue { account: AccountId, filter: &'a [u8], queue: &'a [u8], handle: Handle, count: u32 },
    /// What the teller's clients use of what an account or one of its users may.
    Usage { account: AccountId, user: &'a [u8], used: Used },
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Interest {
    filters: Filters,
    queues: Slab<Queue>,
    names: TextTable,
    peers: Vec<ShardId>,
    peers_mask: u64,
    generation: Generation,
    dirty: Vec<VecDeque<List>>,
    /// Counts changes that make a plan out of date: filters, queues and what peers told.
    version: u64,
}

impl Interest {
    pub(crate) fn new(me: ShardId, shards: usize, seed: u64) -> Self {
        let peers: Vec<_> = (0..shards).filter_map(ShardId::new).filter(|id| *id != me).collect();
        Self {
            filters: Filters::new(seed),
            queues: Slab::new(),
            names: TextTable::new(seed.wrapping_add(1)),
            peers_mask: peers.iter().fold(0, |mask, peer| mask | peer.bit()),
            peers,
            generation: Generation::default(),
            dirty: vec![VecDeque::new(); shards],
            version: 0,
        }
    }

    /// Lets the next handle have a given generation, so that a test can meet the wrap.
    pub(crate) fn set_generation(&mut self, generation: Generation) {
        self.generation = generation;
    }

    /// Differs from what it was as soon as a match could have another result.
    #[inline]
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    #[inline]
    pub(crate) fn filter(&self, slot: Slot) -> &Filter {
        self.filters.get(slot)
    }

    pub(crate) fn queue(&self, slot: Slot) -> &Queue {
        &self.queues[slot.key()]
    }

    /// The name of a queue group.
    pub(crate) fn name(&self, name: TextId) -> &[u8] {
        self.names.text(name)
    }

    /// The receivers in a list.
    #[inline]
    pub(crate) fn members_mut(&mut self, list: List) -> &mut [Member] {
        match list {
            List::Plain(slot) => self.filters.get_mut(slot).wants.members_mut(),
            List::Queue(slot) => self.queues[slot.key()].members.as_mut_slice(),
        }
    }

    /// The filter behind a peer's handle, if it is still the one that was meant (I9).
    #[inline]
    pub(crate) fn resolve_filter(&self, handle: Handle) -> Option<Slot> {
        self.filters.resolve(handle)
    }

    /// The queue behind a peer's handle, if it is still the one that was meant (I9).
    pub(crate) fn resolve_queue(&self, handle: Handle) -> Option<Slot> {
        let queue = self.queues.get(handle.slot.key())?;
        (queue.generation == handle.generation).then_some(handle.slot)
    }

    /// Filters known here, one's own and the peers'.
    pub(crate) fn len(&self) -> usize {
        self.filters.len()
    }

    /// All filters, on whatever shard somebody wants them.
    #[inline]
    pub(crate) fn filters(&self) -> &Filters {
        &self.filters
    }

    /// Whether a filter is known here.
    pub(crate) fn knows(&self, account: AccountId, filter: &[u8]) -> bool {
        self.filters.find(account, filter).is_some()
    }

    /// Appends the filters of an account that match a published subject.
    #[inline]
    pub(crate) fn matches(&mut self, account: AccountId, subject: &[u8], found: &mut Vec<Slot>) {
        self.filters.matches(account, subject, self.version, found);
    }

    /// Appends all queue groups on a filter as (name, queue).
    pub(crate) fn queues_of(&self, filter: Slot, into: &mut Vec<(TextId, Slot)>) {
        let queues = self.filters.get(filter).wants.queues();
        into.extend(queues.iter().map(|slot| (self.queues[slot.key()].name, *slot)));
    }

    /// The peers that must be told before a subscription to this filter may take effect.
    pub(crate) fn peers_to_tell(
        &self,
        account: AccountId,
        filter: &[u8],
        queue: Option<&[u8]>,
    ) -> u64 {
        match (queue, self.filters.find(account, filter)) {
            (None, Some(slot)) => self.peers_mask & !self.filters.get(slot).told,
            // A member more changes the weights that every peer draws by.
            (Some(_), _) | (None, None) => self.peers_mask,
        }
    }

    /// Adds a receiver and says where it stands.
    pub(crate) fn add(
        &mut self,
        account: AccountId,
        filter: FilterText<'_>,
        queue: Option<&[u8]>,
        member: Member,
    ) -> (List, u32) {
        let slot = self.ensure_filter(account, filter.as_bytes());
        let list = match queue {
            None => List::Plain(slot),
            Some(name) => List::Queue(self.ensure_queue(slot, name)),
        };
        let position = match list {
            List::Plain(slot) => self.filters.get_mut(slot).wants.add_member(member),
            List::Queue(slot) => self.queues[slot.key()].members.push(member),
        };
        (list, index(position))
    }

    /// Notes that a change of this list was staged to these peers.
    pub(crate) fn told(&mut self, list: List, peers: u64) {
        match list {
            List::Plain(slot) => self.filters.get_mut(slot).told |= peers,
            List::Queue(slot) => self.queues[slot.key()].told |= peers,
        }
    }

    /// What there is to tell about a list.
    pub(crate) fn change(&self, list: List) -> Change<'_> {
        match list {
            List::Plain(slot) => {
                let filter = self.filters.get(slot);
                Change::Filter {
                    account: filter.account,
                    filter: &filter.text,
                    handle: Handle { slot, generation: filter.generation },
                    present: !filter.wants.members().is_empty(),
                }
            }
            List::Queue(slot) => {
                let queue = &self.queues[slot.key()];
                let filter = self.filters.get(queue.filter);
                Change::Queue {
                    account: filter.account,
                    filter: &filter.text,
                    queue: self.names.text(queue.name),
                    handle: Handle { slot, generation: queue.generation },
                    count: index(queue.members.len()),
                }
            }
        }
    }

    /// Removes the receiver at a position; names the one that moved there, if any did.
    pub(crate) fn remove(&mut self, list: List, position: u32) -> Option<(Slot, Sid)> {
        let removed = match list {
            List::Plain(slot) => self.filters.get_mut(slot).wants.remove_member(position as usize),
            List::Queue(slot) => self.queues[slot.key()].members.swap_remove(position as usize),
        };
        debug_assert!(removed.is_some(), "a subscription knows its position");
        let moved = self.members_mut(list).get(position as usize).map(|m| (m.client, m.sid));
        match list {
            List::Plain(slot) => {
                let filter = self.filters.get(slot);
                if filter.wants.members().is_empty() {
                    self.mark_dirty(list, filter.told);
                    self.free_filter(slot);
                }
            }
            List::Queue(slot) => {
                self.mark_dirty(list, self.queues[slot.key()].told);
                self.free_queue(slot);
            }
        }
        moved
    }

    /// The next list whose state a peer has not been told, if its telling is still due.
    ///
    /// The caller stages [`Interest::change`] and then calls [`Interest::settle`].
    pub(crate) fn poll_dirty(&mut self, peer: ShardId) -> Option<List> {
        while let Some(list) = self.dirty[peer.index()].front().copied() {
            let due = match list {
                List::Plain(slot) => {
                    let filter = self.filters.get(slot);
                    (filter.told & peer.bit() != 0) == filter.wants.members().is_empty()
                }
                List::Queue(slot) => self.queues[slot.key()].told & peer.bit() != 0,
            };
            if due {
                return Some(list);
            }
            self.take_dirty(peer);
        }
        if self.dirty[peer.index()].capacity() > DIRTY_KEPT {
            self.dirty[peer.index()] = VecDeque::new();
        }
        None
    }

    /// Notes that the list that [`Interest::poll_dirty`] named was staged to the peer.
    pub(crate) fn settle(&mut self, peer: ShardId) {
        let Some(list) = self.dirty[peer.index()].front().copied() else { return };
        match list {
            List::Plain(slot) => {
                let filter = self.filters.get_mut(slot);
                set(&mut filter.told, peer, !filter.wants.members().is_empty());
            }
            List::Queue(slot) => {
                let queue = &mut self.queues[slot.key()];
                set(&mut queue.told, peer, !queue.members.is_empty());
            }
        }
        self.take_dirty(peer);
    }

    /// Takes in what a peer told.
    pub(crate) fn apply(&mut self, shard: ShardId, change: Change<'_>) {
        self.version += 1;
        match change {
            Change::Filter { account, filter, handle, present: true } => {
                let slot = self.ensure_filter(account, filter);
                self.filters.get_mut(slot).wants.put_remote(Remote { shard, handle });
            }
            Change::Filter { account, filter, present: false, .. } => {
                let Some(slot) = self.filters.find(account, filter) else { return };
                self.filters.get_mut(slot).wants.remove_remote(shard);
                self.free_filter(slot);
            }
            Change::Usage { .. } => debug_assert!(false, "usage is no interest"),
            Change::Queue { account, filter, queue, handle, count } => {
                if count > 0 || self.filters.find(account, filter).is_some() {
                    let filter = self.ensure_filter(account, filter);
                    self.apply_queue(shard, filter, queue, RemoteQueue { shard, handle, count });
                }
            }
        }
    }

    /// Whether there is something that a peer may have to be told.
    pub(crate) fn is_dirty(&self, peer: ShardId) -> bool {
        !self.dirty[peer.index()].is_empty()
    }

    /// Whether every peer knows the present state.
    pub(crate) fn has_settled(&self) -> bool {
        self.dirty.iter().all(VecDeque::is_empty)
    }

    /// Whether nothing is known and nothing is to be told.
    pub(crate) fn is_idle(&self) -> bool {
        self.filters.len() == 0
            && self.queues.is_empty()
            && self.names.len() == 0
            && self.has_settled()
    }

    /// Returns the memory of a burst, once most of what was reserved is unused.
    pub(crate) fn shrink(&mut self) {
        self.filters.shrink();
        if self.queues.len() * 4 < self.queues.capacity() {
            self.queues.shrink_to_fit();
        }
    }
}

/// Finding, making and freeing entries.
impl Interest {
    fn ensure_filter(&mut self, account: AccountId, text: &[u8]) -> Slot {
        if let Some(slot) = self.filters.find(account, text) {
            return slot;
        }
        self.version += 1;
        self.generation = self.generation.next();
        self.filters.insert(account, text, self.generation)
    }

    fn ensure_queue(&mut self, filter: Slot, name: &[u8]) -> Slot {
        let name = self.names.intern(name);
        let queues = self.filters.get(filter).wants.queues();
        let known = queues.iter().copied().find(|slot| self.queues[slot.key()].name == name);
        if let Some(slot) = known {
            self.names.release(name);
            return slot;
        }
        self.version += 1;
        self.generation = self.generation.next();
        let slot = Slot::from_key(self.queues.insert(Queue {
            name,
            filter,
            generation: self.generation,
            members: SmallList::Empty,
            remotes: SmallList::Empty,
            told: 0,
            dirty: 0,
        }));
        self.filters.get_mut(filter).wants.add_queue(slot);
        slot
    }

    fn apply_queue(&mut self, shard: ShardId, filter: Slot, name: &[u8], told: RemoteQueue) {
        let slot = self.ensure_queue(filter, name);
        let remotes = &mut self.queues[slot.key()].remotes;
        let known = remotes.as_slice().iter().position(|remote| remote.shard == shard);
        match (known, told.count) {
            (Some(known), 0) => {
                remotes.swap_remove(known);
            }
            (Some(known), _) => remotes.as_mut_slice()[known] = told,
            (None, 0) => {}
            (None, _) => {
                remotes.push(told);
            }
        }
        self.free_queue(slot);
    }

    fn free_queue(&mut self, slot: Slot) {
        let queue = &self.queues[slot.key()];
        if !queue.members.is_empty() || !queue.remotes.is_empty() || queue.dirty != 0 {
            return;
        }
        debug_assert_eq!(queue.told, 0, "a peer that believes in members is told otherwise first");
        self.version += 1;
        let queue = self.queues.remove(slot.key());
        self.names.release(queue.name);
        self.filters.get_mut(queue.filter).wants.remove_queue(slot);
        self.free_filter(queue.filter);
    }

    fn free_filter(&mut self, slot: Slot) {
        if self.filters.get(slot).is_unused() {
            self.version += 1;
            self.filters.remove(slot);
        }
    }

    /// Lets peers be told of a list in some later hand-off.
    pub(crate) fn mark_dirty(&mut self, list: List, peers: u64) {
        let dirty = match list {
            List::Plain(slot) => &mut self.filters.get_mut(slot).dirty,
            List::Queue(slot) => &mut self.queues[slot.key()].dirty,
        };
        let new = peers & !*dirty;
        *dirty |= peers;
        for peer in self.peers.iter().filter(|peer| new & peer.bit() != 0) {
            self.dirty[peer.index()].push_back(list);
        }
    }

    fn take_dirty(&mut self, peer: ShardId) {
        match self.dirty[peer.index()].pop_front() {
            Some(List::Plain(slot)) => {
                self.filters.get_mut(slot).dirty &= !peer.bit();
                self.free_filter(slot);
            }
            Some(List::Queue(slot)) => {
                self.queues[slot.key()].dirty &= !peer.bit();
                self.free_queue(slot);
            }
            None => {}
        }
    }
}

fn set(mask: &mut u64, peer: ShardId, present: bool) {
    *mask = if present { *mask | peer.bit() } else { *mask & !peer.bit() };
}

fn index(length: usize) -> u32 {
    debug_assert!(u32::try_from(length).is_ok(), "lists are bounded by subscriptions");
    // INVARIANT: subscriptions of a shard are bounded far below 2^32.
    #[expect(clippy::cast_possible_truncation)]
    let narrow = length as u32;
    narrow
}

/// Room of a dirty set that is kept when the set is empty.
const DIRTY_KEPT: usize = 256;
