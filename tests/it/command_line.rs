//! The command line, the form of the log and the addresses of a broker.
//!
//! Absent: its files (`files`), signals (`signals`), and what it does once it serves.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use crate::broker::{Broker, CONNECT, Kind, Settings, binary, called, kind, scratch};
use crate::wire::Connection;

/// Runs the binary to its end; its status and all that it wrote.
fn run(arguments: &[&str]) -> (bool, String) {
    run_as(&binary(), arguments)
}

/// The same under another name.
fn run_as(executable: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(executable).args(arguments).output().expect("the binary runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// `[pid] 2026/11/21 04:27:16.511030 [INF] text`, where `0` stands for any digit.
fn has_log_form(line: &str, pid: u32, text: &str) -> bool {
    let form = "0000/00/00 00:00:00.000000 [";
    let Some(rest) = line.strip_prefix(&format!("[{pid}] ")) else { return false };
    let same = |(expected, got): (char, char)| match expected {
        '0' => got.is_ascii_digit(),
        _ => expected == got,
    };
    form.chars().zip(rest.chars()).all(same) && rest.get(form.len()..) == Some(text)
}

#[test]
fn the_log_has_the_form_that_tools_search_for() {
    let broker = Broker::start();
    let line = broker.log().find("Listening for client connections").unwrap();
    let text = format!("INF] Listening for client connections on {}", broker.address());
    assert!(has_log_form(&line, broker.pid(), &text), "{line}");
    let line = broker.log().find("Server is ready").unwrap();
    assert!(has_log_form(&line, broker.pid(), "INF] Server is ready"), "{line}");
}

#[test]
fn log_times_can_be_left_out() {
    let broker = Settings::default().arguments(&["-T=false"]).start();
    let line = broker.log().find("Server is ready").unwrap();
    assert_eq!(line, format!("[{}] [INF] Server is ready", broker.pid()));
}

#[test]
fn the_version_that_programs_find_is_that_of_the_greeting() {
    let broker = Broker::start();
    let greeting = Connection::open(broker.address()).line();
    for flag in ["-v", "--version", "-version"] {
        let (success, text) = run(&[flag]);
        assert!(success, "{flag}: {text}");
        // Test suites of client libraries take what follows the first ` v`.
        let number = text.split(" v").nth(1).unwrap_or_else(|| panic!("{text}"));
        let number = number.split_whitespace().next().unwrap();
        let parts: Vec<u32> = number.split('.').map(|part| part.parse().unwrap()).collect();
        assert_eq!(parts.len(), 3, "{text}");
        assert!(greeting.contains(&format!("\"version\":\"{number}\"")), "{text}, {greeting}");
    }
}

#[test]
fn help_names_every_option() {
    for flag in ["-h", "--help", "-help"] {
        let (success, text) = run(&[flag]);
        assert!(success, "{flag}: {text}");
        for option in ["--addr", "--port", "--name", "--pid", "--log", "--version", "-DV"] {
            assert!(text.contains(option), "no {option} in:\n{text}");
        }
    }
}

#[test]
fn what_is_not_an_option_is_refused() {
    for (arguments, why) in [
        (&["--nope"][..], "flag provided but not defined: -nope"),
        (&["-p", "abc"], "invalid value \"abc\" for flag -p: parse error"),
        (&["-p", "70000"], "70000"),
        (&["-p"], "flag needs an argument: -p"),
        (&["-D=maybe"], "invalid boolean value \"maybe\" for -D: parse error"),
        (&["---"], "bad flag syntax: ---"),
        (&["--tls"], ": TLS Server certificate must be present and valid"),
        (&["--tls", "--tlscert", "c"], ": TLS Server private key must be present and valid"),
        (&["--routes", "nats://a:1"], ": solicited routes require cluster capabilities"),
        (&["-D", "serve"], ": unrecognized command: \"serve\""),
        (&["-t"], ": must specify [-c, --config] option to check configuration file syntax"),
        (&["-l", "/nonexistent/x"], "error opening file: open /nonexistent/x: no such file"),
        (&["-r", "nowhere"], "error invalid network type: \"\""),
    ] {
        let (success, text) = run(arguments);
        assert!(text.contains(why), "{arguments:?}: {text}");
        assert!(!text.contains("Server is ready"), "{arguments:?}: {text}");
        // The reference reports these mistakes and still exits with 0.
        assert!(!success || kind() == Kind::Reference, "{arguments:?}: {text}");
    }
}

#[test]
fn options_take_one_dash_or_two_and_an_equals_sign() {
    let forms: [&[&str]; 5] = [
        &["-n", "trumpet"],
        &["-name", "trumpet"],
        &["--name=trumpet"],
        &["-server_name=trumpet"],
        &["--server_name", "trumpet"],
    ];
    for form in forms {
        let broker = Settings::default().arguments(form).start();
        let greeting = Connection::open(broker.address()).line();
        assert!(greeting.contains("\"server_name\":\"trumpet\""), "{form:?}: {greeting}");
    }
    for form in [["-net=127.0.0.1", "-port=-1"], ["--addr=127.0.0.1", "--port=-1"]] {
        let broker = Settings::default().host("127.0.0.2").arguments(&form).start();
        assert_eq!(broker.address().ip().to_string(), "127.0.0.1", "the last one counts");
    }
}

#[test]
fn the_greeting_tells_the_address_that_is_listened_on() {
    for host in ["127.0.0.1", "::1"] {
        let broker = Settings::default().host(host).start();
        let greeting = Connection::open(broker.address()).line();
        let info: serde_json::Value =
            serde_json::from_str(greeting.strip_prefix("INFO ").unwrap()).unwrap();
        assert_eq!(info["host"], host);
        assert_eq!(info["port"], broker.address().port());
        assert_eq!(info["client_ip"], host);
        assert_eq!(info["proto"], 1);
        assert_eq!(info["headers"], true);
        assert_eq!(info["max_payload"], 1_048_576);
        assert!(info["go"].is_string() && info["server_id"].is_string(), "{greeting}");
        assert_eq!(info["server_id"].as_str().unwrap().len(), 56, "{greeting}");
        assert!(info["client_id"].is_u64() && info["server_name"].is_string(), "{greeting}");
        let version = info["version"].as_str().unwrap();
        assert_eq!(version.split('.').filter(|part| part.parse::<u32>().is_ok()).count(), 3);
        for absent in ["auth_required", "tls_required", "jetstream", "nonce", "ldm", "cluster"] {
            assert!(info.get(absent).is_none(), "{absent} in {greeting}");
        }
    }
}

#[test]
fn client_ids_differ_and_the_server_id_does_not() {
    let broker = Broker::start();
    let info = || -> serde_json::Value {
        let greeting = Connection::open(broker.address()).line();
        serde_json::from_str(greeting.strip_prefix("INFO ").unwrap()).unwrap()
    };
    let (first, second) = (info(), info());
    assert_ne!(first["client_id"], second["client_id"]);
    assert_eq!(first["server_id"], second["server_id"]);
    let other = Broker::start();
    let greeting = Connection::open(other.address()).line();
    assert!(!greeting.contains(first["server_id"].as_str().unwrap()), "{greeting}");
}

#[test]
fn tracing_shows_the_protocol_but_no_secrets() {
    let broker = Settings::default().arguments(&["-DV", "--max_traced_msg_len", "4"]).start();
    let mut client = broker.connect();
    client.send("CONNECT {\"verbose\":false,\"user\":\"me\",\"pass\":\"s3cret\"}\r\n");
    client.send("CONNECT {\"verbose\":false,\"auth_token\":\"t0ken\",\"sig\":\"s1gn\"}\r\n");
    client.send("SUB foo 1\r\nUNSUB 1 5\r\nPUB foo 11\r\nhello world\r\n");
    client.fence("MSG foo 1 11\r\nhello world\r\n");
    for part in ["<<- [CONNECT {", "<<- [SUB foo 1]", "<<- [UNSUB 1 5]", "<<- [PUB foo 11]"] {
        let line = broker.log().find(part).unwrap();
        assert!(line.contains("[TRC] 127.0.0.1:"), "{line}");
    }
    broker.log().find("->> [MSG foo 1 11]").unwrap();
    broker.log().find("<<- [PING]").unwrap();
    broker.log().find("->> [PONG]").unwrap();
    broker.log().find("[DBG]").unwrap();
    let line = broker.log().find("MSG_PAYLOAD").unwrap();
    assert!(line.contains("hell") && !line.contains("hello"), "{line}");
    let all = broker.log().so_far();
    for secret in ["s3cret", "t0ken", "s1gn"] {
        assert!(!all.contains(secret), "{secret} in\n{all}");
    }
}

#[test]
fn without_tracing_the_protocol_is_not_logged() {
    let mut broker = Broker::start();
    let mut client = broker.connect();
    client.send(CONNECT);
    client.send("SUB foo 1\r\nPUB foo 5\r\nhello\r\n");
    client.fence("MSG foo 1 5\r\nhello\r\n");
    broker.signal(Signal::TERM);
    broker.ended();
    let all = broker.log().all().join("\n");
    assert!(!all.contains("hello") && !all.contains("SUB"), "{all}");
}

#[test]
fn a_misspelt_option_is_told_what_was_meant() {
    if kind() == Kind::Fanfare {
        let (success, text) = run(&["--server-name", "x"]);
        assert!(!success && text.contains("did you mean -server_name?"), "{text}");
    }
}

#[test]
fn an_argument_that_is_no_text_is_refused() {
    let argument = OsStr::from_bytes(b"-n=\xff");
    let output = Command::new(binary()).arg(argument).args(["-l", "/nonexistent/x"]).output();
    let output = output.expect("the binary runs");
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn it_answers_by_the_name_it_was_called() {
    let executable = called("nats-server");
    for word in ["-v", "--version", "version", "VERSION"] {
        let (success, text) = run_as(&executable, &[word]);
        assert!(success && text.starts_with("nats-server: v2.14.0\n"), "{word}: {text}");
    }
    for word in ["-h", "help", "Help"] {
        let (success, text) = run_as(&executable, &[word]);
        assert!(success && text.contains("Usage: nats-server"), "{word}: {text}");
    }
    let (_, text) = run_as(&executable, &["foo"]);
    assert_eq!(text, "nats-server: unrecognized command: \"foo\"\n");
    let broker = Settings::default().executable(&executable).start();
    broker.log().find("[INF] Starting nats-server").unwrap();
}

#[test]
fn help_about_tls_names_ciphers_and_curves() {
    let (success, text) = run(&["--help_tls"]);
    assert!(success, "{text}");
    for word in ["cert_file", "TLS_AES_128_GCM_SHA256", "X25519", "CurveP256"] {
        assert!(text.contains(word), "no {word} in {text}");
    }
}

#[test]
fn options_for_what_is_not_there_yet_are_warned_of_and_the_broker_serves() {
    let folder = scratch("js");
    let folder = folder.to_str().unwrap();
    for (arguments, warning) in [
        (["-js", "-sd", folder], "-js, -sd ignored"),
        (["-cluster", "nats://127.0.0.1:-1", "-cluster_name=c"], "-cluster, -cluster_name ignored"),
    ] {
        let broker = Settings::default().arguments(&arguments).start();
        broker.client().fence("");
        if kind() == Kind::Fanfare {
            let line = broker.log().find(warning).unwrap();
            assert!(line.contains("[WRN]"), "{line}");
        }
    }
}

#[test]
fn the_command_lines_of_client_libraries_suites_start_it() {
    let folder = scratch("store");
    let folder = folder.to_str().unwrap();
    let store = format!("-sd={folder}");
    let forms: [&[&str]; 10] = [
        &["-DV"],
        &["--debug", "--server_name", "s"],
        &["-user", "u", "-pass", "p"],
        &["--user=u", "--pass=p"],
        &["--auth", "t"],
        &["-auth=t", "-n", "s"],
        &["-js", &store],
        &["--jetstream", "--store_dir", folder],
        &["--store_dir", folder],
        &["-cluster_name", "c", "-cluster", "nats://127.0.0.1:-1", "-server_name", "s"],
    ];
    for form in forms {
        let broker = Settings::default().arguments(form).start();
        let greeting = Connection::open(broker.address()).line();
        assert!(greeting.starts_with("INFO {"), "{form:?}: {greeting}");
    }
}
