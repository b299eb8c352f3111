//! What the operating system says of the process: its memory, and its share of the processors.
//!
//! Absent: other systems than Linux, where both are 0.

use std::time::{Duration, Instant};

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Process {
    /// Processor time in ticks, when it was last looked at, and when that was.
    last: Option<(u64, Instant)>,
    /// Percent of one processor between the last two looks.
    percent: f64,
    /// Whether somebody wants to know.
    wanted_until: Option<Instant>,
}

impl Process {
    /// Percent of one processor, over the last seconds while somebody asks, or since the start.
    pub(super) fn processor_percent(&mut self) -> f64 {
        let now = Instant::now();
        self.wanted_until = Some(now + INTEREST);
        if self.last.is_none() {
            self.last = ticks().map(|ticks| (ticks, now));
            self.percent = since_start().unwrap_or(0.0);
        }
        self.percent
    }

    /// Resident memory in bytes.
    pub(super) fn memory() -> u64 {
        let pages = std::fs::read_to_string("/proc/self/statm").ok();
        let pages = pages.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
        pages.unwrap_or(0).saturating_mul(rustix::param::page_size() as u64)
    }

    /// How long until the next look, while somebody wants to know.
    pub(super) fn due_in(&self, now: Instant) -> Option<Duration> {
        let (_, last) = self.last?;
        Some((last + LOOK).saturating_duration_since(now))
    }

    /// Looks, if it is time to.
    pub(super) fn look(&mut self, now: Instant) {
        let Some((before, at)) = self.last.filter(|(_, at)| now >= *at + LOOK) else { return };
        if self.wanted_until.is_none_or(|until| now >= until) {
            self.last = None;
            return;
        }
        if let Some(ticks) = ticks() {
            let seconds = now.duration_since(at).as_secs_f64();
            let used = ticks.saturating_sub(before) as f64;
            self.percent = percent(used / rustix::param::clock_ticks_per_second() as f64 / seconds);
            self.last = Some((ticks, now));
        }
    }
}

/// Processor time of the process so far.
fn ticks() -> Option<u64> {
    let fields = stat()?;
    Some(fields.first()? + fields.get(1)?)
}

fn since_start() -> Option<f64> {
    let fields = stat()?;
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let uptime: f64 = uptime.split(' ').next()?.parse().ok()?;
    let per_second = rustix::param::clock_ticks_per_second() as f64;
    let age = uptime - *fields.get(8)? as f64 / per_second;
    let used = (fields.first()? + fields.get(1)?) as f64 / per_second;
    (age > 0.0).then(|| percent(used / age))
}

/// The numbers of `/proc/self/stat` from the processor times on.
fn stat() -> Option<Vec<u64>> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name may hold anything but ends with the last parenthesis.
    let (_, rest) = text.rsplit_once(')')?;
    let fields = rest.split_ascii_whitespace().skip(11).take(9);
    Some(fields.map(|field| field.parse().unwrap_or(0)).collect())
}

/// With two digits.
fn percent(share: f64) -> f64 {
    (share * 10_000.0).round() / 100.0
}

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// How long after the last question looks go on.
const INTEREST: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_and_a_share_of_the_processors() {
        assert!(Process::memory() > 1_000_000);
        let mut process = Process::default();
        assert!(process.processor_percent() >= 0.0);
        let later = Instant::now() + LOOK * 2;
        let mut sum = 0u64;
        while ticks() == process.last.map(|(ticks, _)| ticks) {
            sum = (0..100_000u64).fold(sum, |sum, n| std::hint::black_box(sum ^ n));
        }
        process.look(later);
        assert!(process.processor_percent() > 0.0, "{sum}");
        process.look(later + INTEREST);
        assert_eq!(process.due_in(later), None);
    }
}
