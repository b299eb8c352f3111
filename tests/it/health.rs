//! `fanfare health`, `man` and `completions`: the commands that others call.
//!
//! Absent: what the monitoring port says beyond being well.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Output};
use std::thread;

use crate::broker::{Broker, Kind, binary, kind, scratch};

fn fanfare(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8([&output.stdout[..], &output.stderr[..]].concat()).unwrap()
}

#[test]
fn a_broker_that_serves_is_healthy_and_one_that_is_gone_is_not() {
    if kind() == Kind::Reference {
        return;
    }
    let broker = Broker::start();
    let url = broker.url();
    let output = fanfare(&["health", &url]);
    assert_eq!((output.status.code(), &said(&output)[..]), (Some(0), "ok\n"));
    broker.kill();
    let output = fanfare(&["health", &url]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("refused"), "{}", said(&output));
}

#[test]
fn whoever_else_answers_is_not_healthy() {
    if kind() == Kind::Reference {
        return;
    }
    let answers = [
        ("nats", "SSH-2.0-OpenSSH_9.2\r\n", Some(1)),
        ("http", "HTTP/1.1 503 Service Unavailable\r\n\r\n{}", Some(1)),
        ("http", "HTTP/1.1 200 OK\r\n\r\n{\"status\":\"ok\"}", Some(0)),
        ("nats", "", Some(1)),
    ];
    for (scheme, answer, expected) in answers {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut peer, _) = listener.accept().unwrap();
            peer.write_all(answer.as_bytes()).unwrap();
            // The rest of the question may still come, and an unread byte would turn the end of
            // this connection into a reset before the answer is read.
            peer.shutdown(std::net::Shutdown::Write).unwrap();
            std::io::copy(&mut peer, &mut std::io::sink()).unwrap();
        });
        let output = fanfare(&["health", &url]);
        server.join().unwrap();
        assert_eq!(output.status.code(), expected, "{answer:?}: {}", said(&output));
    }
}

#[test]
fn a_wrong_question_is_answered_with_the_right_one() {
    if kind() == Kind::Reference {
        return;
    }
    let cases: [(&[&str], &str); 5] = [
        (&["health", "ftp://localhost"], "neither nats:// nor http://"),
        (&["health", "a", "b"], "usage: fanfare health [URL]"),
        (&["completions"], "one of bash, elvish, fish"),
        (&["completions", "tcsh"], "no completions for \"tcsh\""),
        (&["man", "--all"], "usage: fanfare man"),
    ];
    for (arguments, expected) in cases {
        let output = fanfare(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(said(&output).contains(expected), "{arguments:?}: {}", said(&output));
    }
}

#[test]
fn manual_pages_and_completions_come_from_the_binary() {
    if kind() == Kind::Reference {
        return;
    }
    let folder = scratch("man");
    fs::create_dir(&folder).unwrap();
    assert!(fanfare(&["man", folder.to_str().unwrap()]).status.success());
    let page = fs::read_to_string(folder.join("fanfare-bench-pubsub.1")).unwrap();
    assert!(page.contains(".TH"), "{page}");
    for shell in ["bash", "zsh", "fish"] {
        let output = fanfare(&["completions", shell]);
        assert!(output.status.success());
        assert!(said(&output).contains("max_payload"), "{shell}");
    }
    // The shell itself takes the script, and completes an option by it.
    let script = "eval \"$(\"$0\" completions bash)\"; COMP_WORDS=(fanfare --max_pay); \
                  COMP_CWORD=1; _fanfare fanfare --max_pay fanfare; echo \"${COMPREPLY[@]}\"";
    let output = Command::new("bash").args(["-c", script]).arg(binary()).output().unwrap();
    assert_eq!(said(&output).trim(), "--max_payload");
}
