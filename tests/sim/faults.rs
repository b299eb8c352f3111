//! What each seed switches on: features, faults, limits and speeds (swarm testing), and the faults
//! themselves.
//!
//! Absent: verdicts, but for the reasons for which a client may be closed. A run with everything
//! switched on finds less than many runs with a few things each, because faults hide one another.

use std::sync::Arc;

use fanfare::config::Limits;
use fanfare::core::arrival::Admission;
use fanfare::core::close::CloseReason;

use super::clients::{Choices, Client};
use super::dice::Dice;
use super::journal::{Checked, Event, fail};
use super::network::{Ending, Signal};
use super::world::World;

/// See the module's head.
#[derive(Debug, Clone)]
pub(crate) struct Swarm {
    pub(crate) shards: usize,
    pub(crate) batches_per_peer: usize,
    pub(crate) clients: usize,
    pub(crate) steps: u64,
    pub(crate) check_every: u32,
    pub(crate) limits: Arc<Limits>,
    pub(crate) first_generation: u32,
    pub(crate) traces: bool,
    pub(crate) tells_total_spool: bool,
    pub(crate) filters: Vec<Vec<u8>>,
    pub(crate) subjects: Vec<Vec<u8>>,
    pub(crate) queues: Vec<Vec<u8>>,
    /// Share of operations, in a hundred: queue subscriptions, maxima, requests, headers.
    pub(crate) queue_share: u32,
    pub(crate) max_share: u32,
    pub(crate) request_share: u32,
    pub(crate) header_share: u32,
    pub(crate) verbose_share: u32,
    pub(crate) no_echo_share: u32,
    pub(crate) refused_share: u32,
    pub(crate) reconnect_share: u32,
    /// How many operations are the short sequences that fences are about.
    pub(crate) fence_share: u32,
    /// How many subscriptions are to a filter that nobody knows yet.
    pub(crate) fresh_share: u32,
    /// How often a shard hesitates in the middle of a turn, in a thousand micro-steps.
    pub(crate) hesitations: u32,
    /// How often a client reads at once what was written to it.
    pub(crate) eager_share: u32,
    /// How often somebody acts at once upon what another client has just seen.
    pub(crate) bus_share: u32,
    pub(crate) payload_bytes: u32,
    /// Most bytes that the network delivers at once.
    pub(crate) piece_bytes: u32,
    /// Room of a socket's buffer towards its client.
    pub(crate) socket_bytes: u32,
    pub(crate) stalls: bool,
    pub(crate) resets: bool,
    pub(crate) half_closes: bool,
    pub(crate) pauses: bool,
    pub(crate) jumps: bool,
    pub(crate) spurious: bool,
    pub(crate) arrivals: bool,
    /// How often clients act and shards step, relative to one another.
    pub(crate) client_weight: u32,
    /// Clients are users of accounts that share, with permissions.
    pub(crate) users: bool,
    /// All shards may be moved to new ones.
    pub(crate) moves: bool,
    /// Receivers that a turn looks at: so few that most messages are walked.
    pub(crate) visits_per_turn: Option<usize>,
}

impl Swarm {
    /// Draws what a seed switches on.
    pub(crate) fn draw(dice: &mut Dice) -> Self {
        let large = dice.percent(8);
        let payload_bytes = draw_payload_bytes(dice, large);
        let mut often =
            |share: u32, most: u32| if dice.percent(share) { dice.below(most) } else { 0 };
        let queue_share = often(60, 100);
        let max_share = often(50, 50);
        let request_share = often(50, 60);
        let header_share = often(40, 100);
        let verbose_share = often(50, 100);
        let no_echo_share = often(40, 100);
        let refused_share = often(15, 6);
        let reconnect_share = often(20, 8);
        let fence_share = often(40, 100);
        let bus_share = often(70, 100);
        let fresh_share = often(50, 100);
        let (hesitations, eager_share) = (often(50, 40), often(70, 100));
        let (stalls, jumps) = (dice.percent(30), dice.percent(35));
        let shards = *dice.pick(&[1, 2, 2, 3, 3, 4]);
        let swarm = Self {
            shards,
            batches_per_peer: *dice.pick(&[1, 2, 2, 3, 8]),
            clients: dice.between(2, 8) as usize,
            steps: u64::from(dice.between(400, if large { 1500 } else { 5000 })),
            check_every: dice.between(1, 60),
            limits: Arc::new(draw_limits(dice, payload_bytes)),
            first_generation: if dice.percent(30) { u32::MAX - dice.below(4) } else { 0 },
            traces: dice.percent(5),
            tells_total_spool: dice.percent(30),
            filters: draw_some(dice, FILTERS, 8),
            subjects: draw_some(dice, SUBJECTS, 6),
            queues: draw_some(dice, QUEUES, 2),
            queue_share,
            max_share,
            request_share,
            header_share,
            verbose_share,
            no_echo_share,
            refused_share,
            reconnect_share,
            fence_share,
            fresh_share,
            hesitations,
            eager_share,
            bus_share,
            payload_bytes,
            piece_bytes: *dice.pick(if large {
                &[9_000, 70_000, 300_000]
            } else {
                &[1, 7, 60, 4_000]
            }),
            socket_bytes: *dice.pick(if large { &[20_000, 200_000] } else { &[64, 900, 200_000] }),
            stalls,
            resets: dice.percent(20),
            half_closes: dice.percent(20),
            pauses: dice.percent(40),
            jumps,
            spurious: dice.percent(20),
            arrivals: dice.percent(40),
            client_weight: dice.between(2, 40),
            users: false,
            moves: false,
            visits_per_turn: None,
        };
        // Without a draw of its own, so that older seeds keep their histories.
        let (moves, visits_per_turn) = (swarm.steps.is_multiple_of(3), swarm.few_visits());
        let swarm = Self { moves, visits_per_turn, ..swarm };
        let swarm = if dice.percent(15) { swarm.about_fences(dice) } else { swarm };
        if !swarm.refuses_subscriptions() && dice.percent(35) { swarm.of_users() } else { swarm }
    }

    /// Turns that look at few receivers, in three of four worlds.
    fn few_visits(&self) -> Option<usize> {
        let few = [1, 2, 3, 4, 6, 9, 20, 40][(self.steps / 4 % 8) as usize];
        (!self.steps.is_multiple_of(4)).then_some(few)
    }

    /// A world of users: subjects are literal, and nobody asks.
    pub(crate) fn of_users(self) -> Self {
        let words = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect();
        Self {
            users: true,
            request_share: 0,
            refused_share: 0,
            subjects: words(&["a", "b", "a.b", "a.c", "b.c", "a.b.c", "x.b", "svc.x"]),
            filters: words(&[
                ">", "a.b", "a.*", "*.b", "a.>", "b", "from.>", "from.a.*", "svc.*", "x.y", "*",
            ]),
            ..self
        }
    }

    /// A world in which little happens but what fences are about, on shards that stop and go.
    fn about_fences(self, dice: &mut Dice) -> Self {
        Self {
            batches_per_peer: self.batches_per_peer,
            visits_per_turn: self.visits_per_turn,
            clients: dice.between(3, 6) as usize,
            steps: 3_000,
            check_every: 100,
            verbose_share: self.verbose_share / 4,
            fence_share: 80,
            bus_share: 90,
            fresh_share: 10,
            hesitations: dice.between(2, 40),
            eager_share: 95,
            client_weight: 30,
            ..Self::calm(dice.between(3, 4) as usize)
        }
    }

    /// A world without faults, for scenarios that count.
    pub(crate) fn calm(shards: usize) -> Self {
        let words = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect();
        Self {
            shards,
            batches_per_peer: 8,
            clients: 0,
            steps: 0,
            check_every: 1_000,
            limits: Arc::new(Limits::default()),
            first_generation: 0,
            traces: false,
            tells_total_spool: false,
            filters: words(&["a"]),
            subjects: words(&["a"]),
            queues: words(&["q"]),
            queue_share: 0,
            max_share: 0,
            request_share: 0,
            header_share: 0,
            verbose_share: 0,
            no_echo_share: 0,
            refused_share: 0,
            reconnect_share: 0,
            fence_share: 0,
            fresh_share: 0,
            hesitations: 0,
            eager_share: 0,
            bus_share: 0,
            payload_bytes: 8,
            piece_bytes: 4_000,
            socket_bytes: 200_000,
            stalls: false,
            resets: false,
            half_closes: false,
            pauses: false,
            jumps: false,
            spurious: false,
            arrivals: false,
            client_weight: 10,
            users: false,
            moves: false,
            visits_per_turn: None,
        }
    }

    /// Whether a SUB may be refused for want of room.
    pub(crate) fn refuses_subscriptions(&self) -> bool {
        self.limits.subscriptions_max < 100 || self.limits.filters_max < 100
    }
}

fn draw_payload_bytes(dice: &mut Dice, large: bool) -> u32 {
    match (large, dice.below(3)) {
        (true, _) => 60_000,
        (false, 0) => 8,
        (false, 1) => 40,
        (false, _) => 600,
    }
}

fn draw_limits(dice: &mut Dice, payload_bytes: u32) -> Limits {
    let mut limits = Limits { payload_max: 65_536, ..Limits::default() };
    if dice.percent(10) {
        limits.subscriptions_max = dice.between(1, 4) as usize;
    }
    if dice.percent(10) {
        limits.filters_max = dice.between(1, 6) as usize;
    }
    if dice.percent(15) && payload_bytes <= 600 {
        limits.payload_max = 1024;
        limits.pending_bytes_max = u64::from(dice.between(1024, 6_000));
    }
    if dice.percent(if payload_bytes >= 600 { 30 } else { 5 }) {
        limits.shard_spool_bytes_max = u64::from(dice.between(70_000, 400_000));
    }
    if dice.percent(if payload_bytes >= 600 { 30 } else { 5 }) {
        limits.total_spool_bytes_max = u64::from(dice.between(70_000, 800_000));
    }
    if dice.percent(10) {
        limits.control_line_max = 256;
    }
    if dice.percent(20) {
        limits.ping_interval_ns = u64::from(dice.between(20, 3_000)) * MILLISECOND;
        limits.pings_out_max = dice.below(3);
    }
    if dice.percent(40) {
        limits.write_deadline_ns = u64::from(dice.between(5, 500)) * MILLISECOND;
    }
    if dice.percent(25) {
        limits.connect_timeout_ns = u64::from(dice.between(50, 3_000)) * MILLISECOND;
    }
    limits
}

fn draw_some(dice: &mut Dice, from: &[&str], most: u32) -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = from.iter().map(|word| word.as_bytes().to_vec()).collect();
    dice.shuffle(&mut words);
    words.truncate(dice.between(1, most) as usize);
    words
}

impl World {
    /// One random fault, if the seed switched its kind on.
    pub(crate) fn fault(&mut self) {
        let client = self.rng.index(self.clients.len());
        let is_open = self.clients[client].can_speak();
        match self.rng.below(16) {
            0..=4 if self.swarm.stalls => self.stall(client),
            5 if self.swarm.resets && is_open && self.rng.percent(20) => {
                let ending = *self.rng.pick(&[Ending::Broken, Ending::Gone]);
                self.end_client(client, ending);
            }
            6 if self.swarm.half_closes && is_open && self.rng.percent(20) => {
                self.end_client(client, Ending::Half);
            }
            7..=9 if self.swarm.pauses => {
                let host = self.rng.index(self.hosts.len());
                let pause = u64::from(self.rng.between(20, 1_500));
                self.hosts[host].asleep_until = self.journal.step + pause;
                self.journal.note(Event::Fault { what: "pauses shard", whom: host });
            }
            10 if self.swarm.jumps => {
                let most = *self.rng.pick(&[9, 300, 3_000]);
                let ns = u64::from(self.rng.between(1, most)) * MILLISECOND;
                self.pass_time(ns);
            }
            11 | 12 if self.swarm.spurious => self.spurious_signal(client),
            13 if self.swarm.arrivals && self.clients.len() < CLIENTS_MAX => {
                let admission =
                    if self.rng.percent(10) { Admission::Full } else { Admission::Admitted };
                self.connect_random(admission);
            }
            14 => {
                let host = self.rng.index(self.hosts.len());
                self.hosts[host].weight = 1 << (2 * self.rng.below(4));
            }
            15 if self.swarm.moves => self.begin_move(),
            _ => {}
        }
    }

    fn stall(&mut self, client: usize) {
        let steps = *self.rng.pick(&[50, 800, 20_000]);
        self.clients[client].stalled_until = self.journal.step + u64::from(self.rng.below(steps));
        self.clients[client].was_stalled = true;
        self.journal.note(Event::Fault { what: "stalls client", whom: client });
    }

    fn spurious_signal(&mut self, client: usize) {
        // A token of a connection that may be long gone (I13).
        let Some(id) = self.clients[client].id else { return };
        let signal = *self.rng.pick(&[Signal::Readable, Signal::Writable]);
        let host = self.clients[client].shard;
        self.hosts[host].signals.push_back((id, signal));
        self.journal.note(Event::Fault { what: "signals for nothing client", whom: client });
    }

    /// A client ends its side.
    pub(crate) fn end_client(&mut self, client: usize, ending: Ending) {
        let what = match ending {
            Ending::Half => "half-closes client",
            Ending::Gone => "closes client",
            Ending::Broken | Ending::Open => "breaks client",
        };
        self.journal.note(Event::Fault { what, whom: client });
        self.end_of_client(client);
        if let Some(signal) = self.clients[client].socket.end(ending) {
            self.signal(client, signal);
        }
        if ending == Ending::Broken {
            // A poller reports a broken socket as writable, too.
            self.signal(client, Signal::Writable);
        }
    }

    /// Connects a client with random choices to a random shard.
    pub(crate) fn connect_random(&mut self, admission: Admission) -> usize {
        let shard = self.rng.index(self.hosts.len());
        let headers = self.rng.percent(70);
        let choices = Choices {
            connects: true,
            verbose: self.rng.percent(self.swarm.verbose_share),
            pedantic: self.rng.percent(10),
            echo: !self.rng.percent(self.swarm.no_echo_share),
            headers,
            no_responders: headers && self.rng.percent(70),
            protocol: i64::from(self.rng.below(2)),
        };
        let silent = self.oracle.realm.is_none() && self.rng.percent(5);
        let choices = if silent { Choices::SILENT } else { choices };
        self.connect(shard, choices, admission)
    }

    /// Whether a shard may close a client for a reason.
    pub(crate) fn check_reason(&self, number: usize, reason: CloseReason) -> Checked {
        let client = &self.clients[number];
        let limits = &self.swarm.limits;
        let ending = client.socket.ending;
        let is_right = match reason {
            CloseReason::ClientClosed => matches!(ending, Ending::Half | Ending::Gone),
            CloseReason::ReadError | CloseReason::WriteError => ending == Ending::Broken,
            CloseReason::SlowConsumerPendingBytes => {
                let possible = self.oracle.clients[number].possible_bytes;
                possible.saturating_sub(client.socket.written) > limits.pending_bytes_max
            }
            CloseReason::SlowConsumerWriteDeadline => {
                self.hosts[client.shard].turn_time.since_ns(client.last_taken)
                    >= limits.write_deadline_ns
            }
            CloseReason::SlowConsumerShed => {
                limits.shard_spool_bytes_max.min(limits.total_spool_bytes_max) < 1_000_000
            }
            CloseReason::StaleConnection | CloseReason::AuthenticationTimeout => self.swarm.jumps,
            // Somebody has taken too long to decide.
            CloseReason::AuthorizationViolation => self.swarm.jumps && self.swarm.users,
            CloseReason::MaxAccountConnectionsExceeded
            | CloseReason::MaxConnectionsExceeded
            | CloseReason::MaxControlLineExceeded
            | CloseReason::MaxPayloadExceeded
            | CloseReason::AuthenticationExpired
            | CloseReason::CredentialsRevoked
            | CloseReason::Kicked
            | CloseReason::NoRespondersRequiresHeaders
            | CloseReason::ProtocolViolation
            | CloseReason::ProxyNotTrusted
            | CloseReason::ProxyRequired => client.provokes == Some(reason),
            CloseReason::ServerShutdown => self.is_stopping,
            CloseReason::TlsHandshakeError => client.abandoned,
            CloseReason::MovedAway => false,
        };
        if is_right { Ok(()) } else { fail("close", format!("c{number} is closed: {reason}")) }
    }

    /// A new client's entry in the world.
    pub(crate) fn connect(
        &mut self,
        shard: usize,
        choices: Choices,
        admission: Admission,
    ) -> usize {
        let number = self.clients.len();
        let room = self.swarm.socket_bytes as usize;
        let mut client = Client::new(shard, room, choices, self.now);
        self.oracle.connected(shard, choices.echo, choices.headers, choices.no_responders);
        if admission == Admission::Full {
            client.provokes = Some(CloseReason::MaxConnectionsExceeded);
            self.oracle.clients[number].alive = false;
        }
        if let Some(realm) = self.oracle.realm.clone() {
            let user = realm.pick(&mut self.rng);
            self.oracle.clients[number].member = Some(realm.member(&user));
            client.user = Some(user);
        }
        self.clients.push(client);
        self.hosts[shard].arrivals.push_back((number, admission));
        self.journal.note(Event::Connects { client: number, shard });
        number
    }
}

const MILLISECOND: u64 = 1_000_000;
/// Clients of one world.
const CLIENTS_MAX: usize = 14;
const SUBJECTS: &[&str] = &[
    "a",
    "b",
    "a.b",
    "a.c",
    "b.c",
    "a.b.c",
    "a.b.d",
    "a.*",
    "a..b",
    ">",
    "a*",
    "x.y.z.w.v",
    "é.b",
];
const FILTERS: &[&str] = &[
    "a",
    "b",
    "a.b",
    "a.b.c",
    "a.*",
    "*.b",
    "*.*",
    "a.>",
    ">",
    "*",
    "a.*.c",
    "*.b.>",
    "a.b.*",
    "a*",
    "x.y.z.w.v",
    "x.*.z.>",
    "é.b",
    "inbox.>",
];
const QUEUES: &[&str] = &["q", "r", "queue-of-workers"];
