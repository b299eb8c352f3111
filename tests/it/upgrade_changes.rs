//! Upgrades while the configuration changes: what was answered is done, and what is gone leaves
//! nothing behind.
//!
//! Absent: which rights clients have afterwards (`upgrade`), and upgrades that fail
//! (`upgrade_faults`).

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::broker::{Settings, scratch};
use crate::system::User;
use crate::upgrade::{ask, ended, upgrade};
use crate::wire::Connection;

fn written(path: &Path, text: &str) {
    fs::write(path, text).expect("the scratch directory");
}

/// A configuration with somebody who may ask for a reload.
fn limited(max_payload: u32) -> String {
    format!(
        "accounts {{ SYS {{ users: [ {{ user: sys, password: sys }} ] }} }}\n\
         system_account: SYS\nmax_payload: {max_payload}\n"
    )
}

#[test]
fn a_reload_that_was_answered_is_not_lost() {
    let file = scratch("changes.conf");
    written(&file, &limited(1000));
    // Whoever writes its number here waits until somebody reads it.
    let pipe = scratch("changes.pid");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("a tool").success());
    let read = {
        let pipe = pipe.clone();
        move || fs::read_to_string(&pipe).expect("a number")
    };
    let reader = thread::spawn(read.clone());
    let arguments = ["-c", file.to_str().unwrap(), "-P", pipe.to_str().unwrap()];
    let mut broker = Settings::default().arguments(&arguments).start();
    let pid = broker.pid();
    assert_eq!(reader.join().unwrap(), pid.to_string());
    let mut asker = User::enter(&broker, "sys");
    let asked = thread::spawn(move || ask(pid, &[]));
    // The new process has read its configuration.
    let (_, begun) = broker.log().find_any(&["Upgrading to "], 0).unwrap();
    broker.log().find_any(&["Using configuration file"], begun).unwrap();
    written(&file, &limited(2000));
    let answer = asker.ask(&format!("$SYS.REQ.SERVER.{}.RELOAD", asker.server()), "").json();
    assert_eq!(answer.get("error"), None, "{answer}");
    let (_, reloaded) = broker.log().find_any(&["Reloaded server configuration"], begun).unwrap();
    let successor = Pid::from_raw(read().parse().unwrap()).unwrap();
    let output = asked.join().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(ended(&mut broker).success());
    broker.log().find_any(&["Reloaded server configuration"], reloaded + 1).unwrap();
    let greeting = Connection::open(broker.address()).line();
    let info: Value = serde_json::from_str(greeting.strip_prefix("INFO ").unwrap()).unwrap();
    assert_eq!(info["max_payload"], 2000);
    kill_process(successor, Signal::TERM).unwrap();
    asker.wire.rest();
}

#[test]
fn a_unix_listener_that_is_gone_leaves_no_file() {
    // Paths of sockets are short.
    let folder = std::env::temp_dir().join(format!("fanfare-changes-{}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    let (kept, gone) = (folder.join("kept"), folder.join("gone"));
    let one = |name: &str, path: &Path| format!("{name} {{ unix: \"{}\" }}\n", path.display());
    let file = scratch("changes.conf");
    let both = format!("listeners {{\n{}{}}}\n", one("kept", &kept), one("gone", &gone));
    written(&file, &both);
    let mut broker = Settings::default().arguments(&["-c", file.to_str().unwrap()]).start();
    let mut client = broker.client();
    assert!(kept.exists() && gone.exists());
    written(&file, &format!("listeners {{\n{}}}\n", one("kept", &kept)));
    let (successor, _) = upgrade(broker.pid());
    assert!(ended(&mut broker).success());
    client.fence("");
    broker.log().find("Took over ").unwrap();
    assert!(kept.exists() && !gone.exists());
    successor.signal(Signal::TERM);
    client.rest();
    broker.log().all();
    assert!(!kept.exists());
    fs::remove_dir(&folder).expect("nothing is left in it");
}
