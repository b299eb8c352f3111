//! Client libraries of other languages against the broker, each in a program of its own.
//!
//! Absent: the cases; they are in `tests/clients`. The libraries are installed into the build
//! directory when they are not there yet, and reused from then on without a network.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::broker::{Settings, wait};
use crate::log::Log;

/// Where the programs are.
pub(crate) fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// Runs a command that must succeed.
fn must(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?}: {error}; `.ci/run` installs what the tests need")
    });
    assert!(
        output.status.success(),
        "{command:?} failed; `.ci/run` installs what the tests need\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Makes a directory for a language's libraries with `install`, unless the one that is there was
/// made for the same list.
fn environment(name: &str, list: &Path, install: impl Fn(&Path)) -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients").join(name);
    let made_for = place.join("made-for");
    let wanted = fs::read_to_string(list).expect("the list of libraries");
    if fs::read_to_string(&made_for).ok().as_ref() != Some(&wanted) {
        if place.exists() {
            fs::remove_dir_all(&place).expect("our own directory");
        }
        fs::create_dir_all(&place).expect("the build directory");
        install(&place);
        fs::write(&made_for, wanted).expect("our own directory");
    }
    place
}

/// Runs a program to its end; restarts the broker on the same port whenever it asks for that.
fn run(mut command: Command, host: &'static str, cases: usize) {
    let settings = Settings::default().host(host);
    let mut broker = settings.start();
    command.arg(broker.url()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = Log::follow(child.stderr.take().expect("a pipe"));
    let mut passed = Vec::new();
    for line in BufReader::new(child.stdout.take().expect("a pipe")).lines() {
        let line = line.expect("text");
        if line == "restart" {
            let port = broker.address().port();
            broker.kill();
            broker = settings.clone().port(port).start();
        } else {
            passed.push(line);
        }
    }
    let status = wait(&mut child);
    let told = errors.all().join("\n");
    assert!(status.success(), "after {passed:?}:\n{told}\n{}", broker.log().so_far());
    assert!(passed.iter().all(|line| line.starts_with("ok ")), "{passed:?}");
    assert_eq!(passed.len(), cases, "{passed:?}");
}

/// The folder with an interpreter and the libraries for Python, and a real nats-server.
pub(crate) fn python() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    let list = sources().join("python/requirements.txt");
    PLACE.get_or_init(|| {
        environment("python", &list, |place| {
            must(Command::new("python3").args(["-m", "venv"]).arg(place));
            must(Command::new(place.join("bin/pip")).args(["install", "-q", "-r"]).arg(&list));
        })
    })
}

/// The folder with the libraries for Node.js.
pub(crate) fn node() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    let list = sources().join("node/package-lock.json");
    PLACE.get_or_init(|| {
        environment("node", &list, |place| {
            for name in ["package.json", "package-lock.json"] {
                fs::copy(sources().join("node").join(name), place.join(name)).expect("a copy");
            }
            must(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(place));
        })
    })
}

#[test]
fn python_nats_py() {
    let place = python();
    let mut command = Command::new(place.join("bin/python"));
    command.arg(sources().join("python/matrix.py"));
    run(command, "127.0.30.1", 11);
}

#[test]
fn node_transport_node() {
    let place = node();
    let mut command = Command::new("node");
    command.arg(sources().join("node/matrix.cjs"));
    command.env("NODE_PATH", place.join("node_modules"));
    run(command, "127.0.30.2", 11);
}
