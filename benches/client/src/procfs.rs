//! What the kernel says about a process: CPU time, memory, and the state of its TCP connections,
//! read from `/proc`.
//!
//! Absent: any wish to be portable; where there is no `/proc`, every answer is `None` and the
//! reports leave the figure out.

use std::fs;
use std::net::SocketAddr;

/// The CPU time that a process has used, read twice to get the use of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuReading {
    /// User and system time of the whole process, ended threads included, to a clock tick.
    total_ns: u64,
    /// Run time of the threads that are alive, to the nanosecond.
    threads_ns: u64,
}

impl CpuReading {
    /// Reads the figures of a process.
    pub fn of_process(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let total_ns = stat_ticks(&stat)?.checked_mul(tick_ns())?;
        let mut threads_ns = 0;
        for entry in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
            let text = fs::read_to_string(entry.path().join("schedstat")).unwrap_or_default();
            threads_ns += schedstat_ns(&text).unwrap_or(0);
        }
        Some(Self { total_ns, threads_ns })
    }

    /// The CPU time used since an earlier reading.
    ///
    /// The threads' own clocks are finer than the process's ticks, but miss the threads that ended
    /// in between; so they are believed only when they agree with the ticks.
    pub fn since_ns(self, earlier: Self) -> u64 {
        let coarse = self.total_ns.saturating_sub(earlier.total_ns);
        let fine = self.threads_ns.saturating_sub(earlier.threads_ns);
        if fine.abs_diff(coarse) <= 3 * tick_ns() + coarse / 50 { fine } else { coarse }
    }
}

/// A thread of this process, for reading its CPU time from another thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadCpu {
    path: Option<String>,
}

impl ThreadCpu {
    /// The thread that calls.
    pub fn of_caller() -> Self {
        let link = fs::read_link("/proc/thread-self").ok();
        Self { path: link.map(|link| format!("/proc/{}/schedstat", link.display())) }
    }

    /// The CPU time that the thread has used.
    pub fn read_ns(&self) -> Option<u64> {
        schedstat_ns(&fs::read_to_string(self.path.as_ref()?).ok()?)
    }
}

/// A process's resident memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Now.
    pub resident_bytes: u64,
    /// The most since the process began.
    pub peak_bytes: u64,
}

impl Memory {
    /// Reads the figures of a process.
    pub fn of_process(pid: u32) -> Option<Self> {
        Self::from_status(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
    }

    fn from_status(status: &str) -> Option<Self> {
        let field = |name: &str| -> Option<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim_start_matches(':').trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
        };
        Some(Self { resident_bytes: field("VmRSS")? * 1024, peak_bytes: field("VmHWM")? * 1024 })
    }
}

/// The far end of one TCP connection of ours, as the kernel of this machine knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FarEnd {
    /// Open, nothing closed by its owner.
    Open,
    /// Closed by its owner, or gone.
    Closed,
    /// It is not a socket of this machine, or there is no `/proc`.
    Unknown,
}

impl FarEnd {
    /// Looks up the other end of the connection from `ours` to `theirs`.
    ///
    /// A server that gives up on a reader cannot say so on the wire while the reader's window is
    /// shut, so the state of the server's own socket is the only sign of it.
    pub fn look_up(ours: SocketAddr, theirs: SocketAddr) -> Self {
        let mut seen_any = false;
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            let Ok(text) = fs::read_to_string(table) else { continue };
            seen_any = true;
            if let Some(state) = state_in_table(&text, theirs.port(), ours.port()) {
                return if state == ESTABLISHED { Self::Open } else { Self::Closed };
            }
        }
        if seen_any { Self::Closed } else { Self::Unknown }
    }
}

/// How the kernel writes an open connection's state.
const ESTABLISHED: &str = "01";

fn tick_ns() -> u64 {
    1_000_000_000 / rustix::param::clock_ticks_per_second().max(1)
}

/// User and system time from `/proc/PID/stat`. The name in parentheses may hold blanks and
/// parentheses itself, so the fields are counted from the last one.
fn stat_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn schedstat_ns(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

fn state_in_table(table: &str, local_port: u16, remote_port: u16) -> Option<&str> {
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (local, remote, state) = (fields.next()?, fields.next()?, fields.next()?);
        let matches = hex_port(local)? == local_port && hex_port(remote)? == remote_port;
        matches.then_some(state)
    })
}

fn hex_port(address: &str) -> Option<u16> {
    u16::from_str_radix(address.rsplit_once(':')?.1, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_behind_a_name_with_blanks_and_parentheses() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 190 0 0 0 31 11 0 0 20 0 1 0 1 2 3";
        assert_eq!(stat_ticks(stat), Some(42));
        assert_eq!(stat_ticks("nonsense"), None);
    }

    #[test]
    fn status_gives_bytes() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 1024 kB\n";
        let memory = Memory::from_status(status).unwrap();
        assert_eq!(memory, Memory { resident_bytes: 1 << 20, peak_bytes: 2 << 20 });
        assert_eq!(Memory::from_status("Name:\tx\n"), None);
    }

    #[test]
    fn the_fine_clock_is_believed_only_when_it_agrees() {
        let start = CpuReading { total_ns: 0, threads_ns: 0 };
        let agrees = CpuReading { total_ns: 1_000_000_000, threads_ns: 1_004_000_000 };
        assert_eq!(agrees.since_ns(start), 1_004_000_000);
        let ended_threads = CpuReading { total_ns: 1_000_000_000, threads_ns: 400_000_000 };
        assert_eq!(ended_threads.since_ns(start), 1_000_000_000);
    }

    #[test]
    fn a_socket_table_is_searched_by_both_ports() {
        let table = "  sl  local_address rem_address   st\n\
                     0: 0100007F:107E 00000000:0000 0A 0\n\
                     1: 0100007F:107E 0100007F:D431 04 0\n";
        assert_eq!(state_in_table(table, 4222, 0xD431), Some("04"));
        assert_eq!(state_in_table(table, 4222, 1), None);
    }

    #[test]
    fn a_closed_connection_of_this_machine_is_told_from_an_open_one() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let theirs = listener.local_addr().unwrap();
        let stream = std::net::TcpStream::connect(theirs).unwrap();
        let ours = stream.local_addr().unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert_eq!(FarEnd::look_up(ours, theirs), FarEnd::Open);
        drop(accepted);
        assert_eq!(FarEnd::look_up(ours, theirs), FarEnd::Closed);
    }

    #[test]
    fn this_process_has_used_time_and_memory() {
        let pid = std::process::id();
        assert!(CpuReading::of_process(pid).is_some());
        assert!(Memory::of_process(pid).unwrap().resident_bytes > 0);
        assert!(ThreadCpu::of_caller().read_ns().is_some());
        assert_eq!(Memory::of_process(u32::MAX), None);
    }
}
