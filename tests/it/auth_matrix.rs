//! Every way to prove who one is, × right, wrong, expired, revoked and missing, × plain and TLS,
//! with three client libraries, against both servers.
//!
//! Absent: what does not exist: passwords, tokens and keys of a file neither expire nor are they
//! revoked (they are taken out of the file, which `reload_users` plays), and a certificate cannot
//! be shown without TLS. What clients may do once they are in is for the scenarios.

use serde_json::Value;

use crate::parity::{LIBRARIES, Scenario, Server, Side, ask, case, options};

/// What becomes of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It connects, publishes, and receives its own message.
    In,
    /// It is told that it is not authorized.
    Unauthorized,
    /// TLS comes to nothing; the words are those of the client's TLS library.
    NoTls,
}

use Fate::{In, NoTls, Unauthorized};

/// One way to prove who one is.
struct Method {
    name: &'static str,
    /// A scenario, for its configuration and JWTs.
    scenario: &'static str,
    /// Whether the configuration has TLS by itself.
    tls: bool,
    /// State, credentials, and what becomes of the client.
    cases: &'static [(&'static str, &'static str, Fate)],
}

const METHODS: &[Method] = &[
    Method {
        name: "password",
        scenario: "user_and_password",
        tls: false,
        cases: &[
            ("right", "user=alice pass=s3cret", In),
            ("wrong", "user=alice pass=secret", Unauthorized),
            ("wrong user", "user=bob pass=s3cret", Unauthorized),
            ("missing", "", Unauthorized),
        ],
    },
    Method {
        name: "bcrypt",
        scenario: "bcrypt",
        tls: false,
        cases: &[
            ("right", "user=alice pass=s3cret", In),
            ("wrong", "user=alice pass=secret", Unauthorized),
            ("missing", "", Unauthorized),
        ],
    },
    Method {
        name: "token",
        scenario: "token",
        tls: false,
        cases: &[
            ("right", "token=T0k3n!with:odd#signs", In),
            ("wrong", "token=T0k3n", Unauthorized),
            ("missing", "", Unauthorized),
        ],
    },
    Method {
        name: "nkey",
        scenario: "nkeys",
        tls: false,
        cases: &[
            ("right", "nkey=alice", In),
            ("wrong", "nkey=stranger", Unauthorized),
            ("missing", "", Unauthorized),
        ],
    },
    Method {
        name: "JWT",
        scenario: "operator",
        tls: false,
        cases: &[
            ("right", "jwt=bob", In),
            ("right, of a signing key", "jwt=carol", In),
            ("right, without a signature", "bearer=bearer", In),
            ("wrong signature", "jwt=bob signer=plain", Unauthorized),
            ("wrong issuer", "jwt=stranger", Unauthorized),
            ("unknown account", "jwt=lost", Unauthorized),
            ("expired", "jwt=expired", Unauthorized),
            ("too early", "jwt=early", Unauthorized),
            ("revoked", "jwt=revoked", Unauthorized),
            ("revoked with all of its age", "jwt=old", Unauthorized),
            ("missing", "", Unauthorized),
        ],
    },
    Method {
        name: "certificate",
        scenario: "tls_map",
        tls: true,
        cases: &[
            ("right", "certificate=bob", In),
            ("wrong", "certificate=nobody", Unauthorized),
            ("wrong authority", "certificate=stranger", NoTls),
            ("expired", "certificate=late", NoTls),
            ("missing", "", NoTls),
        ],
    },
];

/// What each client that was let in does.
const DEEDS: &str = "sub,x pub,x,hi get,x";

/// Starts a server for each method, plain and with TLS, and has all libraries try all cases.
fn all(side: Side) {
    let (mut servers, mut cases, mut wanted) = (Vec::new(), Vec::new(), Vec::new());
    for method in METHODS {
        for tls in if method.tls { &[true][..] } else { &[false, true] } {
            let mut scenario = Scenario::read(method.scenario);
            if *tls && !method.tls {
                let arguments = ["--tls", "--tlscert", "server.pem", "--tlskey", "server.key"];
                scenario.arguments.extend(arguments.map(str::to_owned));
            }
            let fixtures = scenario.fixtures();
            let server = Server::start(side, &scenario, &fixtures);
            for (state, credentials, fate) in method.cases {
                let tls = if *tls { "tls" } else { "" };
                let line = format!("{tls} {credentials} do=\"{DEEDS}\"");
                let options = options(&line).expect("well written");
                let address = server.broker.address();
                cases.push(case(address, &options, &fixtures).expect("well written"));
                wanted.push((format!("{} {tls} {state}", method.name), *fate));
            }
            servers.push(server);
        }
    }
    let mut wrong = Vec::new();
    for (library, told) in LIBRARIES.into_iter().zip(ask(&cases)) {
        for ((told, case), (name, fate)) in told.iter().zip(&cases).zip(&wanted) {
            if !is_so(*fate, told, case) {
                wrong.push(format!("{library}, {name}: {fate:?} expected, {told:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{side:?}\n{}", wrong.join("\n"));
}

/// Whether what a library told is what becomes of such a client.
fn is_so(fate: Fate, told: &[String], case: &Value) -> bool {
    let refused = |told: &String| told.starts_with("refused: ");
    match fate {
        In => {
            let deeds = case["do"].as_array().map_or(0, Vec::len);
            told.len() == deeds + 1 && told.last().is_some_and(|last| last == "get,x: x hi")
        }
        Unauthorized => {
            let says_so =
                |told: &String| told.to_ascii_lowercase().contains("authorization violation");
            told.len() == 1 && told.iter().all(refused) && told.iter().all(says_so)
        }
        // TLS 1.3 lets a client believe that it is in until it reads.
        NoTls => !told.iter().any(|line| line.ends_with(": x hi")),
    }
}

#[test]
fn with_nats_server() {
    all(Side::Reference);
}

#[test]
fn with_the_server_under_test() {
    all(Side::Subject);
}
