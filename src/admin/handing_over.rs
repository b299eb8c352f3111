//! The moment of an upgrade: shards come to rest, clients are written down and lent, and the new
//! process says that they are its own.
//!
//! Absent: the new process's side (`taking_over`). Up to its last word everything here can be taken
//! back, because nothing was changed: shards stand still and sockets are only lent. Clients are
//! taken back from a process only when that is dead and has not said the word.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::files;
use super::lame_duck::LameDuck;
use super::stop::send_now;
use super::supervisor::Supervisor;
use super::upgrade::Launched;
use crate::core::ids::ShardId;
use crate::core::moving::Rest;
use crate::io::exchange::Mail;
use crate::io::handover::{Channel, Kind, told};
use crate::io::log::Level;
use crate::io::moving::{Order, Rendezvous, Report};

/// What came of it.
pub(super) struct Done {
    pub(super) text: String,
    /// Nobody is left here.
    pub(super) is_over: bool,
}

/// A shard that stands still.
struct Held {
    shard: ShardId,
    orders: Sender<Order>,
    reports: Receiver<Report>,
}

impl Held {
    fn report(&self, until: Instant) -> Result<Report, String> {
        let left = until.saturating_duration_since(Instant::now());
        self.reports.recv_timeout(left).map_err(|_| "a shard does not answer".to_owned())
    }

    fn order(&self, order: Order) {
        // A shard whose thread has ended ends the broker by itself.
        let _ = self.orders.send(order);
    }
}

impl Supervisor {
    /// Hands all clients over that can be moved. After an error everything is as it was.
    pub(super) fn hand_over(
        &mut self,
        launched: Launched,
        kill: impl FnOnce(),
    ) -> Result<Done, String> {
        let begun = Instant::now();
        let until = launched.until.min(begun + HAND_OVER_MAX).max(begun + HAND_OVER_MIN);
        if let Some((shard, mail)) = self.held.take() {
            self.sent[shard.index()] += 1;
            send_now(&self.exchange, shard, mail);
        }
        let (held, since) = self.bring_to_rest(until)?;
        let channel = Arc::new(launched.channel);
        let still = Instant::now();
        let result = self.move_all(&held, &channel, until);
        let result = result.or_else(|reason| {
            kill();
            // It is dead now. What it said last still counts.
            if has_taken(&channel) { Ok(None) } else { Err(reason) }
        });
        let moved = match result {
            Ok(moved) => moved,
            Err(reason) => {
                order_all(&held, || Order::Resume);
                self.take_back_files();
                return Err(reason);
            }
        };
        let Some(moved) = moved else {
            let text = "the new process has ended just when it had taken over";
            self.log.line(Level::Fatal, text.to_owned());
            return Ok(Done { text: text.to_owned(), is_over: true });
        };
        let pause = still.elapsed();
        let left = self.retire(&held, launched.process);
        let text = format!(
            "process {} serves {moved} connections after {} ms ({} ms to come to rest); {left} \
             connections were asked to come again",
            launched.process,
            pause.as_millis(),
            still.duration_since(since).as_millis(),
        );
        Ok(Done { text, is_over: left == 0 })
    }

    /// Lets all shards stand still with nothing on its way between them. Logins that are being
    /// decided are waited for while everybody is served, and then for a moment more in which nobody
    /// is: strangers who log in all the time shall not make the others wait. Says since when
    /// nobody is served.
    fn bring_to_rest(&self, until: Instant) -> Result<(Vec<Held>, Instant), String> {
        let begun = Instant::now();
        let mut still_since = None;
        loop {
            let looked = Instant::now();
            let (held, rest) = self.stand_still(until)?;
            if rest.undecided > 0 && still_since.is_none() && begun.elapsed() < LOGINS_MAX {
                order_all(&held, || Order::Resume);
                std::thread::park_timeout(LOGINS_PAUSE);
                continue;
            }
            let since = *still_since.get_or_insert(looked);
            let still = since.elapsed();
            if rest.is_calm && (rest.undecided == 0 || still >= LOGINS_STILL_MAX) {
                return Ok((held, since));
            }
            if still >= REST_MAX {
                order_all(&held, || Order::Resume);
                return Err("messages between shards do not come to an end".to_owned());
            }
            order_all(&held, || Order::Calm);
            std::thread::park_timeout(REST_PAUSE);
        }
    }

    /// Lets all shards stand still, and says how they do as a whole.
    fn stand_still(&self, until: Instant) -> Result<(Vec<Held>, Rest), String> {
        let held: Vec<Held> = self.exchange.shards().map(|shard| self.hold(shard)).collect();
        let mut whole = Rest { is_calm: true, undecided: 0 };
        for shard in &held {
            let Ok(Report::Rests(rest)) = shard.report(until) else {
                order_all(&held, || Order::Resume);
                return Err("a shard does not stand still".to_owned());
            };
            whole.is_calm &= rest.is_calm;
            whole.undecided += rest.undecided;
        }
        Ok((held, whole))
    }

    fn hold(&self, shard: ShardId) -> Held {
        let (orders, received) = channel();
        let (told, reports) = channel();
        let rendezvous = Rendezvous { reports: told, orders: received };
        send_now(&self.exchange, shard, Mail::Hold(Box::new(rendezvous)));
        Held { shard, orders, reports }
    }

    /// Everything up to the new process's last word. Says how many clients went.
    fn move_all(
        &self,
        held: &[Held],
        channel: &Arc<Channel>,
        until: Instant,
    ) -> Result<Option<usize>, String> {
        let mut moved = 0;
        for shard in held {
            shard.order(Order::Write(Arc::clone(channel), until));
            match shard.report(until + REPORT_MARGIN)? {
                Report::Written(count) => moved += count?,
                Report::Rests(_) | Report::Left(_) => return Err("a shard is confused".to_owned()),
            }
        }
        let say = |kind, bytes: &[u8]| {
            channel.send(kind, bytes, &[], until).map_err(|error| told(&error))
        };
        say(Kind::All, &self.next_number.to_le_bytes())?;
        expect(channel, Kind::Ready, until)?;
        say(Kind::Go, &[])?;
        expect(channel, Kind::Mine, until)?;
        Ok(Some(moved))
    }

    /// Goes on for those alone who could not be moved. Says how many they are.
    fn retire(&mut self, held: &[Held], successor: u32) -> usize {
        self.notify.main_process(successor);
        self.upgrading.successor = Some(successor);
        self.upgrading.close();
        for listening in &mut self.listeners {
            listening.listener.leave();
        }
        self.listeners.clear();
        let until = Instant::now() + REST_MAX;
        let mut left = Vec::new();
        for shard in held {
            shard.order(Order::Leave);
            let count = match shard.report(until) {
                Ok(Report::Left(count)) => count as u64,
                Ok(_) | Err(_) => 0,
            };
            debug_assert_eq!(shard.shard.index(), left.len(), "shards are held in order");
            left.push(count);
        }
        let all: u64 = left.iter().sum();
        let time = Duration::from_nanos(self.config.lame_duck_duration_ns);
        let time = time.min(LEAVER_PAUSE * u32::try_from(all).unwrap_or(u32::MAX));
        if all > 0 {
            for shard in self.exchange.shards() {
                send_now(&self.exchange, shard, Mail::LameDuck);
            }
            self.lame_duck = Some(LameDuck::hasty(left, time));
        }
        usize::try_from(all).unwrap_or(usize::MAX)
    }

    /// The new process may have written its number already.
    fn take_back_files(&self) {
        if let Some(path) = &self.config.pid_file
            && std::fs::read_to_string(path).is_ok_and(|text| text != files::own_number())
        {
            // The old contents stand there as long as nobody could write anything.
            let _ = files::write_pid(path);
        }
    }
}

fn order_all(held: &[Held], order: impl Fn() -> Order) {
    for shard in held {
        shard.order(order());
    }
}

/// Waits for one word.
fn expect(channel: &Channel, kind: Kind, until: Instant) -> Result<(), String> {
    let frame = channel.receive(until).map_err(|error| told(&error))?;
    match frame.kind {
        found if found == kind => Ok(()),
        Kind::Failed => Err(String::from_utf8_lossy(&frame.bytes).into_owned()),
        _ => Err("the new process said something else".to_owned()),
    }
}

/// Whether a process that is dead has said that clients were its own.
fn has_taken(channel: &Channel) -> bool {
    let until = Instant::now() + Duration::from_secs(1);
    while let Ok(frame) = channel.receive(until) {
        if frame.kind == Kind::Mine {
            return true;
        }
    }
    false
}

/// Longest time that clients wait for the other process.
const HAND_OVER_MAX: Duration = Duration::from_secs(10);
/// What it gets at least, however late the new process was ready.
const HAND_OVER_MIN: Duration = Duration::from_secs(2);
/// Longest time until shards have come to rest.
const REST_MAX: Duration = Duration::from_secs(2);
/// How much longer a shard's report is waited for than the shard waits itself.
const REPORT_MARGIN: Duration = Duration::from_secs(1);
/// How long logins that are being decided are waited for while everybody is served, and the time
/// between two looks at them.
const LOGINS_MAX: Duration = Duration::from_millis(500);
const LOGINS_PAUSE: Duration = Duration::from_millis(10);
/// How long they are waited for when nobody is read any more.
const LOGINS_STILL_MAX: Duration = Duration::from_millis(50);
/// Time between two looks.
const REST_PAUSE: Duration = Duration::from_micros(300);
/// Time between two connections that are asked to come again: their handshakes cost the new
/// process about as much.
const LEAVER_PAUSE: Duration = Duration::from_millis(2);
