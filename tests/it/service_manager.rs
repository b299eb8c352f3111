//! What a service manager hears of a broker that it started: ready, reloading, stopping.
//!
//! Absent: systemd itself; the messages are those of sd_notify(3), read from the socket that the
//! environment names. The package's test starts the installed service.

use std::fs;
use std::os::unix::net::UnixDatagram;

use rustix::process::Signal;

use crate::broker::{Broker, Kind, Process, Settings, kind, scratch};
use crate::wire::DEADLINE;

#[test]
fn a_service_manager_hears_of_start_reload_and_end() {
    if kind() == Kind::Reference {
        return;
    }
    // Short, because a socket's path is at most 108 bytes long.
    let path = std::env::temp_dir().join(format!("fanfare-manager-{}", std::process::id()));
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(DEADLINE)).unwrap();
    let next = || {
        let mut room = [0; 256];
        let length = manager.recv(&mut room).unwrap();
        String::from_utf8(room[..length].to_vec()).unwrap()
    };
    let file = scratch("managed.conf");
    fs::write(&file, "max_payload: 1000\n").unwrap();

    let settings = Settings::default().arguments(&["-c", file.to_str().unwrap()]);
    let mut command = settings.command();
    command.env("NOTIFY_SOCKET", &path);
    let mut broker = Broker::ready(Process::spawn(command));
    assert_eq!(next(), "READY=1");

    for content in ["max_payload: 2000\n", "max_payload: nonsense\n"] {
        fs::write(&file, content).unwrap();
        broker.signal(Signal::HUP);
        let reloading = next();
        assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
        assert_eq!(next(), "READY=1", "whether it took the file or kept the old one");
    }
    broker.client().fence("");

    broker.signal(Signal::TERM);
    assert_eq!(next(), "STOPPING=1");
    assert_eq!(broker.ended().code(), Some(0));
    fs::remove_file(&path).unwrap();
}
