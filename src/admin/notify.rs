//! What the service manager that started the broker is told: ready, reloading, stopping, and which
//! process is the main one.
//!
//! Absent: waiting. Nobody is told when no service manager asks for it (`NOTIFY_SOCKET` of the
//! sd_notify protocol), and one that does not take a datagram at once goes without: the broker
//! serves its clients whoever watches it.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::time::{ClockId, clock_gettime};

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Notify(Option<(UnixDatagram, SocketAddr)>);

impl Notify {
    /// Talks to whoever the environment names; to nobody if it names none or cannot be used.
    pub(super) fn from_environment() -> Self {
        let address = std::env::var_os(VARIABLE);
        Self(address.and_then(|address| reach(&address).ok()))
    }

    /// The broker serves.
    pub(super) fn ready(&self) {
        self.tell("READY=1");
    }

    /// The broker reads its configuration again; [`Notify::ready`] says that it is done.
    pub(super) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", micros(now.tv_sec, now.tv_nsec)));
    }

    /// The broker takes no more clients and ends.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Another process is the broker from here on.
    pub(super) fn main_process(&self, process: u32) {
        self.tell(&format!("MAINPID={process}\nREADY=1"));
    }

    fn tell(&self, state: &str) {
        if let Some((socket, address)) = &self.0 {
            // A manager that does not listen any more is its own loss.
            let _ = socket.send_to_addr(state.as_bytes(), address);
        }
    }
}

/// A socket without a name, and the address that the text stands for: a path, or behind `@` a name
/// of the abstract kind.
fn reach(text: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match text.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(text)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

/// Microseconds of a monotonic time, which is never negative.
fn micros(seconds: i64, nanos: i64) -> u64 {
    let [seconds, nanos] = [seconds, nanos].map(|part| u64::try_from(part).unwrap_or(0));
    seconds.saturating_mul(1_000_000).saturating_add(nanos / 1_000)
}

const VARIABLE: &str = "NOTIFY_SOCKET";

#[cfg(test)]
mod tests {
    use super::*;

    /// What a manager of this address hears when a broker says all it can say.
    fn heard(manager: &UnixDatagram, address: &OsStr) -> Vec<String> {
        manager.set_nonblocking(true).unwrap();
        let notify = Notify(reach(address).ok());
        notify.ready();
        notify.reloading();
        notify.stopping();
        let mut room = [0; 256];
        let mut states = Vec::new();
        while let Ok(length) = manager.recv(&mut room) {
            states.push(String::from_utf8(room[..length].to_vec()).unwrap());
        }
        states
    }

    fn assert_all(states: &[String]) {
        let [ready, reloading, stopping] = states else { panic!("{states:?}") };
        assert_eq!((&ready[..], &stopping[..]), ("READY=1", "STOPPING=1"));
        let micros = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(micros.parse::<u64>().unwrap() > 0);
    }

    #[test]
    fn a_manager_hears_by_a_path_and_by_an_abstract_name() {
        let path = std::env::temp_dir().join(format!("fanfare-notify-{}", std::process::id()));
        let manager = UnixDatagram::bind(&path).unwrap();
        let states = heard(&manager, path.as_os_str());
        std::fs::remove_file(&path).unwrap();
        assert_all(&states);

        let name = format!("fanfare-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        assert_all(&heard(&manager, OsStr::new(&format!("@{name}"))));
    }

    #[test]
    fn nobody_is_told_where_nobody_can_be_reached() {
        for address in ["/nonexistent/notify", ""] {
            let notify = Notify(reach(OsStr::new(address)).ok());
            notify.ready();
        }
        Notify::default().stopping();
    }

    #[test]
    fn microseconds_do_not_overflow() {
        assert_eq!(micros(2, 3_000), 2_000_003);
        assert_eq!(micros(i64::MAX, 0), u64::MAX);
        assert_eq!(micros(-1, -1), 0);
    }
}
