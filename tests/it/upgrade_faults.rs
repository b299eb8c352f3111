//! Upgrades that fail: whatever is wrong with the new process, the old one goes on as if nothing
//! had happened, and its clients have noticed nothing.
//!
//! Absent: upgrades that succeed (`upgrade`). Where a new process has to fail at one step, this
//! executable itself plays it (`act`), and says what the real one would say up to there.

use std::fs;
use std::io::{IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::net::{
    RecvAncillaryBuffer, RecvFlags, SendAncillaryBuffer, SendFlags, recvmsg, sendmsg,
};
use rustix::process::Signal;

use crate::broker::{Broker, Settings, binary, scratch};
use crate::system::{User, broker_with};
use crate::upgrade::{ask, ended, upgrade};
use crate::wire::Connection;

/// A broker with two clients and a message half way between them.
struct Scene {
    broker: Broker,
    from: Connection,
    to: Connection,
    sent: u32,
}

impl Scene {
    fn new(settings: &Settings) -> Self {
        let broker = settings.start();
        let (from, mut to) = (broker.client(), broker.client());
        to.send("SUB foo 1\r\n");
        to.fence("");
        let mut scene = Self { broker, from, to, sent: 0 };
        scene.from.send("PUB foo 4\r\n00");
        scene
    }

    /// The rest of the message that is on its way, and half of the next.
    fn go_on(&mut self) {
        self.from.send(format!("{:02}\r\nPUB foo 4\r\n00", self.sent));
        self.to.expect(format!("MSG foo 1 4\r\n{:04}\r\n", self.sent));
        self.sent += 1;
    }

    /// An upgrade that fails, with a reason that has these words, and harms nobody.
    fn fails(&mut self, more: &[&str], words: &str) {
        self.go_on();
        let output = ask(self.broker.pid(), more);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(text.contains(words), "{text}");
        self.broker.log().find("Upgrade failed: ").expect("the log says so, too");
        self.go_on();
    }

    /// And then one that does not fail.
    fn succeeds(mut self) {
        let (successor, _) = upgrade(self.broker.pid());
        assert!(ended(&mut self.broker).success());
        self.go_on();
        successor.signal(Signal::TERM);
        self.to.rest();
    }
}

/// A program that is made of a few words of the shell.
fn script(words: &str) -> PathBuf {
    let path = scratch("program");
    fs::write(&path, format!("#!/bin/sh\n{words}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// A program that plays a new process up to a step, and then hangs or ends.
fn actor(step: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let own = own.display();
    script(&format!("FANFARE_ACTS={step} exec {own} --exact upgrade_faults::act --nocapture >&2"))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_program_that_is_none_changes_nothing() {
    let mut scene = Scene::new(&Settings::default());
    let output = ask(scene.broker.pid(), &["--binary", "/nonexistent/fanfare"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("is no file"), "{output:?}");
    let plain = scratch("plain");
    fs::write(&plain, "not a program").unwrap();
    scene.fails(&["--binary", text(&plain)], "ermission denied");
    let gone = script("exit 0");
    scene.fails(&["--binary", text(&gone)], "has ended (exit status: 0)");
    let failing = script("exit 7");
    scene.fails(&["--binary", text(&failing)], "has ended (exit status: 7)");
    let killed = script("kill -9 $$");
    scene.fails(&["--binary", text(&killed)], "has ended (signal: 9");
    let silent = script("exec sleep 1000");
    scene.fails(&["--binary", text(&silent), "--timeout", "1"], "did not answer in time");
    scene.succeeds();
}

#[test]
fn the_executable_itself_may_be_missing_for_a_while() {
    let path = crate::broker::called("fanfare");
    let mut scene = Scene::new(&Settings::default().executable(&path));
    fs::remove_file(&path).unwrap();
    scene.fails(&[], "No such file");
    std::os::unix::fs::symlink(binary(), &path).unwrap();
    scene.succeeds();
}

#[test]
fn a_process_that_ends_at_any_step_changes_nothing() {
    let mut scene = Scene::new(&Settings::default());
    for step in ["welcome", "hello", "parcel", "received", "all", "ready", "go"] {
        let program = actor(&format!("end-{step}"));
        scene.fails(&["--binary", text(&program)], "has ended");
    }
    scene.succeeds();
}

#[test]
fn a_process_that_hangs_at_any_step_changes_nothing() {
    let mut scene = Scene::new(&Settings::default());
    for step in ["hello", "parcel", "all", "go"] {
        let program = actor(&format!("hang-{step}"));
        scene.fails(&["--binary", text(&program), "--timeout", "1"], "did not answer in time");
    }
    scene.succeeds();
}

#[test]
fn another_version_of_state_changes_nothing() {
    let mut scene = Scene::new(&Settings::default());
    let program = actor("version");
    scene.fails(&["--binary", text(&program)], "another version of state");
    let program = actor("nonsense");
    scene.fails(&["--binary", text(&program)], "unknown frame");
    scene.succeeds();
}

#[test]
fn a_configuration_that_is_wrong_changes_nothing() {
    let file = crate::secure::written("max_payload: 1000\n");
    let mut scene = Scene::new(&Settings::default().arguments(&["-c", &file]));
    fs::write(&file, "max_payload: {{{\n").unwrap();
    scene.fails(&[], "server.conf");
    fs::write(&file, "tls { cert_file: \"/nonexistent\", key_file: \"/nonexistent\" }\n").unwrap();
    scene.fails(&[], "nonexistent");
    // It can say so nowhere but on the line.
    fs::write(&file, "log_file: \"/nonexistent/folder/log\"\n").unwrap();
    scene.fails(&[], "/nonexistent/folder/log");
    fs::write(&file, "max_payload: 2000\n").unwrap();
    scene.succeeds();
}

#[test]
fn a_pid_file_that_cannot_be_written_changes_nothing() {
    let folder = scratch("pids");
    fs::create_dir(&folder).unwrap();
    let pid_file = folder.join("pid");
    let mut scene = Scene::new(&Settings::default().arguments(&["-P", text(&pid_file)]));
    let own = fs::read_to_string(&pid_file).unwrap();
    // What stands there from now on takes no byte, as on a full disk.
    let (kept, full) = (folder.join("kept"), Path::new("/dev/full"));
    fs::rename(&pid_file, &kept).unwrap();
    std::os::unix::fs::symlink(full, &pid_file).unwrap();
    scene.fails(&[], "no space left on device");
    fs::remove_file(&pid_file).unwrap();
    fs::rename(&kept, &pid_file).unwrap();
    assert_eq!(fs::read_to_string(&pid_file).unwrap(), own);
    // A directory that is gone takes none either.
    let moved = scratch("moved");
    fs::rename(&folder, &moved).unwrap();
    scene.fails(&[], "pidfile");
    fs::rename(&moved, &folder).unwrap();
    let names: Vec<_> = fs::read_dir(&folder).unwrap().flatten().collect();
    assert_eq!(names.len(), 1, "nothing is left of them: {names:?}");
    scene.succeeds();
}

#[test]
fn nobody_hears_of_a_shutdown_that_is_none() {
    let mut broker = broker_with(2, "");
    let mut listener = User::enter(&broker, "sys");
    listener.subscribe("$SYS.SERVER.*.SHUTDOWN");
    let program = actor("end-go");
    let output = ask(broker.pid(), &["--binary", text(&program)]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(listener.hear_all(), []);
    let (successor, _) = upgrade(broker.pid());
    assert!(ended(&mut broker).success());
    assert_eq!(listener.hear_all(), []);
    successor.signal(Signal::TERM);
    assert!(listener.hear().subject.ends_with(".SHUTDOWN"), "it ends");
}

#[test]
fn one_upgrade_at_a_time_and_a_stop_ends_it() {
    let scene = Scene::new(&Settings::default());
    let mut broker = scene.broker;
    let pid = broker.pid();
    let silent = script("exec sleep 1000");
    let waiting = {
        let silent = silent.clone();
        thread::spawn(move || ask(pid, &["--binary", text(&silent)]))
    };
    broker.log().find("Upgrading to ").unwrap();
    let output = ask(pid, &[]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("is under way"), "{output:?}");
    broker.signal(Signal::TERM);
    let output = waiting.join().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("the broker stops"), "{output:?}");
    assert_eq!(broker.ended().code(), Some(0));
    let output = ask(pid, &[]);
    assert!(!output.status.success(), "{output:?}");
}

/// Plays a new process. The test harness is only the way to start it; nothing is tested here.
#[test]
fn act() {
    let Ok(step) = std::env::var("FANFARE_ACTS") else { return };
    let reached = |name: &str| {
        if step == format!("end-{name}") {
            std::process::exit(0);
        }
        while step == format!("hang-{name}") {
            thread::park();
        }
    };
    let (kind, _) = hear();
    assert_eq!(kind, WELCOME);
    reached("welcome");
    match &step[..] {
        "version" => say(HELLO, &99u32.to_le_bytes()),
        "nonsense" => say(77, b"what?"),
        _ => say(HELLO, &1u32.to_le_bytes()),
    }
    reached("hello");
    let mut parcels = 0;
    loop {
        let (kind, _) = hear();
        if kind == ALL {
            break;
        }
        assert_eq!(kind, PARCEL);
        parcels += 1;
        // The first one holds no client.
        if parcels > 1 {
            reached("parcel");
        }
        say(RECEIVED, b"");
        reached("received");
    }
    reached("all");
    say(READY, b"");
    reached("ready");
    assert_eq!(hear().0, GO);
    reached("go");
}

const WELCOME: u8 = 0;
const HELLO: u8 = 1;
const PARCEL: u8 = 2;
const RECEIVED: u8 = 3;
const ALL: u8 = 4;
const READY: u8 = 5;
const GO: u8 = 6;

/// The next frame; descriptors that come with it are closed.
fn hear() -> (u8, Vec<u8>) {
    let stdin = std::io::stdin();
    let mut head = [0; 6];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(250))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut room = [IoSliceMut::new(&mut head)];
    let flags = RecvFlags::WAITALL;
    let message = recvmsg(stdin.as_fd(), &mut room, &mut ancillary, flags).unwrap();
    if message.bytes == 0 {
        std::process::exit(0);
    }
    ancillary.drain().for_each(drop);
    let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
    let mut bytes = vec![0; length as usize];
    std::fs::File::from(stdin.as_fd().try_clone_to_owned().unwrap())
        .read_exact(&mut bytes)
        .unwrap();
    (head[4], bytes)
}

fn say(kind: u8, bytes: &[u8]) {
    let stdin = std::io::stdin();
    let length = u32::try_from(bytes.len()).unwrap().to_le_bytes();
    let head = [&length[..], &[kind, 0], bytes].concat();
    let mut ancillary = SendAncillaryBuffer::default();
    let slices = [IoSlice::new(&head)];
    let sent = sendmsg(stdin.as_fd(), &slices, &mut ancillary, SendFlags::NOSIGNAL);
    if sent.is_err() {
        std::process::exit(0);
    }
}
