//! Who gets one message: the result of a match, reused from message to message.
//!
//! Absent: matching (`interest`) and delivery. A plan is exact: nobody in it means nobody at all,
//! so that an empty plan is the 503.

use super::batch::DeliverTo;
use super::groups::Pick;
use super::ids::{AccountId, ConnId, Handle, ShardId, Slot};
use super::texts::TextId;

/// What one peer is asked to do.
#[derive(Debug, Default)]
struct PeerPlan {
    filters: Vec<Handle>,
    queues: Vec<Handle>,
    group_sizes: Vec<u32>,
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Filters that match, whoever subscribed.
    pub(crate) filters: Vec<Slot>,
    /// Queue groups on those filters, sorted by group.
    pub(crate) queues: Vec<(TextId, Slot)>,
    /// Members of this shard that were drawn.
    pub(crate) picks: Vec<(Slot, u32)>,
    /// Shards that are asked to deliver.
    pub(crate) targets: u64,
    peers: Vec<PeerPlan>,
    /// What the plan is for; `None` when it is for nothing.
    subject: Vec<u8>,
    account: AccountId,
    version: Option<u64>,
}

impl Plan {
    pub(crate) fn new(shards: usize) -> Self {
        Self {
            filters: Vec::new(),
            queues: Vec::new(),
            picks: Vec::new(),
            targets: 0,
            peers: (0..shards).map(|_| PeerPlan::default()).collect(),
            subject: Vec::new(),
            account: AccountId::GLOBAL,
            version: None,
        }
    }

    /// What the plan is for.
    pub(crate) fn subject(&self) -> &[u8] {
        &self.subject
    }

    /// Whether this is the plan for a subject while interest has this version.
    #[inline]
    pub(crate) fn is_for(&self, account: AccountId, subject: &[u8], version: u64) -> bool {
        self.version == Some(version) && self.account == account && self.subject == subject
    }

    /// Empties the plan, to be made anew for this subject.
    #[inline]
    pub(crate) fn begin(&mut self, account: AccountId, subject: &[u8], version: u64) {
        self.filters.clear();
        self.queues.clear();
        self.clear_targets();
        self.subject.clear();
        self.subject.extend_from_slice(subject);
        self.account = account;
        self.version = Some(version);
    }

    /// Makes sure that nobody takes this for the plan of a later publish.
    pub(crate) fn forget(&mut self) {
        self.version = None;
    }

    /// Forgets who was drawn and asked, and keeps what matched.
    pub(crate) fn clear_targets(&mut self) {
        self.picks.clear();
        for peer in super::mesh::each(std::mem::take(&mut self.targets)) {
            let peer = &mut self.peers[peer.index()];
            peer.filters.clear();
            peer.queues.clear();
            peer.group_sizes.clear();
        }
    }

    /// Asks a peer to deliver to a filter's plain subscribers.
    #[inline]
    pub(crate) fn add_filter(&mut self, peer: ShardId, filter: Handle) {
        self.targets |= peer.bit();
        self.peers[peer.index()].filters.push(filter);
    }

    /// Notes the draw for one group.
    pub(crate) fn add_pick(&mut self, pick: Pick, handles: impl Iterator<Item = Handle>) {
        match pick {
            Pick::Local { queue, position } => self.picks.push((queue, position)),
            Pick::Peer(peer) => {
                self.targets |= peer.bit();
                let peer = &mut self.peers[peer.index()];
                let before = peer.queues.len();
                peer.queues.extend(handles);
                // INVARIANT: one handle a matching filter, bounded far below 2^32.
                let size = u32::try_from(peer.queues.len() - before).unwrap_or(u32::MAX);
                peer.group_sizes.push(size);
            }
        }
    }

    /// What a peer is asked to do.
    pub(crate) fn to(&self, peer: ShardId, not_to: Option<(ShardId, ConnId)>) -> DeliverTo<'_> {
        let peer = &self.peers[peer.index()];
        DeliverTo {
            filters: &peer.filters,
            queues: &peer.queues,
            group_sizes: &peer.group_sizes,
            not_to,
            hops: 0,
        }
    }
}
