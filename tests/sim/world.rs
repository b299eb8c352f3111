//! One simulated world: shards, rings, sockets, clients and time, moved step by step by one seed.
//!
//! Absent: the parts' own rules. A run has four parts: chaos, calm (faults end and everything that
//! was promised must come about), farewell (all clients leave), and the last look, when nothing may
//! be left in any shard.

use std::sync::Arc;

use fanfare::core::arrival::{Admission, Entrance};
use fanfare::core::auth::Question;
use fanfare::core::ids::{ConnId, ShardId};
use fanfare::core::policy::Policy;
use fanfare::core::shard::{Shard, ShardSetup};
use fanfare::core::stats::Stats;
use fanfare::core::time::Instant;
use fanfare_protocol::info::ServerInfo;

use super::clients::{Client, Op};
use super::dice::Dice;
use super::faults::Swarm;
use super::hosts::Host;
use super::journal::{Checked, Event, Journal, fail};
use super::moves::Move;
use super::mutations::Mutation;
use super::network::{Ending, Signal};
use super::oracle::{Mark, Oracle};
use super::realm::Realm;

/// See the module's head.
pub(crate) struct World {
    pub(crate) swarm: Swarm,
    pub(crate) rng: Dice,
    pub(crate) mutation: Mutation,
    pub(crate) mutation_rng: Dice,
    pub(crate) journal: Journal,
    pub(crate) oracle: Oracle,
    pub(crate) clients: Vec<Client>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) now: Instant,
    /// Questions about clients that nobody has answered yet.
    pub(crate) questions: Vec<(usize, ConnId, Question)>,
    /// Micro-steps until a shard is asked to check itself.
    pub(crate) checks_due: u32,
    /// Some group has passed a message on, which may overtake others.
    pub(crate) has_repicked: bool,
    /// Shards close all their clients.
    pub(crate) is_stopping: bool,
    /// A move of all shards that is under way.
    pub(crate) moving: Option<Move>,
    /// Faults are over and nobody begins anything new.
    pub(crate) is_calm: bool,
}

impl World {
    /// The world of a seed.
    pub(crate) fn new(seed: u64, mutation: Mutation, verbose: bool) -> Self {
        let mut rng = Dice::new(seed);
        let swarm = Swarm::draw(&mut rng);
        let mut world = Self::with_swarm(swarm, rng, mutation, verbose);
        for _ in 0..world.swarm.clients {
            let client = world.connect_random(Admission::Admitted);
            world.introduce(client);
        }
        world
    }

    /// A world without clients.
    pub(crate) fn with_swarm(
        swarm: Swarm,
        mut rng: Dice,
        mutation: Mutation,
        verbose: bool,
    ) -> Self {
        let start = Instant::from_ns(u64::from(rng.below(1_000_000_000)));
        let realm = swarm.users.then(|| Arc::new(Realm::draw(&mut rng, mutation)));
        let hosts = (0..swarm.shards).map(|index| {
            let setup = setup(index, &swarm, realm.as_deref(), rng.number(), start);
            let mut shard = Box::new(Shard::new(setup));
            swarm.visits_per_turn.inspect(|visits| shard.set_visits_per_turn(*visits));
            Host::new(shard, swarm.shards, 1 << (2 * rng.below(4)))
        });
        let hosts = hosts.collect();
        Self {
            checks_due: swarm.check_every,
            mutation_rng: Dice::new(rng.number()),
            rng,
            mutation,
            journal: Journal::new(verbose),
            oracle: Oracle::of(realm),
            questions: Vec::new(),
            clients: Vec::new(),
            hosts,
            now: start,
            has_repicked: false,
            is_stopping: false,
            is_calm: false,
            moving: None,
            swarm,
        }
    }

    /// A shard without clients, for the place of an old one.
    pub(crate) fn new_shard(&mut self, index: usize) -> Shard {
        let seed = self.rng.number();
        let setup = setup(index, &self.swarm, self.oracle.realm.as_deref(), seed, self.now);
        let mut shard = Shard::new(setup);
        self.swarm.visits_per_turn.inspect(|visits| shard.set_visits_per_turn(*visits));
        shard
    }

    /// Runs a seed's world to its end.
    pub(crate) fn run(&mut self) -> Checked {
        for _ in 0..self.swarm.steps {
            self.step()?;
        }
        self.calm()?;
        self.farewell()
    }

    /// One random step of the world.
    fn step(&mut self) -> Checked {
        self.journal.step += 1;
        self.now = self.now.after_ns(STEP_NS);
        self.follow_move()?;
        let weight = self.swarm.client_weight;
        match self.rng.below(100) {
            0 if self.rng.percent(50) => self.fault(),
            1..4 if !self.questions.is_empty() => self.answer_question(),
            drawn if drawn < 1 + weight / 4 => {
                let client = self.rng.index(self.clients.len());
                self.introduce(client);
                self.act(client);
            }
            drawn if drawn < 16 + weight / 4 => {
                let client = self.rng.index(self.clients.len());
                let most = self.rng.between(1, self.swarm.piece_bytes) as usize;
                self.arrive(client, most);
            }
            drawn if drawn < 34 + weight / 4 => {
                let client = self.rng.index(self.clients.len());
                if self.clients[client].stalled_until <= self.journal.step {
                    let most = self.rng.between(1, 4 * self.swarm.piece_bytes) as usize;
                    self.receive(client, most)?;
                }
            }
            _ => {
                if let Some(host) = self.draw_host() {
                    self.step_shard(host)?;
                }
            }
        }
        Ok(())
    }

    /// A shard that can step, drawn by weight.
    fn draw_host(&mut self) -> Option<usize> {
        // A turn without a cause is harmless, and happens.
        let spurious = self.rng.below(200) == 0;
        let weight_of = |world: &Self, number: usize| {
            let host = &world.hosts[number];
            let may =
                host.asleep_until <= world.journal.step && (spurious || world.is_awake(number));
            if may { host.weight } else { 0 }
        };
        let total = (0..self.hosts.len()).map(|host| weight_of(self, host)).sum();
        let mut drawn = self.rng.below(total);
        (0..self.hosts.len()).find(|host| {
            let weight = weight_of(self, *host);
            let is_it = drawn < weight;
            drawn = drawn.saturating_sub(weight);
            is_it
        })
    }

    /// Says CONNECT for a client that has just been accepted.
    pub(crate) fn introduce(&mut self, client: usize) {
        let newcomer = &mut self.clients[client];
        if newcomer.choices.connects && !newcomer.introduced && newcomer.can_speak() {
            newcomer.introduced = true;
            self.say(client, Op::Connect);
        }
    }

    /// The network delivers some of a client's bytes.
    pub(crate) fn arrive(&mut self, client: usize, most: usize) {
        if let Some(signal) = self.clients[client].socket.arrive(most) {
            self.signal(client, signal);
        }
    }

    /// A poller reports something about a client's socket to its shard.
    pub(crate) fn signal(&mut self, client: usize, signal: Signal) {
        let Some(id) = self.clients[client].id else { return };
        if self.mutation == Mutation::LoseSignal && self.mutation_rng.below(20) == 0 {
            return;
        }
        let host = self.clients[client].shard;
        self.hosts[host].signals.push_back((id, signal));
    }

    pub(crate) fn pass_time(&mut self, ns: u64) {
        self.now = self.now.after_ns(ns);
        self.journal.note(Event::Time { ns });
    }

    fn sum(&self, what: impl Fn(&Shard) -> u64) -> u64 {
        self.hosts.iter().filter_map(Host::shard).map(what).sum()
    }

    /// The counters of all shards, added up.
    pub(crate) fn counters(&self) -> [u64; Stats::COUNTERS] {
        let mut sums = [0; Stats::COUNTERS];
        for shard in self.hosts.iter().filter_map(Host::shard) {
            let counts = shard.stats().to_array();
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        sums
    }

    /// A client's side ends: its subscriptions may end from now on.
    pub(crate) fn end_of_client(&mut self, client: usize) {
        let mark = Mark { step: self.journal.step, op: u32::MAX };
        self.oracle.leaves(client, mark);
        self.oracle.clients[client].alive = false;
    }

    /// Faults end, every client asks for a last PONG, and everything promised must come about.
    pub(crate) fn calm(&mut self) -> Checked {
        self.is_calm = true;
        self.journal.note(Event::Fault { what: "all faults end", whom: 0 });
        for client in 0..self.clients.len() {
            self.introduce(client);
            self.clients[client].stalled_until = 0;
            if self.clients[client].can_speak() {
                self.say(client, Op::Ping);
            }
        }
        for host in &mut self.hosts {
            host.asleep_until = 0;
        }
        self.settle()?;
        for client in 0..self.clients.len() {
            if self.clients[client].can_speak() {
                self.say(client, Op::Ping);
            }
        }
        self.settle()?;
        self.check_answered()?;
        let dropped = self.sum(|shard| shard.stats().repick_dropped);
        self.oracle.check_quiet(dropped)?;
        let counted = self.swarm.refused_share == 0 && !self.swarm.users;
        if counted && self.oracle.clients.iter().all(|view| view.alive) {
            self.oracle.check_counters(&Stats::from_array(self.counters()))?;
        }
        Ok(())
    }

    /// Runs until nothing is left to happen.
    pub(crate) fn settle(&mut self) -> Checked {
        let turns: u64 = self.hosts.iter().map(|host| host.turns).sum();
        let (mut quiet, mut rounds) = (0, 0);
        while quiet < QUIET_ROUNDS || self.moving.is_some() {
            quiet += 1;
            rounds += 1;
            if rounds > ROUNDS_MAX {
                return fail("liveness", "bytes never stop moving".to_owned());
            }
            for client in 0..self.clients.len() {
                if self.clients[client].socket.has_arrivals() {
                    self.arrive(client, 2 * self.swarm.piece_bytes as usize + 64);
                    quiet = 0;
                }
                let waiting = self.clients[client].socket.waiting();
                let stalled = self.clients[client].stalled_until == u64::MAX;
                if !stalled && (waiting > 0 || self.clients[client].socket.closed) {
                    let ended = self.clients[client].heard_end;
                    self.receive(client, 4 * self.swarm.piece_bytes as usize + 512)?;
                    quiet = if waiting > 0 || !ended { 0 } else { quiet };
                }
            }
            if !self.questions.is_empty() {
                self.answer_question();
                quiet = 0;
            }
            for host in 0..self.hosts.len() {
                for _ in 0..self.rng.between(1, 12) {
                    self.journal.step += 1;
                    self.follow_move()?;
                    if self.is_awake(host) {
                        self.step_shard(host)?;
                        quiet = 0;
                    }
                }
            }
            let now: u64 = self.hosts.iter().map(|host| host.turns).sum();
            if now - turns > TURNS_MAX {
                return fail("liveness", format!("not quiet after {} turns", now - turns));
            }
        }
        for (number, host) in self.hosts.iter().enumerate() {
            if host.shard().is_some_and(Shard::wants_batches) {
                return fail("liveness", format!("quiet, and shard {number} wants batches"));
            }
        }
        Ok(())
    }

    /// All clients leave; nothing may be left of them.
    pub(crate) fn farewell(&mut self) -> Checked {
        self.is_stopping = self.rng.percent(20);
        for client in 0..self.clients.len() {
            let is_open = self.clients[client].socket.ending == Ending::Open;
            if is_open && !self.clients[client].closed && !self.is_stopping {
                let ending = *self.rng.pick(&[Ending::Half, Ending::Gone, Ending::Broken]);
                self.end_client(client, ending);
            }
        }
        if self.is_stopping {
            for host in 0..self.hosts.len() {
                self.hosts[host].stops = true;
                self.step_shard(host)?;
            }
        }
        self.settle()?;
        if let Some(client) = self.clients.iter().position(|client| !client.closed) {
            return fail("close", format!("c{client} has left and is not closed"));
        }
        // Batches on their way home are nobody's cause to run, and are taken back in any turn.
        for host in 0..self.hosts.len() {
            self.step_shard(host)?;
        }
        self.settle()?;
        for host in &self.hosts {
            let Some(shard) = host.shard() else { continue };
            shard.check();
            if !shard.is_idle() {
                let stats = shard.stats();
                let text = format!("shard {} keeps something: {stats:?}", shard.id().index());
                return fail("idle", text);
            }
        }
        Ok(())
    }
}

fn setup(
    index: usize,
    swarm: &Swarm,
    realm: Option<&Realm>,
    seed: u64,
    now: Instant,
) -> ShardSetup {
    let policy = realm.map_or_else(|| Arc::new(Policy::open()), |realm| Arc::clone(&realm.policy));
    let info = ServerInfo { headers: true, max_payload: 65_536, ..ServerInfo::default() };
    ShardSetup {
        id: shard_id(index),
        shards: swarm.shards,
        batches_per_peer: swarm.batches_per_peer,
        policy,
        limits: Arc::clone(&swarm.limits),
        entrances: vec![Entrance { info, ..Entrance::default() }],
        seed,
        first_generation: swarm.first_generation,
        trace: swarm.traces.then_some(64),
        now,
    }
}

/// The name of a shard.
pub(crate) fn shard_id(index: usize) -> ShardId {
    ShardId::new(index).expect("a simulation has a handful of shards")
}

/// Time that one step takes.
const STEP_NS: u64 = 1_000;
/// Rounds without any event after which a world is quiet.
const QUIET_ROUNDS: u32 = 3;
/// Rounds in which a world without faults becomes quiet, even where bytes go one by one.
const ROUNDS_MAX: u64 = 1_000_000;
/// Turns in which a world without faults becomes quiet.
const TURNS_MAX: u64 = 20_000;
