//! What the kernel says of memory, CPU time and TCP's troubles, from `/proc`.
//!
//! Absent: `MemAvailable`. It counts the inodes and directory entries of open sockets as memory
//! that could be had back, which it cannot be: a kilobyte a connection.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::failure::Failure;

/// Memory at one moment.
pub(crate) fn memory(phase: &str, server_pid: u32) -> Result<Value, Failure> {
    let info = table(&read("/proc/meminfo")?);
    let kb = |name: &str| info.get(name).copied().unwrap_or(0);
    Ok(json!({
        "phase": "memory",
        "when": phase,
        "server": process(server_pid)?,
        "client": process(std::process::id())?,
        "kernel": {
            "free_kb": kb("MemFree"),
            "cached_kb": kb("Cached") + kb("Buffers"),
            "slab_kb": kb("Slab"),
            "page_tables_kb": kb("PageTables"),
            "vmalloc_kb": kb("VmallocUsed"),
            "total_kb": kb("MemTotal"),
            "available_kb": kb("MemAvailable"),
            "tcp_pages": tcp_pages()?,
            "sockets": sockets()?,
        },
    }))
}

/// Resident and private memory of a process, and the most there ever was.
fn process(pid: u32) -> Result<Value, Failure> {
    let status = table(&read(&format!("/proc/{pid}/status"))?);
    let rollup = table(&read(&format!("/proc/{pid}/smaps_rollup"))?);
    let path = || Failure::Unreadable(format!("/proc/{pid}"));
    Ok(json!({
        "rss_kb": rollup.get("Rss").ok_or_else(path)?,
        "anon_kb": rollup.get("Pss_Anon").or(rollup.get("Anonymous")).ok_or_else(path)?,
        "peak_kb": status.get("VmHWM").ok_or_else(path)?,
        "threads": status.get("Threads").ok_or_else(path)?,
    }))
}

/// CPU time that a process has used, to a tick of ten milliseconds.
pub(crate) fn cpu(pid: u32) -> Result<Duration, Failure> {
    let path = format!("/proc/{pid}/stat");
    let text = read(&path)?;
    // The name in parentheses may contain anything, so that fields are counted from its end.
    let fields = text.rsplit_once(") ").map(|(_, fields)| fields.split(' '));
    let ticks: Option<u64> =
        fields.map(|fields| fields.skip(11).take(2).filter_map(|f| f.parse::<u64>().ok()).sum());
    Ok(Duration::from_millis(10 * ticks.ok_or(Failure::Unreadable(path))?))
}

/// Pages that TCP has charged for bytes on their way or unread.
pub(crate) fn tcp_pages() -> Result<u64, Failure> {
    sockstat("TCP:", "mem")
}

/// TCP sockets, both ends of each connection.
pub(crate) fn sockets() -> Result<u64, Failure> {
    sockstat("TCP:", "inuse")
}

fn sockstat(line: &str, field: &str) -> Result<u64, Failure> {
    let text = read("/proc/net/sockstat")?;
    let found = text.lines().find(|candidate| candidate.starts_with(line)).and_then(|found| {
        let mut words = found.split(' ');
        words.find(|word| *word == field).and_then(|_| words.next())?.parse().ok()
    });
    found.ok_or_else(|| Failure::Unreadable(format!("/proc/net/sockstat {line} {field}")))
}

/// What a healthy run has none of: drops, timeouts, retransmissions.
#[derive(Clone, Default)]
pub(crate) struct Troubles(BTreeMap<String, u64>);

impl Troubles {
    /// Counted since the machine started.
    pub(crate) fn now() -> Result<Self, Failure> {
        let mut counts = BTreeMap::new();
        for path in ["/proc/net/netstat", "/proc/net/snmp"] {
            let text = read(path)?;
            let lines: Vec<&str> = text.lines().collect();
            for pair in lines.chunks(2) {
                let [names, values] = pair else { continue };
                let values = values.split(' ').map(|value| value.parse().unwrap_or(0));
                let named = names.split(' ').zip(values);
                let kept = named.filter(|(name, _)| TROUBLES.contains(name));
                counts.extend(kept.map(|(name, value)| (name.to_owned(), value)));
            }
        }
        // The second column of each processor's line is in hexadecimal.
        let text = read("/proc/net/softnet_stat")?;
        let dropped = text.lines().filter_map(|line| line.split(' ').nth(1));
        let dropped = dropped.filter_map(|word| u64::from_str_radix(word, 16).ok()).sum();
        counts.insert("SoftnetDropped".to_owned(), dropped);
        Ok(Self(counts))
    }

    /// What has come since an earlier look, zeros left out.
    pub(crate) fn since(&self, earlier: &Self) -> Value {
        let grown = self.0.iter().filter_map(|(name, now)| {
            let before = earlier.0.get(name).copied().unwrap_or(0);
            (*now > before).then(|| (name.clone(), json!(now - before)))
        });
        Value::Object(grown.collect())
    }
}

/// The slabs that hold the most, as bytes by name; what is absent here is in `Slab`.
pub(crate) fn slabs() -> Result<BTreeMap<String, u64>, Failure> {
    let text = read("/proc/slabinfo")?;
    let mut found = BTreeMap::new();
    for line in text.lines().skip(2) {
        let mut words = line.split_whitespace();
        let Some(name) = words.next() else { continue };
        let numbers: Vec<u64> = words.filter_map(|word| word.parse().ok()).collect();
        // Objects in use, all, bytes of one, objects a slab, pages a slab; then tunables (three)
        // and slabs in use, all.
        if let [_, _, _, _, pages, _, _, _, _, slabs, ..] = numbers[..] {
            found.insert(name.to_owned(), slabs * pages * PAGE_BYTES);
        }
    }
    Ok(found)
}

fn read(path: &str) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|_| Failure::Unreadable(path.to_owned()))
}

/// Lines of a name, a colon and a number.
fn table(text: &str) -> BTreeMap<String, u64> {
    let rows = text.lines().filter_map(|line| line.split_once(':'));
    let rows = rows.filter_map(|(name, rest)| {
        let number = rest.split_whitespace().next()?.parse().ok()?;
        Some((name.to_owned(), number))
    });
    rows.collect()
}

const PAGE_BYTES: u64 = 4096;
const TROUBLES: &[&str] = &[
    "ListenOverflows",
    "ListenDrops",
    "TCPBacklogDrop",
    "TCPTimeouts",
    "TCPReqQFullDrop",
    "TCPRcvQDrop",
    "TCPAbortOnMemory",
    "TCPMemoryPressures",
    "TCPZeroWindowDrop",
    "RetransSegs",
    "OutRsts",
];
