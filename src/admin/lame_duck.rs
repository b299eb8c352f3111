//! Lame duck mode (SIGUSR2): nobody new is let in, clients are told, and after a while closed one
//! by one, so that they do not all come to another broker at once. Then the broker ends.
//!
//! Absent: how a client is told and closed (`core::lame_duck`). The pace follows nats-server: the
//! grace period first, then the rest of the duration, a second between two clients at most.

use std::time::{Duration, Instant};

use super::stop::send_now;
use super::supervisor::Supervisor;
use crate::config::Config;
use crate::io::exchange::Mail;
use crate::io::log::Level;

/// A lame duck's plan.
#[derive(Debug)]
pub(super) struct LameDuck {
    /// When something is due next.
    due: Instant,
    /// Time between two steps, and clients that one step closes.
    pause: Duration,
    per_step: u64,
    /// Clients of each shard that were not asked to leave yet; `None` in the grace period.
    left: Option<Vec<u64>>,
}

impl LameDuck {
    fn new(config: &Config, now: Instant) -> Self {
        let grace = Duration::from_nanos(config.lame_duck_grace_ns);
        Self { due: now + grace, pause: STEP_MAX, per_step: 1, left: None }
    }

    /// A plan without a grace period, for so many clients of each shard: others serve already.
    pub(super) fn hasty(clients: Vec<u64>, time: Duration) -> Self {
        let (pause, per_step) = pace(time, clients.iter().sum());
        // What they are told goes out first.
        Self { due: Instant::now() + STEP_MIN, pause, per_step, left: Some(clients) }
    }

    /// How long the supervisor may sleep for the plan's sake.
    pub(super) fn timeout(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }

    /// Begins to close clients, as many in each shard as there are.
    fn begin(&mut self, config: &Config, clients: Vec<u64>) {
        let all = config.lame_duck_duration_ns.saturating_sub(config.lame_duck_grace_ns);
        (self.pause, self.per_step) = pace(Duration::from_nanos(all), clients.iter().sum());
        self.left = Some(clients);
    }

    /// The shards that are asked next, and how many clients each of them closes.
    fn step(&mut self, now: Instant) -> Vec<(usize, u64)> {
        self.due = now + self.pause;
        let Some(left) = &mut self.left else { return Vec::new() };
        let mut asked = Vec::new();
        let mut wanted = self.per_step;
        while wanted > 0 {
            let fullest = left.iter_mut().enumerate().max_by_key(|(_, left)| **left);
            let Some((shard, left)) = fullest.filter(|(_, left)| **left > 0) else { break };
            let count = wanted.min(*left);
            *left -= count;
            wanted -= count;
            asked.push((shard, count));
        }
        asked
    }
}

/// The time between two steps, and how many clients a step closes.
fn pace(time: Duration, clients: u64) -> (Duration, u64) {
    let each = time.as_nanos() / u128::from(clients.max(1));
    let each = Duration::from_nanos(u64::try_from(each).unwrap_or(u64::MAX));
    if each >= STEP_MIN {
        return (each.min(STEP_MAX), 1);
    }
    let steps = time.as_nanos() / STEP_MIN.as_nanos();
    (STEP_MIN, clients.div_ceil(u64::try_from(steps).unwrap_or(u64::MAX).max(1)))
}

impl Supervisor {
    /// Enters lame duck mode, unless the broker is in it.
    pub(super) fn enter_lame_duck(&mut self) {
        if self.lame_duck.is_some() {
            return;
        }
        self.cancel_upgrade("the broker is leaving");
        let text = "Entering lame duck mode, stop accepting new clients";
        self.log.line(Level::Info, text.to_owned());
        self.listeners.clear();
        for entrance in &mut self.entrances {
            entrance.info.ldm = true;
        }
        for shard in self.exchange.shards() {
            send_now(&self.exchange, shard, Mail::LameDuck);
        }
        self.lame_duck = Some(LameDuck::new(&self.config, Instant::now()));
        self.tell_monitor();
    }

    /// Takes the next step of lame duck mode if it is due; says whether the broker is to end.
    pub(super) fn follow_lame_duck(&mut self) -> bool {
        let clients: Vec<u64> = self.loads().iter().map(|load| load.clients).collect();
        let Some(duck) = &mut self.lame_duck else { return false };
        if clients.iter().all(|&count| count == 0) {
            return true;
        }
        let now = Instant::now();
        if now < duck.due {
            return false;
        }
        if duck.left.is_none() {
            self.log.line(Level::Info, "Closing existing clients".to_owned());
            duck.begin(&self.config, clients);
        }
        let asked = duck.step(now);
        let is_over = asked.is_empty();
        for (shard, count) in asked {
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            if let Some(shard) = self.exchange.shards().nth(shard) {
                send_now(&self.exchange, shard, Mail::EndOf(count));
            }
        }
        is_over
    }
}

/// Longest and shortest time between two steps.
const STEP_MAX: Duration = Duration::from_secs(1);
const STEP_MIN: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_fits_the_time_and_is_neither_hasty_nor_slow() {
        let pace = |seconds, clients| pace(Duration::from_secs(seconds), clients);
        assert_eq!(pace(110, 3), (Duration::from_secs(1), 1));
        assert_eq!(pace(110, 1100), (Duration::from_millis(100), 1));
        assert_eq!(pace(110, 11_000), (Duration::from_millis(10), 1));
        assert_eq!(pace(110, 110_000), (Duration::from_millis(10), 10));
        assert_eq!(pace(0, 5), (Duration::from_millis(10), 5));
    }

    #[test]
    fn every_client_is_asked_once_from_the_fullest_shard_on() {
        let config = Config::default();
        let now = Instant::now();
        let mut duck = LameDuck::new(&config, now);
        assert_eq!(duck.step(now), vec![]);
        duck.begin(&config, vec![1, 3]);
        let steps = std::iter::from_fn(|| Some(duck.step(now)).filter(|asked| !asked.is_empty()));
        let asked: Vec<_> = steps.collect();
        let mut sums = [0, 0];
        asked.iter().flatten().for_each(|&(shard, count)| sums[shard] += count);
        assert_eq!((asked.len(), sums, asked[0][0]), (4, [1, 3], (1, 1)));
    }
}
