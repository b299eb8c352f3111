//! The order of what is measured: connect, one to one, all, held back, PINGs, away, and again.
//!
//! Absent: judgement. What was lost, doubled or late ends the run; whether a figure is good is for
//! `benches/million/run` and its reader to say.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Load;
use crate::crowd::{Crowd, Heard};
use crate::failure::Failure;
use crate::pause::Pause;
use crate::reading::{self, Troubles};
use crate::speaker::Speaker;
use crate::spread;

/// Runs all phases, and prints what each has found.
pub(crate) fn run(load: &Load) -> Result<(), Failure> {
    let mut pause = Pause::new().map_err(Failure::of("make a poller"))?;
    let speaker = Speaker::open(load.port, &mut pause)?;
    let crowd = Crowd::new(load.connections, load.port)?;
    let mut course = Course {
        load,
        crowd,
        speaker,
        pause,
        told: 0,
        before: Phase::begin(load.server_pid)?,
        sockets_before: reading::sockets()?,
    };
    course.whole()
}

/// A run that is under way.
struct Course<'a> {
    load: &'a Load,
    crowd: Crowd,
    speaker: Speaker,
    pause: Pause,
    /// The number of the last message to all.
    told: u16,
    before: Phase,
    sockets_before: u64,
}

/// The clocks and counters at the beginning of a phase.
struct Phase {
    at: Instant,
    server_cpu: Duration,
    client_cpu: Duration,
    troubles: Troubles,
}

impl Phase {
    fn begin(server_pid: u32) -> Result<Self, Failure> {
        Ok(Self {
            server_cpu: reading::cpu(server_pid)?,
            client_cpu: reading::cpu(std::process::id())?,
            troubles: Troubles::now()?,
            at: Instant::now(),
        })
    }
}

impl Course<'_> {
    fn whole(&mut self) -> Result<(), Failure> {
        self.settle()?;
        let slabs = reading::slabs()?;
        self.remember("empty")?;
        self.connect("connect", 1)?;
        self.settle()?;
        self.remember("idle")?;
        let grown: Vec<(String, u64)> = reading::slabs()?
            .into_iter()
            .map(|(name, bytes)| {
                let before = slabs.get(&name).copied().unwrap_or(0);
                (name, bytes.saturating_sub(before) / u64::from(self.crowd.len()))
            })
            .filter(|(_, bytes)| *bytes > 0)
            .collect();
        print(&json!({"phase": "slabs", "bytes_per_connection": grown}));
        self.idle()?;
        self.one_to_one("one_to_one")?;
        self.fan_out("fan_out_first")?;
        self.fan_out("fan_out_second")?;
        self.fan_out("fan_out_third")?;
        self.held_back()?;
        self.sweep()?;
        self.settle()?;
        self.remember("used")?;
        self.away()?;
        self.remember("away")?;
        self.connect("return", 2)?;
        self.settle()?;
        self.remember("returned")?;
        self.one_to_one("one_to_one_after")?;
        self.fan_out("fan_out_after")?;
        self.settle()?;
        self.remember("after")?;
        self.away()?;
        self.remember("end")?;
        print(&json!({"phase": "done"}));
        Ok(())
    }

    /// Opens all connections, a bounded number at a time, each with its two subscriptions.
    fn connect(&mut self, name: &'static str, epoch: u8) -> Result<(), Failure> {
        self.begin()?;
        let count = self.crowd.len();
        let (mut opened, mut ready) = (0, 0);
        while ready < count {
            while opened < count && opened - ready < self.load.connect_window {
                self.crowd.open(opened, epoch, self.told)?;
                opened += 1;
            }
            let news = self.crowd.look(STEP)?;
            let news = news.iter().filter(|(_, heard)| *heard == Heard::Ready).count();
            let was = ready / BETWEEN_SYNCS;
            ready += u32::try_from(news).unwrap_or(u32::MAX);
            if ready / BETWEEN_SYNCS > was {
                self.speaker.sync()?;
            }
            self.in_time(name, count - ready)?;
        }
        self.end(name, count, Value::Null)
    }

    /// What the server does when nobody wants anything.
    fn idle(&mut self) -> Result<(), Failure> {
        self.begin()?;
        while self.before.at.elapsed() < IDLE {
            self.crowd.look(STEP)?;
        }
        self.end("idle_cpu", 1, Value::Null)
    }

    /// One message at a time to one client, from writing it to having read it.
    fn one_to_one(&mut self, name: &'static str) -> Result<(), Failure> {
        self.begin()?;
        let mut times = Vec::new();
        for number in 0..self.load.messages {
            // Strides by a large prime visit clients that are far from each other.
            let to = u64::from(number) * STRIDE % u64::from(self.crowd.len());
            let to = u32::try_from(to).unwrap_or_default();
            let sent = Instant::now();
            self.speaker.publish(&format!("client.{to}"), number)?;
            let mut got = false;
            while !got {
                for (client, heard) in self.crowd.look(STEP)? {
                    match heard {
                        Heard::Own(what) if *client == to && *what == number && !got => got = true,
                        _ => return Err(out_of_turn(name, *client, *heard)),
                    }
                }
                self.in_time(name, self.load.messages - number)?;
            }
            times.push(sent.elapsed().as_secs_f64() * 1e6);
        }
        self.speaker.sync()?;
        self.end(name, self.load.messages, spread::figures(&mut times))
    }

    /// One message to everybody; each client checks that it is the next, and none comes again.
    fn fan_out(&mut self, name: &'static str) -> Result<(), Failure> {
        self.begin()?;
        self.told += 1;
        self.speaker.publish("all", u32::from(self.told))?;
        self.gather(name)?;
        let count = self.crowd.len();
        self.end(name, count, Value::Null)?;
        self.speaker.sync()
    }

    /// Waits until everybody has got the last message to all.
    fn gather(&mut self, name: &'static str) -> Result<(), Failure> {
        let mut missing = self.crowd.len();
        let told = u32::from(self.told);
        while missing > 0 {
            for (client, heard) in self.crowd.look(STEP)? {
                match heard {
                    Heard::All(number) if *number == told => missing -= 1,
                    _ => return Err(out_of_turn(name, *client, *heard)),
                }
            }
            self.in_time(name, missing)?;
        }
        Ok(())
    }

    /// One message to everybody while nobody reads; then everybody does.
    fn held_back(&mut self) -> Result<(), Failure> {
        self.begin()?;
        self.told += 1;
        self.speaker.publish("all", u32::from(self.told))?;
        self.speaker.sync()?;
        let mut last = (0, Duration::ZERO);
        let mut quiet = 0;
        while quiet < QUIET_LOOKS {
            self.pause.wait(STEP).map_err(Failure::of("wait"))?;
            let (pages, cpu) = (reading::tcp_pages()?, reading::cpu(self.load.server_pid)?);
            let still = pages.abs_diff(last.0) <= u64::from(self.crowd.len()) / 100;
            let rests = cpu.saturating_sub(last.1) <= QUIET;
            quiet = if still && rests { quiet + 1 } else { 0 };
            last = (pages, cpu);
            self.in_time("held_back", self.crowd.len())?;
        }
        self.remember("held")?;
        let count = self.crowd.len();
        self.end("hold", count, Value::Null)?;
        self.begin()?;
        self.gather("release")?;
        self.end("release", count, Value::Null)
    }

    /// One PING of each client, a bounded number at a time.
    fn sweep(&mut self) -> Result<(), Failure> {
        self.begin()?;
        let count = self.crowd.len();
        let mut times = Vec::with_capacity(count as usize);
        let (mut asked, mut answered) = (0, 0);
        while answered < count {
            while asked < count && asked - answered < self.load.ping_window {
                self.crowd.ping(asked)?;
                asked += 1;
            }
            for (client, heard) in self.crowd.look(STEP)? {
                match heard {
                    Heard::Pong(us) => times.push(f64::from(*us)),
                    _ => return Err(out_of_turn("ping", *client, *heard)),
                }
                answered += 1;
            }
            self.in_time("ping", count - answered)?;
        }
        self.end("ping", count, spread::figures(&mut times))
    }

    /// Everybody goes at once, and the server lets go of them.
    fn away(&mut self) -> Result<(), Failure> {
        self.begin()?;
        let count = self.crowd.len();
        for number in 0..count {
            self.crowd.close(number)?;
        }
        let mut left = reading::sockets()?;
        while left > self.sockets_before {
            self.pause.wait(STEP / 10).map_err(Failure::of("wait"))?;
            left = reading::sockets()?;
            let missing = left.saturating_sub(self.sockets_before);
            self.in_time("away", u32::try_from(missing).unwrap_or(u32::MAX))?;
        }
        self.end("away", count, Value::Null)?;
        self.settle()
    }

    /// Returns when the server has had nothing to do for three seconds: first PINGs included, which
    /// some servers send after two.
    fn settle(&mut self) -> Result<(), Failure> {
        let mut last = reading::cpu(self.load.server_pid)?;
        let mut quiet = 0;
        for _ in 0..SETTLING_LOOKS_MAX {
            let end = Instant::now() + STEP;
            while Instant::now() < end {
                let left = end.saturating_duration_since(Instant::now());
                if let Some((client, heard)) = self.crowd.look(left)?.first() {
                    return Err(out_of_turn("settle", *client, *heard));
                }
            }
            let now = reading::cpu(self.load.server_pid)?;
            quiet = if now.saturating_sub(last) <= QUIET { quiet + 1 } else { 0 };
            last = now;
            if quiet == QUIET_LOOKS {
                break;
            }
        }
        self.speaker.sync()
    }

    fn remember(&mut self, when: &str) -> Result<(), Failure> {
        print(&reading::memory(when, self.load.server_pid)?);
        Ok(())
    }

    fn begin(&mut self) -> Result<(), Failure> {
        self.before = Phase::begin(self.load.server_pid)?;
        Ok(())
    }

    fn in_time(&self, phase: &'static str, missing: u32) -> Result<(), Failure> {
        let late = self.before.at.elapsed() > Duration::from_secs(self.load.phase_seconds_max);
        if late { Err(Failure::Late(phase, missing)) } else { Ok(()) }
    }

    /// Prints a phase: its time in all and for each of what it did, and what it cost.
    fn end(&self, name: &str, count: u32, more: Value) -> Result<(), Failure> {
        let seconds = self.before.at.elapsed().as_secs_f64();
        let now = Phase::begin(self.load.server_pid)?;
        print(&json!({
            "phase": name,
            "count": count,
            "seconds": seconds,
            "each_us": seconds * 1e6 / f64::from(count),
            "server_cpu_s": now.server_cpu.saturating_sub(self.before.server_cpu).as_secs_f64(),
            "client_cpu_s": now.client_cpu.saturating_sub(self.before.client_cpu).as_secs_f64(),
            "times": more,
            "troubles": now.troubles.since(&self.before.troubles),
        }));
        Ok(())
    }
}

fn out_of_turn(phase: &str, client: u32, heard: Heard) -> Failure {
    Failure::Delivery(format!("client {client} heard {heard:?} in phase {phase}"))
}

fn print(line: &Value) {
    println!("@@ {line}");
}

/// How long a look lasts, and how long the server is watched to see whether it is at rest.
const STEP: Duration = Duration::from_millis(500);
/// CPU time in one such step that a server at rest may use: it sends PINGs now and then.
const QUIET: Duration = Duration::from_millis(50);
/// Longer than the two seconds after which servers send their first PING.
const QUIET_LOOKS: u32 = 6;
const SETTLING_LOOKS_MAX: u32 = 120;
const IDLE: Duration = Duration::from_secs(5);
/// Connections after which the publisher answers the server's PINGs.
const BETWEEN_SYNCS: u32 = 32_768;
/// A prime, larger than most crowds divided by any small number.
const STRIDE: u64 = 2_654_435_761;
