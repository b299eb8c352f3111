//! Configuration files: checking them, serving them, and reading them again.
//!
//! Absent: what the keys mean, which is tested beside their code; here stand the lines that an
//! operator sees, and that a file takes effect as a whole or not at all.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::broker::{Broker, Kind, Settings, binary, called, kind, scratch};
use crate::log::{Log, tail};
use crate::parity::certificates::Certificates;
use crate::wire::Connection;

/// A file of a test's own.
fn file(text: &str) -> PathBuf {
    let path = scratch("server.conf");
    fs::write(&path, text).unwrap();
    path
}

/// Puts another text into the place of a file, in one step as editors do.
fn replace(path: &Path, text: &str) {
    let fresh = scratch("fresh.conf");
    fs::write(&fresh, text).unwrap();
    fs::rename(fresh, path).unwrap();
}

/// A broker with a configuration file.
fn with(path: &Path) -> Settings {
    Settings::default().arguments(&["-c", path.to_str().unwrap()])
}

/// Waits until a broker says that it has reloaded the file as it is now.
fn is_in_effect(broker: &Broker, path: &Path) {
    let (success, _, told) = run(&binary(), &["-t", "-c", path.to_str().unwrap()]);
    assert!(success, "{told}");
    let digest = told.trim_end().rsplit_once('(').unwrap().1;
    broker.log().find(&format!("Reloaded server configuration ({digest}")).unwrap();
}

/// Runs the binary to its end: whether it succeeded, and what it wrote to which stream.
fn run(executable: &Path, arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(executable).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_file_is_checked_and_its_digest_told() {
    let executable = called("nats-server");
    let path = file("port: -1\n");
    let path = path.to_str().unwrap();
    let digest = "sha256:7ea4cc5c6864139d814ce940a40ee6546b7ac5285eec3c390a4ce11e34dc1102";
    let valid = format!("nats-server: configuration file {path} is valid ({digest})\n");
    assert_eq!(run(&executable, &["-t", "-c", path]), (true, String::new(), valid.clone()));
    if kind() == Kind::Fanfare {
        let (success, told, _) = run(&executable, &["check", "-c", path]);
        assert!(success && told.starts_with(&valid), "{told}");
        assert!(told.contains("default: 0.0.0.0, any free port, no TLS"), "{told}");
        assert!(told.contains("everybody may connect"), "{told}");
    }
}

#[test]
fn a_file_with_mistakes_is_refused_with_all_of_them() {
    let executable = called("nats-server");
    let path = file("port: -1\nmax_paylod: 1\nfoo: 2\n");
    let path = path.to_str().unwrap();
    for arguments in [&["-t", "-c", path][..], &["-c", path], &["check", "-c", path]] {
        if arguments[0] == "check" && kind() == Kind::Reference {
            continue;
        }
        let (success, out, told) = run(&executable, arguments);
        assert!(!success && out.is_empty(), "{told}");
        assert!(told.starts_with("nats-server: "), "{told}");
        for part in [":2:0: unknown field \"max_paylod\"", ":3:0: unknown field \"foo\""] {
            let part = format!("{path}{part}");
            // The place of a key is counted in other ways by the two.
            let (place, field) = part.split_once(": ").unwrap();
            let line = place.rsplit_once(':').unwrap().0;
            assert!(told.contains(line) && told.contains(field), "no {part} in {told}");
        }
    }
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let executable = called("nats-server");
    for arguments in [&["-c", "/nonexistent/a"][..], &["-t", "--config", "/nonexistent/a"]] {
        let (success, _, told) = run(&executable, arguments);
        assert!(!success, "{told}");
        let text = "nats-server: open /nonexistent/a: no such file or directory";
        assert_eq!(told.trim_end(), text);
    }
}

#[test]
fn a_file_whose_certificate_is_not_there_is_refused() {
    let path = file("tls { cert_file: '/nonexistent/c', key_file: '/nonexistent/k' }\n");
    for arguments in [&["-t", "-c"][..], &["-p", "-1", "-c"]] {
        let arguments = [arguments, &[path.to_str().unwrap()]].concat();
        let (success, _, told) = run(&binary(), &arguments);
        assert!(!success && told.contains("/nonexistent/c"), "{told}");
        assert!(told.contains("no such file or directory"), "{told}");
    }
}

#[test]
fn check_wants_a_file() {
    if kind() == Kind::Reference {
        return;
    }
    for arguments in [&["check"][..], &["check", "a.conf"], &["check", "--nope"]] {
        let (success, out, told) = run(&binary(), arguments);
        assert!(!success && out.is_empty() && !told.is_empty(), "{arguments:?}: {told}");
    }
}

#[test]
fn the_file_in_use_is_named_and_options_count_more() {
    let path = file("port: 1\nserver_name: file\nmax_payload: 1000\n");
    let broker = with(&path).arguments(&["-n", "option"]).start();
    let line = broker.log().find("Using configuration file: ").unwrap();
    let part = format!("[INF] Using configuration file: {} (sha256:", path.display());
    assert!(line.contains(&part) && line.ends_with(')'), "{line}");
    let greeting = Connection::open(broker.address()).line();
    assert!(greeting.contains("\"server_name\":\"option\""), "{greeting}");
    assert!(greeting.contains("\"max_payload\":1000"), "{greeting}");
}

#[test]
fn a_reload_changes_what_the_log_shows() {
    let path = file("debug: false\n");
    let broker = with(&path).start();
    replace(&path, "debug: true\n");
    broker.signal(Signal::HUP);
    broker.log().find("[INF] Trapped \"hangup\" signal").unwrap();
    broker.log().find("[INF] Reloaded: debug = true").unwrap();
    let line = broker.log().find("[INF] Reloaded server configuration (sha256:").unwrap();
    assert!(line.ends_with(')'), "{line}");
    assert!(!broker.log().so_far().contains("[DBG] 127.0.0.1"));
    broker.client().fence("");
    broker.log().find("[DBG] 127.0.0.1").unwrap();
}

#[test]
fn a_reload_with_a_mistake_changes_nothing_and_says_why() {
    let path = file("max_payload: 1000\n");
    let broker = with(&path).start();
    let mut client = broker.client();
    for (text, why) in [
        ("max_payload: 2000\nfoo: 1\n", "unknown field \"foo\""),
        ("max_payload: 2000\nlog_file: /nonexistent/log\n", "/nonexistent/log"),
    ] {
        // The reference ends when it cannot open its new log.
        if why.contains("/log") && kind() == Kind::Reference {
            continue;
        }
        replace(&path, text);
        broker.signal(Signal::HUP);
        let line = broker.log().find(&format!("Failed to reload server configuration: {}", {
            if why.contains("/log") { "error opening file" } else { path.to_str().unwrap() }
        }));
        let line = line.unwrap();
        assert!(line.contains("[ERR]") && line.contains(why), "{line}");
        let greeting = Connection::open(broker.address()).line();
        assert!(greeting.contains("\"max_payload\":1000"), "{greeting}");
    }
    fs::remove_file(&path).unwrap();
    broker.signal(Signal::HUP);
    let text = format!(
        "[ERR] Failed to reload server configuration: open {}: no such file or directory",
        path.display()
    );
    broker.log().find(&text).unwrap();
    client.fence("");
}

#[test]
fn options_count_more_than_a_file_that_is_read_again() {
    let path = file("debug: false\n");
    let broker = with(&path).arguments(&["-D=false"]).start();
    replace(&path, "debug: true\nlogtime: false\n");
    broker.signal(Signal::HUP);
    let line = broker.log().find("Reloaded server configuration").unwrap();
    assert!(line.starts_with(&format!("[{}] [INF]", broker.pid())), "no time: {line}");
    broker.client().fence("");
    broker.signal(Signal::USR1);
    broker.log().find("not a file logger").unwrap();
    assert!(!broker.log().so_far().contains("[DBG]"), "{}", broker.log().so_far());
}

#[test]
fn a_reload_moves_the_log_and_the_other_files() {
    let (first, second) = (scratch("first.log"), scratch("second.log"));
    let (one, two) = (scratch("one.pid"), scratch("two.pid"));
    let folders = [scratch("ports"), scratch("ports")];
    for folder in &folders {
        fs::create_dir(folder).unwrap();
    }
    let text = |log: &Path, pid: &Path, ports: &Path| {
        format!(
            "log_file: {:?}\npid_file: {:?}\nports_file_dir: {:?}\n",
            log.display(),
            pid.display(),
            ports.display()
        )
    };
    let path = file(&text(&first, &one, &folders[0]));
    let executable = called("flute");
    let mut process = with(&path).executable(&executable).spawn();
    let line = tail(&first, "Listening for client connections on ");
    tail(&first, "Server is ready");
    replace(&path, &text(&second, &two, &folders[1]));
    process.signal(Signal::HUP);
    tail(&first, "Reloaded: log_file = ");
    tail(&second, "Reloaded server configuration");
    assert_eq!(fs::read_to_string(&two).unwrap(), process.pid().to_string());
    let name = format!("flute_{}.ports", process.pid());
    let address: SocketAddr = line.rsplit(' ').next().unwrap().parse().unwrap();
    if kind() == Kind::Fanfare {
        assert!(!one.exists() && !folders[0].join(&name).exists());
        let ports = fs::read_to_string(folders[1].join(&name)).unwrap();
        assert!(ports.contains(&address.to_string()), "{ports}");
    }
    Connection::open(address).line();
    process.signal(Signal::TERM);
    assert!(process.ended().success());
    assert!(!folders[1].join(&name).exists());
    assert!(!fs::read_to_string(&first).unwrap().contains("Server Exiting"));
}

#[test]
fn many_signals_at_once_end_in_the_last_file() {
    let path = file("server_tags: [\"0\"]\n");
    let broker = with(&path).start();
    let mut client = broker.client();
    for round in 1..=50 {
        replace(&path, &format!("server_tags: [\"{round}\"]\n"));
        broker.signal(Signal::HUP);
    }
    client.fence("");
    is_in_effect(&broker, &path);
    client.fence("");
}

/// How often a text stands in the log until now.
fn count(broker: &Broker, text: &str) -> usize {
    broker.log().so_far().matches(text).count()
}

#[test]
fn a_watched_file_is_read_again_by_itself() {
    if kind() == Kind::Reference {
        return;
    }
    let included = scratch("included.conf");
    fs::write(&included, "debug: false\n").unwrap();
    let text = format!("watch: true\ninclude {:?}\n", included.display());
    let path = file(&text);
    let broker = with(&path).start();
    broker.client().fence("");
    fs::write(&included, "debug: true\n").unwrap();
    broker.log().find("changed on disk").unwrap();
    broker.log().find("Reloaded: debug = true").unwrap();
    // A mistake is told once, and what follows it is read.
    replace(&path, &format!("{text}foo: 1\n"));
    broker.log().find("unknown field \"foo\"").unwrap();
    replace(&path, &format!("{text}logtime: false\n"));
    broker.log().find("Reloaded: logtime = false").unwrap();
    assert_eq!(count(&broker, "unknown field \"foo\""), 1);
    // Without the key nobody watches any more.
    replace(&path, "watch: false\n");
    broker.log().find("Reloaded: debug = false").unwrap();
    assert_eq!(count(&broker, "changed on disk"), 4);
}

#[test]
fn what_needs_a_restart_is_refused() {
    let path = file("debug: false\n");
    let broker = with(&path).start();
    let port = broker.address().port();
    // The port was an option, which counts more than the file.
    replace(&path, "port: 1\ndebug: true\n");
    broker.signal(Signal::HUP);
    broker.log().find("Reloaded: debug = true").unwrap();
    replace(&path, "server_name: other\n");
    broker.signal(Signal::HUP);
    let line = broker.log().find("Failed to reload server configuration").unwrap();
    let text = "config reload not supported for ServerName: old=";
    assert!(line.contains("[ERR]") && line.contains(text) && line.contains("new=other"), "{line}");
    assert_eq!(broker.address().port(), port);
    broker.client().fence("");
}

#[test]
fn a_lower_limit_of_connections_closes_those_above_it() {
    let path = file("max_connections: 10\n");
    let broker = with(&path).start();
    let mut clients: Vec<_> = (0..6).map(|_| broker.client()).collect();
    for client in &mut clients {
        client.fence("");
    }
    replace(&path, "max_connections: 2\n");
    broker.signal(Signal::HUP);
    broker.log().find("Closed 4 connections to fall within max_connections").unwrap();
    broker.log().find("Reloaded: max_connections = 2").unwrap();
    let mut stayed = 0;
    for client in &mut clients {
        client.send("PING\r\n");
        let first = client.line();
        match &*first {
            "PONG" => stayed += 1,
            error => assert_eq!(error, "-ERR 'maximum connections exceeded'"),
        }
    }
    assert_eq!(stayed, 2);
    assert_eq!(broker.connect().line(), "-ERR 'maximum connections exceeded'");
}

#[test]
fn users_who_are_no_longer_in_the_file_are_closed_and_others_stay() {
    let users = |names: &[&str]| {
        let user = |name: &&str| format!("{{user: {name}, password: {name}}}");
        let users: Vec<String> = names.iter().map(user).collect();
        format!("authorization {{ users [ {} ] }}\n", users.join(", "))
    };
    let path = file(&users(&["ann", "joe"]));
    let broker = with(&path).start();
    let client = |name: &str| {
        let mut client = broker.connect();
        client
            .send(format!("CONNECT {{\"verbose\":false,\"user\":{name:?},\"pass\":{name:?}}}\r\n"));
        client
    };
    let (mut ann, mut joe) = (client("ann"), client("joe"));
    ann.send("SUB foo 1\r\n");
    ann.fence("");
    joe.fence("");
    replace(&path, &users(&["ann", "may"]));
    broker.signal(Signal::HUP);
    broker.log().find("Reloaded: authorization users").unwrap();
    broker.log().find("Reloaded server configuration").unwrap();
    // The reference says nothing to a user who is gone, and the error to one whose word changed.
    let last = joe.rest();
    assert!(last.is_empty() || last == b"-ERR 'Authorization Violation'\r\n", "{last:?}");
    ann.send("PUB foo 2\r\nhi\r\n");
    ann.fence("MSG foo 1 2\r\nhi\r\n");
    client("may").fence("");
    assert_eq!(client("joe").rest(), b"-ERR 'Authorization Violation'\r\n");
}

/// A TLS server's file in a folder with a certificate of this name.
fn secured(folder: &Path, certificate: &str, tag: &str) -> String {
    for kind in ["pem", "key"] {
        let from = Certificates::get().file(&format!("{certificate}.{kind}"));
        let fresh = folder.join(format!("fresh.{kind}"));
        fs::copy(from, &fresh).unwrap();
        fs::rename(fresh, folder.join(format!("server.{kind}"))).unwrap();
    }
    let file = |name: &str| folder.join(name).display().to_string();
    let (cert, key) = (file("server.pem"), file("server.key"));
    format!("server_tags: [\"{tag}\"]\ntls {{ cert_file: {cert:?}, key_file: {key:?} }}\n")
}

/// This project's tool against a broker, trusting the authority of these tests.
fn tool(broker: &Broker, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    let trusted = Certificates::get().file("ca.pem");
    command.args(arguments).args(["--tls", "--tlsca"]).arg(trusted);
    command.env("NATS_URL", broker.url()).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn publishes(broker: &Broker) -> bool {
    tool(broker, &["pub", "foo", "hi"]).output().unwrap().status.success()
}

#[test]
fn a_new_certificate_is_for_new_connections_and_disturbs_nobody() {
    let folder = scratch("tls");
    fs::create_dir(&folder).unwrap();
    let path = file(&secured(&folder, "server", "first"));
    let broker = with(&path).start();
    broker.log().find("TLS required for client connections").unwrap();
    let mut reader = tool(&broker, &["sub", "foo", "--count", "2"]).spawn().unwrap();
    Log::follow(reader.stderr.take().unwrap()).find("Listening on foo").unwrap();
    assert!(publishes(&broker));
    // Nobody trusts this one.
    replace(&path, &secured(&folder, "stranger", "second"));
    broker.signal(Signal::HUP);
    is_in_effect(&broker, &path);
    assert!(!publishes(&broker));
    // One that does not fit its key changes nothing.
    fs::write(folder.join("server.key"), "no key").unwrap();
    broker.signal(Signal::HUP);
    let line = broker.log().find("Failed to reload server configuration").unwrap();
    assert!(line.contains("[ERR]"), "{line}");
    replace(&path, &secured(&folder, "second", "third"));
    broker.signal(Signal::HUP);
    is_in_effect(&broker, &path);
    assert!(publishes(&broker));
    let output = reader.wait_with_output().unwrap();
    assert!(output.status.success(), "the reader was there all the time");
    assert_eq!(String::from_utf8_lossy(&output.stdout).matches("hi").count(), 2);
}

#[test]
fn a_watched_certificate_is_read_again_by_itself() {
    if kind() == Kind::Reference {
        return;
    }
    let folder = scratch("tls");
    fs::create_dir(&folder).unwrap();
    let text = secured(&folder, "server", "same");
    let broker = with(&file(&format!("watch: true\n{text}"))).start();
    assert!(publishes(&broker));
    secured(&folder, "stranger", "same");
    broker.log().find("changed on disk").unwrap();
    broker.log().find("Reloaded server configuration").unwrap();
    assert!(!publishes(&broker));
}

#[test]
fn reloads_lose_no_message_of_those_whose_rights_stay() {
    let text = |round: usize| {
        let other = format!("{{user: u{round}, password: b}}");
        format!("authorization {{ users [ {{user: ann, password: a}}, {other} ] }}\n")
    };
    let path = file(&text(0));
    let broker = with(&path).start();
    let client = || {
        let mut client = broker.connect();
        client.send("CONNECT {\"verbose\":false,\"user\":\"ann\",\"pass\":\"a\"}\r\n");
        client.fence("");
        client
    };
    let mut readers: Vec<_> = (0..20).map(|_| client()).collect();
    for reader in &mut readers {
        reader.send("SUB foo.* 1\r\n");
        reader.fence("");
    }
    let mut writer = client();
    let mut sent = 0;
    for round in 1..=30 {
        replace(&path, &text(round));
        broker.signal(Signal::HUP);
        // Messages are on their way before, while and after it takes effect.
        for _ in 0..200 {
            writer.send(format!("PUB foo.{sent} 1\r\nx\r\n"));
            sent += 1;
        }
        writer.fence("");
    }
    is_in_effect(&broker, &path);
    let expected: Vec<_> = (0..sent).map(|n| format!("MSG foo.{n} 1 1\r\nx\r\n")).collect();
    for reader in &mut readers {
        reader.fence(expected.concat());
    }
}
