//! The files of a broker: its log, its number, its addresses; and the system log.
//!
//! Absent: the form of a line (`command_line`).

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use rustix::process::Signal;

use crate::broker::{Kind, Settings, called, kind, scratch};
use crate::log::{Log, tail};
use crate::wire::{Connection, DEADLINE};

#[test]
fn a_log_file_gets_the_lines_instead_of_standard_error() {
    for flag in ["-l", "--log"] {
        let path = scratch("broker.log");
        let pid_path = scratch("broker.pid");
        let settings = Settings::default().arguments(&[
            flag,
            path.to_str().unwrap(),
            "-P",
            pid_path.to_str().unwrap(),
        ]);
        let mut process = settings.spawn();
        let line = tail(&path, "Listening for client connections on ");
        tail(&path, "Server is ready");
        let address: SocketAddr = line.rsplit(' ').next().unwrap().parse().unwrap();
        let mut client = Connection::open(address);
        assert!(client.line().starts_with("INFO {"));
        // Digits, and nothing else: harnesses parse the whole file as a number.
        assert_eq!(fs::read_to_string(&pid_path).unwrap(), process.pid().to_string());
        let log = process.log();
        drop(process);
        assert_eq!(log.all(), Vec::<String>::new());
    }
}

#[test]
fn a_log_file_is_continued_and_not_cut() {
    let path = scratch("broker.log");
    fs::write(&path, "an earlier line\n").unwrap();
    let settings = Settings::default().arguments(&["--log", path.to_str().unwrap()]);
    let process = settings.spawn();
    tail(&path, "Server is ready");
    drop(process);
    assert!(fs::read_to_string(&path).unwrap().starts_with("an earlier line\n"));
}

/// Files beside `path` whose names begin like its.
fn backups(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().unwrap().to_str().unwrap();
    let entries = fs::read_dir(path.parent().unwrap()).unwrap();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(name))
        .filter(|found| found != path)
        .collect();
    found.sort();
    found
}

#[test]
fn a_log_file_that_is_large_is_put_aside_under_the_time() {
    let path = scratch("broker.log");
    let arguments = ["-D", "--log", path.to_str().unwrap(), "--log_size_limit", "2000"];
    let mut process = Settings::default().arguments(&arguments).spawn();
    let line = tail(&path, "Listening for client connections on ");
    let address: SocketAddr = line.rsplit(' ').next().unwrap().parse().unwrap();
    tail(&path, "Server is ready");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    while backups(&path).is_empty() {
        Connection::open(address).line();
    }
    tail(&path, "Rotated log, backup saved as \"");
    process.signal(Signal::TERM);
    assert!(process.ended().success());
    let backups = backups(&path);
    let name = backups[0].to_str().unwrap();
    let stamp = name.strip_prefix(path.to_str().unwrap()).unwrap();
    let form: String = stamp.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(form, ".0000.00.00.00.00.00.000000000");
    let first = fs::read_to_string(&backups[0]).unwrap();
    assert!(first.contains("Server is ready") && first.len() > 2000, "{first}");
}

#[test]
fn a_pid_file_that_cannot_be_written_ends_the_start() {
    let (status, log) = Settings::default().arguments(&["-P", "/nonexistent/p"]).refused();
    assert!(!status.success());
    let text = "[FTL] Could not write pidfile: open /nonexistent/p: no such file or directory";
    assert!(log.contains(text), "{log}");
}

/// What a file holds, as soon as there is one. The reference writes it a little later than it says
/// that it is ready.
fn appears(path: &Path) -> String {
    let limit = Instant::now() + DEADLINE;
    loop {
        match fs::read_to_string(path) {
            Ok(text) if !text.is_empty() => return text,
            _ => assert!(Instant::now() < limit, "no {}", path.display()),
        }
        thread::yield_now();
    }
}

/// The URLs in a file of addresses.
fn urls(text: &str) -> Vec<String> {
    let ports: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let urls = ports["nats"].as_array().expect("a list");
    urls.iter().map(|url| url.as_str().expect("a URL").to_owned()).collect()
}

#[test]
fn the_ports_file_is_named_after_the_executable_and_goes_with_the_broker() {
    let folder = scratch("ports");
    fs::create_dir(&folder).unwrap();
    let executable = called("trumpet");
    let arguments = ["--ports_file_dir", folder.to_str().unwrap()];
    let mut broker = Settings::default().executable(&executable).arguments(&arguments).start();
    let path = folder.join(format!("trumpet_{}.ports", broker.pid()));
    assert_eq!(urls(&appears(&path)), [broker.url()]);
    broker.signal(Signal::TERM);
    assert!(broker.ended().success());
    assert!(fs::read_dir(&folder).unwrap().next().is_none(), "the folder is empty again");
}

#[test]
fn a_broker_on_all_addresses_names_each_of_them() {
    let folder = scratch("ports");
    fs::create_dir(&folder).unwrap();
    let arguments = ["--ports_file_dir", folder.to_str().unwrap()];
    let broker = Settings::default()
        .host("0.0.0.0")
        .executable(&called("any"))
        .arguments(&arguments)
        .start();
    let urls = urls(&appears(&folder.join(format!("any_{}.ports", broker.pid()))));
    let local = format!("nats://127.0.0.1:{}", broker.address().port());
    assert!(urls.contains(&local), "{urls:?}");
    assert!(urls.iter().all(|url| !url.contains("0.0.0.0")), "{urls:?}");
}

#[test]
fn a_ports_file_that_cannot_be_written_is_reported_and_the_broker_serves() {
    let executable = called("tuba");
    let arguments = ["--ports_file_dir", "/nonexistent"];
    let mut broker = Settings::default().executable(&executable).arguments(&arguments).start();
    let path = format!("/nonexistent/tuba_{}.ports", broker.pid());
    let text =
        format!("[ERR] Error writing ports file ({path}): open {path}: no such file or directory");
    // The reference fails to write the very file, this broker one beside it; both name the file.
    broker.log().find(&text).unwrap();
    broker.client().fence("");
    broker.signal(Signal::TERM);
    assert!(broker.ended().success());
}

#[test]
fn the_pid_file_goes_with_the_broker() {
    let path = scratch("broker.pid");
    let mut broker = Settings::default().arguments(&["-P", path.to_str().unwrap()]).start();
    assert_eq!(fs::read_to_string(&path).unwrap(), broker.pid().to_string());
    broker.signal(Signal::TERM);
    assert!(broker.ended().success());
    // The reference leaves it behind.
    assert!(!path.exists() || kind() == Kind::Reference);
}

#[test]
fn a_system_log_elsewhere_gets_the_lines() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let url = format!("udp://{}", socket.local_addr().unwrap());
    let settings = Settings::default().executable(&called("horn")).arguments(&["-r", &url]);
    let mut process = settings.spawn();
    let mut lines = Vec::new();
    let mut buffer = [0; 2048];
    while !lines.iter().any(|line: &String| line.contains("Server is ready")) {
        let count = socket.recv(&mut buffer).unwrap();
        lines.push(String::from_utf8_lossy(&buffer[..count]).into_owned());
    }
    let head = format!(" horn[{}]: ", process.pid());
    for line in &lines {
        // No facility, and the severities `notice` and `warning`; time, host, name, text.
        assert!(line.starts_with("<5>20") || line.starts_with("<4>20"), "{line}");
        assert!(line.contains(&head) && line.ends_with('\n'), "{line}");
    }
    let line = lines.iter().find(|line| line.contains("Listening for client")).unwrap();
    let address: SocketAddr = line.trim_end().rsplit(' ').next().unwrap().parse().unwrap();
    Connection::open(address).line();
    process.signal(Signal::TERM);
    let log = process.log();
    assert!(process.ended().success());
    assert_eq!(log.all(), Vec::<String>::new());
}

#[test]
fn a_system_log_at_a_path_gets_the_lines_one_after_another() {
    let path = std::env::temp_dir().join(format!("fanfare-it-{}.sock", std::process::id()));
    let listener = UnixListener::bind(&path).unwrap();
    let url = format!("unix://{}", path.to_str().unwrap());
    let mut process = Settings::default().arguments(&["-r", &url]).spawn();
    let (stream, _) = listener.accept().unwrap();
    fs::remove_file(&path).unwrap();
    let lines = Log::follow(stream);
    lines.find("Server is ready").unwrap();
    process.signal(Signal::TERM);
    assert!(process.ended().success());
    assert!(lines.all().iter().all(|line| line.starts_with('<')));
}

#[test]
fn a_system_log_that_is_not_there_ends_the_start() {
    let (status, log) = Settings::default().arguments(&["-r", "unix:///nonexistent"]).refused();
    assert!(!status.success(), "{log}");
    assert!(log.contains("error connecting to syslog: \""), "{log}");
    assert!(log.contains("no such file or directory"), "{log}");
}
