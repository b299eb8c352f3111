//! Messages on their way through lists that are too long for one turn.
//!
//! Absent: all other lists, which `deliver` walks at once, and any notice of walks by those who
//! publish. A walk goes through the places of one list, some in each turn. For everybody else it is
//! over when it begins: before anything else happens to a client that could show the difference (a
//! message, a PONG, the end of a subscription) the client is *caught up with*, that is, gets what
//! all walks still owe it, in their order. So fences and orders hold as if there were no walks.
//! Whoever subscribes later stands behind the end of a walk; whoever leaves makes way so that
//! nobody is passed over and nobody is met twice.

use std::collections::VecDeque;

use super::batch::Lane;
use super::clients::Clients;
use super::deliver::{Delivery, Stored};
use super::ids::{ConnId, Slot};
use super::interest::Interest;
use super::message::Kept;
use super::shard::Shard;
use super::spool::{RecordId, Spool};
use super::subs::{List, Sub};
use super::time::Instant;
use super::turn::{Draining, Turn};

/// One message and the receivers of one filter that it has not come to yet.
#[derive(Debug)]
struct Walk {
    number: u32,
    filter: Slot,
    /// Places before this one are done with.
    next: usize,
    /// Places from this one on were taken later.
    end: usize,
    except: Option<Slot>,
    /// Who published it, where that is a client of this shard.
    from: Option<ConnId>,
    message: Kept,
    /// What it takes beside the spool.
    bytes: u64,
    /// Its records in the spool, each held by one reference.
    stored: Stored,
    since: Instant,
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Walks {
    queue: VecDeque<Walk>,
    /// The number of the walk that began last.
    last: u32,
    /// What is left of a turn's budget, while there are walks: then the shard's own count is
    /// zero, so that the plain way asks one question for both.
    left: usize,
    /// Receivers that one turn looks at on behalf of walks.
    slice: usize,
    /// Lists that are no longer are never walked.
    short: usize,
    /// Walks that wait at most.
    most: usize,
    /// How many of them came by a peer's batch.
    from_peers: usize,
    /// What their messages take beside the spool.
    bytes: u64,
    now: Instant,
    /// Scratch: subscriptions of one client that walks are about.
    owed: Vec<Sub>,
}

/// The parts of a shard that a walk changes.
#[derive(Debug)]
pub(crate) struct Ground<'a> {
    pub(crate) clients: &'a mut Clients,
    pub(crate) interest: &'a mut Interest,
    pub(crate) walks: &'a mut Walks,
    pub(crate) visits_left: &'a mut usize,
}

impl Walks {
    pub(crate) fn new(shards: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            last: 0,
            left: 0,
            slice: SLICE,
            short: SHORT,
            most: WALKS_PER_SHARD * shards.max(2),
            from_peers: 0,
            bytes: 0,
            now: Instant::default(),
            owed: Vec::new(),
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Begins a turn with a fresh budget; says what of it the plain way may spend.
    pub(crate) fn begin_turn(&mut self, budget: usize, now: Instant) -> usize {
        self.now = now;
        if self.is_empty() {
            return budget;
        }
        self.left = budget;
        0
    }

    /// What is left of the turn's budget, which stands here while there are walks.
    fn left(&mut self) -> Option<&mut usize> {
        (!self.queue.is_empty()).then_some(&mut self.left)
    }

    /// Takes one place away below all bounds of walks through a list that are above a place; says
    /// which they were, in their order.
    fn lower(&mut self, filter: Slot, place: usize) -> Vec<usize> {
        let mut bounds = Vec::new();
        for walk in self.queue.iter_mut().filter(|walk| walk.filter == filter) {
            for bound in [&mut walk.next, &mut walk.end] {
                if *bound > place {
                    bounds.push(*bound);
                    *bound -= 1;
                }
            }
        }
        bounds.sort_unstable();
        bounds.dedup();
        bounds
    }

    /// Walks that a client has not been caught up with for.
    fn behind(&self, walked: u32) -> std::ops::Range<usize> {
        let behind = (self.last - walked) as usize;
        self.queue.len().saturating_sub(behind)..self.queue.len()
    }
}

impl Ground<'_> {
    /// Delivers to a list that is longer than what is left of the turn's budget, or while others
    /// are walked: at once if it is short, else from here on in slices.
    #[cold]
    #[inline(never)]
    pub(crate) fn deliver(
        mut self,
        delivery: &mut Delivery<'_>,
        filter: Slot,
        except: Option<Slot>,
    ) {
        let list = List::Plain(filter);
        let length = self.interest.members_mut(list).len();
        if self.walks.is_empty() {
            if length <= self.walks.short {
                let (left, mut all) = (self.visits_left, usize::MAX);
                *left = left.saturating_sub(length);
                delivery.deliver_to_all(self.clients, self.interest, &mut all, list, except);
                return;
            }
            self.walks.left = std::mem::take(self.visits_left);
        }
        let at_once = if length <= self.walks.short {
            length
        } else if self.walks.is_empty() {
            self.walks.left
        } else {
            // Each of them might be owed much.
            0
        };
        let mut place = 0;
        // Whether anybody took it is to be known now: nobody is the 503.
        while place < length && (place < at_once || delivery.has_nobody()) {
            let member = self.interest.members_mut(list).get(place).copied();
            if let Some(member) = member.filter(|member| Some(member.client) != except) {
                self.catch_up(member.client);
                delivery.deliver_at(self.clients, self.interest, list, place);
            }
            place += 1;
        }
        self.walks.left = self.walks.left.saturating_sub(place);
        if place < length {
            self.begin(delivery, filter, place..length, except);
        }
        if self.walks.is_empty() {
            *self.visits_left = self.walks.left;
        }
    }

    fn begin(
        &mut self,
        delivery: &Delivery<'_>,
        filter: Slot,
        places: std::ops::Range<usize>,
        except: Option<Slot>,
    ) {
        self.walks.left = self.walks.left.saturating_sub(VISITS_PER_WALK);
        let is_used_up = self.walks.last == u32::MAX;
        let most = if is_used_up { 0 } else { self.walks.most - 1 };
        while self.walks.queue.len() > most {
            let mut all = usize::MAX;
            self.step(&mut all);
            self.end_first();
        }
        if is_used_up {
            // Once in four thousand million walks numbers begin anew, for all clients.
            self.clients.forget_walks();
            self.walks.last = 0;
        }
        let from = delivery.publisher().map(|slot| {
            let client = self.clients.get_mut(slot);
            client.places.walking = true;
            client.id
        });
        let stored = delivery.stored();
        stored.records().for_each(|record| self.clients.spool.acquire(record.segment));
        let bytes = Kept::bytes_of(delivery.message());
        self.walks.last += 1;
        self.walks.bytes += bytes;
        self.walks.from_peers += usize::from(from.is_none());
        self.walks.queue.push_back(Walk {
            number: self.walks.last,
            filter,
            next: places.start,
            end: places.end,
            except,
            from,
            message: Kept::new(delivery.message()),
            bytes,
            stored,
            since: self.walks.now,
        });
    }

    /// Delivers to a client what all walks owe it, in their order.
    pub(crate) fn catch_up(&mut self, slot: Slot) {
        let walked = std::mem::replace(&mut self.clients.get_mut(slot).walked, self.walks.last);
        if walked == self.walks.last || self.walks.is_empty() {
            return;
        }
        let mut owed = std::mem::take(&mut self.walks.owed);
        let behind = self.walks.behind(walked);
        let subs = &self.clients.get(slot).subs;
        // Looking through many subscriptions is work, too.
        let mut visits = subs.len().saturating_mul(behind.len()) / SUBS_PER_VISIT;
        let walks = self.walks.queue.range(behind.clone());
        owed.extend(subs.iter().filter(|sub| walks.clone().any(|walk| walk.has(sub))));
        for index in behind.filter(|_| !owed.is_empty()) {
            let Some(walk) = self.walks.queue.get_mut(index) else { continue };
            if walk.except == Some(slot) {
                continue;
            }
            let mut delivery = walk.delivery();
            for sub in owed.iter().filter(|sub| walk.has(sub)) {
                delivery.deliver_at(self.clients, self.interest, sub.list, sub.position as usize);
            }
            let stored = delivery.stored();
            visits += usize::try_from(delivery.delivered()).unwrap_or(usize::MAX);
            delivery.finish(self.clients);
            walk.keep(stored, &mut self.clients.spool);
        }
        self.walks.left = self.walks.left.saturating_sub(visits);
        owed.clear();
        self.walks.owed = owed;
    }

    /// The same for whoever stands at a place of a list.
    #[cold]
    #[inline(never)]
    pub(crate) fn catch_up_at(&mut self, list: List, place: u32) {
        let member = self.interest.members_mut(list).get(place as usize).copied();
        if let Some(member) = member {
            self.catch_up(member.client);
        }
    }

    /// Goes on with the oldest walk, as far as the budget reaches.
    fn step(&mut self, budget: &mut usize) {
        let Some(walk) = self.walks.queue.front_mut() else { return };
        let list = List::Plain(walk.filter);
        let upto = walk.end.min(walk.next.saturating_add(*budget));
        let mut delivery = walk.delivery();
        for place in walk.next..upto {
            let member = self.interest.members_mut(list).get(place);
            let Some(slot) = member.map(|member| member.client) else { break };
            let walked = self.clients.get(slot).walked;
            let is_done = walked >= walk.number;
            if !is_done && walk.except != Some(slot) {
                delivery.deliver_at(self.clients, self.interest, list, place);
            }
        }
        let stored = delivery.stored();
        delivery.finish(self.clients);
        *budget -= upto - walk.next;
        walk.next = upto;
        walk.keep(stored, &mut self.clients.spool);
    }

    /// Forgets the oldest walk, which is over.
    fn end_first(&mut self) {
        let Some(walk) = self.walks.queue.pop_front() else { return };
        self.walks.bytes -= walk.bytes;
        self.walks.from_peers -= usize::from(walk.from.is_none());
        for record in walk.stored.records() {
            self.clients.spool.release(record.segment, 1);
        }
        let Some(slot) = walk.from.and_then(|from| self.clients.resolve(from)) else { return };
        if !self.walks.queue.iter().any(|other| other.from == walk.from) {
            self.clients.get_mut(slot).places.walking = false;
        }
    }
}

impl Walk {
    /// Whether a subscription's place is one that it has not come to yet.
    fn has(&self, sub: &Sub) -> bool {
        let places = self.next..self.end;
        sub.list == List::Plain(self.filter) && places.contains(&(sub.position as usize))
    }

    fn delivery(&self) -> Delivery<'_> {
        let from = self.from.map(|from| from.slot);
        Delivery::resume(self.message.message(), self.stored, from)
    }

    /// Holds the records that were stored meanwhile.
    fn keep(&mut self, stored: Stored, spool: &mut Spool) {
        let known: Vec<RecordId> = self.stored.records().collect();
        for record in stored.records().filter(|record| !known.contains(record)) {
            spool.acquire(record.segment);
        }
        self.stored = stored;
    }
}

impl Shard {
    /// Goes on with walks for one slice; not while writes are behind.
    pub(crate) fn walk_on(&mut self) {
        if !self.walks.is_empty() && !self.writes_first {
            // What commands have left of the turn is as good for walks.
            let left = std::mem::take(&mut self.walks.left);
            self.walk(left + self.walks.slice);
        }
    }

    /// Ends all walks now.
    pub(crate) fn walk_to_the_end(&mut self) {
        if !self.walks.is_empty() {
            self.walk(usize::MAX);
        }
    }

    fn walk(&mut self, mut budget: usize) {
        while budget > 0
            && let Some(since) = self.walks.queue.front().map(|walk| walk.since)
        {
            let queued = self.clients.stats.messages_out;
            self.ground().step(&mut budget);
            self.delays.note(&self.clients, since, queued);
            // While the walk still stands there, so that it learns who has made way.
            self.end_finished();
            if self.walks.queue.front().is_some_and(|walk| walk.next >= walk.end) {
                self.ground().end_first();
                // Whoever published it may go on.
                self.yielded = true;
            }
        }
        if self.walks.is_empty() {
            self.visits_left = std::mem::take(&mut self.walks.left);
            self.walks.queue.shrink_to(WALKS_KEPT);
        }
    }

    /// Delivers to a client what walks owe it, before something happens to it that shows.
    #[cold]
    #[inline(never)]
    pub(crate) fn catch_up(&mut self, slot: Slot) {
        self.ground().catch_up(slot);
        self.end_finished();
    }

    pub(crate) fn ground(&mut self) -> Ground<'_> {
        Ground {
            clients: &mut self.clients,
            interest: &mut self.interest,
            walks: &mut self.walks,
            visits_left: &mut self.visits_left,
        }
    }

    /// Leaves some of the budget for clients' commands, however much peers' batches took of it.
    pub(crate) fn leave_for_commands(&mut self) {
        let least = self.walks.slice;
        let left = self.walks.left().unwrap_or(&mut self.visits_left);
        *left = least.max(*left);
    }

    /// Memory that unsent messages take, those that are walked included.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.clients.spool.held_bytes() + self.walks.bytes
    }

    /// Notes work that is measured in receivers.
    pub(crate) fn spend(&mut self, visits: usize) {
        let left = self.walks.left().unwrap_or(&mut self.visits_left);
        *left = left.saturating_sub(visits);
    }

    /// Whether the turn's budget is spent; asked where the plain way has none.
    #[cold]
    pub(crate) fn is_spent(&mut self) -> bool {
        self.walks.left().is_none_or(|left| *left == 0)
    }

    /// Whether a client's next command waits for another turn; asked as [`Shard::is_spent`] is.
    /// Who has published to a long list waits until that is walked, so that nobody has more than
    /// one message in there.
    #[cold]
    #[inline(never)]
    pub(crate) fn must_yield(&mut self, slot: Slot) -> bool {
        let is_spent = self.is_spent();
        self.yielded |= is_spent;
        is_spent || self.clients.get(slot).places.walking
    }

    /// Moves a receiver that is to be removed behind all walks through its list; says where to.
    /// On its way it changes places with the last one of each part, so that all others stay in
    /// the part in which they are.
    #[cold]
    #[inline(never)]
    pub(crate) fn make_way(&mut self, sub: &Sub) -> u32 {
        let List::Plain(filter) = sub.list else { return sub.position };
        let mut place = sub.position as usize;
        for bound in self.walks.lower(filter, place) {
            let last = bound - 1;
            let members = self.interest.members_mut(sub.list);
            if last != place && last < members.len() {
                members.swap(place, last);
                // INVARIANT: the place was below the bound.
                let moved = members[place];
                // INVARIANT: as a subscription's place is.
                let place = u32::try_from(place).unwrap_or(u32::MAX);
                self.clients.get_mut(moved.client).subs.moved(moved.sid, place);
            }
            place = last;
        }
        // INVARIANT: as above.
        u32::try_from(place).unwrap_or(u32::MAX)
    }

    /// Lets a turn look at few receivers, so that a simulation meets the bound.
    pub fn set_visits_per_turn(&mut self, visits: usize) {
        self.visits_per_turn = visits;
        self.walks.slice = (visits / 4).max(1);
        self.walks.short = self.walks.slice.min(FEW);
    }
}

impl Turn<Draining> {
    /// Whether an emptied batch of a lane may go home to its peer. One of messages may not while
    /// what such batches brought is still being walked: a free batch is the permission to bring
    /// more.
    pub fn may_return(&self, lane: Lane) -> bool {
        lane == Lane::Interest || self.shard.walks.from_peers <= WALKS_FREE
    }
}

/// Receivers that one turn looks at before it yields: some 12 ms of a core.
pub(crate) const VISITS_PER_TURN: usize = 256 * 1024;
/// Receivers that a turn looks at on behalf of walks, and that it leaves for commands.
const SLICE: usize = 16 * 1024;
/// Receivers of a list that is never walked: some 3 ms of a core, which a walk is not worth. So
/// a broker whose lists are shorter has no walks.
const SHORT: usize = 64 * 1024;
/// Walks with which peers get their batches back at once.
const WALKS_FREE: usize = 16;
/// Walks that wait, for each shard that brings some; beyond, the oldest one is walked to its end.
/// More than the batches of one peer bring while each message goes to one long list.
const WALKS_PER_SHARD: usize = 8 * 1024;
/// Room for walks that is kept.
const WALKS_KEPT: usize = 64;
/// The same where turns look at few receivers, at most.
const FEW: usize = 16;
/// What it costs to keep a message for a walk, in receivers looked at.
const VISITS_PER_WALK: usize = 64;
/// Subscriptions of a client that cost as much to look through as one receiver does.
const SUBS_PER_VISIT: usize = 16;

#[cfg(test)]
mod tests;
