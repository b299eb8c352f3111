//! The tools and the load client against brokers that demand TLS, credentials or permissions.
//!
//! Absent: what the broker itself does with certificates and credentials in every case; this is
//! about what a person types and reads.

use std::process::Output;

use serde_json::json;

use crate::broker::Broker;
use crate::operator::{Operator, nkey, past_s, shown, written};
use crate::secure::{configured, file};
use crate::tools::{serve, text, tool};

/// Signatures take long without optimization, on a machine that does something else, too.
const PATIENT: &str = "timeout: 60";

/// The `tls` block of a server with this certificate, and more settings.
fn tls_block(server: &str, more: &str) -> String {
    let (cert, key) = (file(&format!("{server}.pem")), file(&format!("{server}.key")));
    format!("tls {{ cert_file: \"{cert}\", key_file: \"{key}\"\n{more} }}\n")
}

/// The options of a client that shows a certificate.
fn identity(client: &str) -> [String; 4] {
    let (cert, key) = (file(&format!("{client}.pem")), file(&format!("{client}.key")));
    ["--tlscert".to_owned(), cert, "--tlskey".to_owned(), key]
}

/// The options of a client that trusts the authority of the tests.
fn trusting() -> [String; 2] {
    ["--tlsca".to_owned(), file("ca.pem")]
}

/// A broker with this configuration.
fn broker(config: &str) -> Broker {
    configured(config).start()
}

/// Runs a tool to its end.
fn run(broker: &Broker, arguments: &[&str], options: &[impl AsRef<str>]) -> Output {
    let options = options.iter().map(AsRef::as_ref);
    let url = broker.url();
    tool(arguments).args(["--server", &url]).args(options).output().expect("the binary runs")
}

#[track_caller]
fn assert_works(broker: &Broker, options: &[impl AsRef<str>]) {
    let output = run(broker, &["pub", "greet.joe", "hello"], options);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// A refusal is one line with what is expected in it, and the exit code says so.
#[track_caller]
fn assert_refused(broker: &Broker, options: &[impl AsRef<str>], expected: &str) {
    let output = run(broker, &["pub", "greet.joe", "hello"], options);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains(expected) && told.lines().count() == 1, "{told}");
}

/// Options one behind the other.
fn both(front: &[impl AsRef<str>], back: &[impl AsRef<str>]) -> Vec<String> {
    let front = front.iter().map(|option| option.as_ref().to_owned());
    front.chain(back.iter().map(|option| option.as_ref().to_owned())).collect()
}

/// Every scenario with another way to open connections, a little of each.
const LOADS: &[&[&str]] = &[
    &["bench", "pubsub", "--msgs", "20000", "--size", "64,20k"],
    &["bench", "request", "--clients", "4", "--msgs", "500"],
    &["bench", "conns", "--conns", "40", "--hold", "0s", "--message"],
    &["bench", "churn", "--loops", "4", "--msgs", "20", "--warmup", "0s"],
];

#[track_caller]
fn assert_loads(broker: &Broker, options: &[impl AsRef<str>]) {
    for load in LOADS {
        let output = run(broker, load, options);
        assert!(output.status.success(), "{load:?}: {}", text(&output.stderr));
    }
}

#[test]
fn the_tools_talk_to_each_other_over_tls() {
    let broker = broker(&tls_block("server", ""));
    let ca = file("ca.pem");
    let ca = ["--tlsca", &ca];
    let arguments = [&["reply", "double", "--command", "awk '{ print $1 * 2 }'"], &ca[..]].concat();
    let (mut replying, _told) = serve(&broker, &arguments, "Answering on double");
    let arguments = [&["sub", "greet.*", "--count", "1", "--raw"], &ca[..]].concat();
    let (listening, _told) = serve(&broker, &arguments, "Listening on greet.*");
    let output = run(&broker, &["request", "double", "21", "--raw"], &ca);
    assert_eq!(text(&output.stdout).trim(), "42", "{}", text(&output.stderr));
    assert_works(&broker, &ca);
    assert_eq!(text(&listening.wait_with_output().unwrap().stdout), "hello\n");
    let url = format!("tls://localhost:{}", broker.address().port());
    let output = tool(&["pub", "a", "b", "-s", &url]).args(ca).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    replying.kill().unwrap();
    replying.wait().unwrap();
}

#[test]
fn loads_run_over_tls() {
    let broker = broker(&tls_block("server", ""));
    assert_loads(&broker, &trusting());
    let output = run(&broker, LOADS[0], &trusting());
    assert!(text(&output.stdout).contains("over TLS"), "{}", text(&output.stdout));
}

#[test]
fn a_broker_that_is_not_to_be_trusted_is_refused() {
    let untrusted = "not signed by an authority that is trusted here";
    let good = broker(&tls_block("server", ""));
    assert_refused(&good, &[""; 0], untrusted);
    assert_refused(&good, &["--tls"], untrusted);
    assert_refused(&good, &["--tlsca", &file("other.pem")], untrusted);
    let elsewhere = broker(&tls_block("elsewhere", ""));
    let expected = "the server's certificate is for nats.example, and not for 127.0.0.1";
    assert_refused(&elsewhere, &trusting(), expected);
    let old = broker(&tls_block("old", ""));
    assert_refused(&old, &trusting(), "the server's certificate has expired");
    for broker in [&good, &elsewhere, &old] {
        let output = run(broker, &["pub", "a", "b"], &["--tls-insecure"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("warning: --tls-insecure"));
    }
}

#[test]
fn whoever_asks_for_tls_says_nothing_in_clear() {
    let broker = Broker::start();
    let told = "does not speak TLS, and nothing is sent in clear";
    assert_refused(&broker, &["--tls"], told);
    let url = broker.url().replace("nats://", "tls://");
    let output = tool(&["pub", "a", "b", "-s", &url]).output().unwrap();
    assert!(text(&output.stderr).contains(told), "{output:?}");
    let options = both(&trusting(), &["--tlsfirst"]);
    assert_refused(&broker, &options, "the server does not begin with TLS");
}

#[test]
fn a_broker_that_verifies_its_clients_gets_a_certificate() {
    let demanded = "demands a certificate of its clients; give --tlscert and --tlskey";
    for (first, options) in [("false", &[][..]), ("true", &["--tlsfirst"])] {
        let ca = file("ca.pem");
        let more = format!("ca_file: \"{ca}\", verify: true, handshake_first: {first}");
        let broker = broker(&tls_block("server", &more));
        let nobody = both(&trusting(), options);
        assert_refused(&broker, &nobody, demanded);
        let stranger = both(&nobody, &identity("stranger"));
        assert_refused(&broker, &stranger, "does not accept our certificate (--tlscert)");
        let known = both(&nobody, &identity("alice"));
        assert_works(&broker, &known);
        assert_loads(&broker, &known);
    }
}

#[test]
fn a_broker_that_begins_with_tls_is_met_with_tlsfirst() {
    let broker = broker(&tls_block("server", "handshake_first: true, timeout: 0.5"));
    assert_works(&broker, &both(&trusting(), &["--tlsfirst"]));
    assert_refused(&broker, &trusting(), "give --tlsfirst");
}

/// In clear and over TLS: the beginning of a configuration, and the options that it asks for.
fn both_ways() -> [(String, Vec<String>); 2] {
    [(String::new(), Vec::new()), (tls_block("server", ""), trusting().to_vec())]
}

#[test]
fn users_and_tokens_are_shown_to_the_broker_and_to_nobody_else() {
    for (tls, ca) in both_ways() {
        let users = "authorization { users: [ { user: ann, password: right-hunter2 } ] }\n";
        let by_user = broker(&format!("{tls}{users}"));
        let right = both(&["--user", "ann", "--pass", "right-hunter2"], &ca);
        assert_works(&by_user, &right);
        let wrong = both(&["--user", "ann", "--pass", "wrong-hunter2"], &ca);
        let told = "(Authorization Violation): the user \"ann\" or the password is wrong";
        assert_refused(&by_user, &wrong, told);
        assert_refused(&by_user, &ca, "(Authorization Violation): it wants credentials");
        let by_token = broker(&format!("{tls}authorization {{ token: right-hunter2 }}\n"));
        assert_works(&by_token, &both(&["--token", "right-hunter2"], &ca));
        let wrong_token = both(&["--token", "wrong-hunter2"], &ca);
        assert_refused(&by_token, &wrong_token, "(Authorization Violation): the token is wrong");
        for (broker, options) in [(&by_user, &right), (&by_user, &wrong), (&by_token, &wrong_token)]
        {
            let output = run(broker, &["pub", "a", "b", "--trace"], options);
            let everything = text(&[output.stdout, output.stderr].concat());
            assert!(!everything.contains("hunter2"), "{everything}");
        }
        let url = by_user.url().replace("://", "://ann:right-hunter2@");
        let output = tool(&["pub", "a", "b", "-s", &url]).args(ca).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
}

#[test]
fn an_nkey_signs_on_every_connection() {
    let ((public, file), (_, stranger)) = (nkey(), nkey());
    let users = format!("users: [ {{ nkey: {public} }} ]");
    let broker = broker(&format!("authorization {{ {users}, {PATIENT} }}\n"));
    let options = ["--nkey", shown(&file)];
    assert_works(&broker, &options);
    assert_loads(&broker, &options);
    let told = "(Authorization Violation): it does not know the user U";
    assert_refused(&broker, &["--nkey", shown(&stranger)], told);
    let output = run(&broker, &["pub", "a", "b", "--trace"], &options);
    let everything = text(&[output.stdout, output.stderr].concat());
    let seed = std::fs::read_to_string(&file).unwrap();
    assert!(everything.contains(&public) && !everything.contains(seed.trim()), "{everything}");
}

#[test]
fn credentials_of_an_operators_user_are_shown_on_every_connection() {
    let (operator, stranger) = (Operator::new(), Operator::new());
    let all = json!({ "pub": {}, "sub": {} });
    let good = operator.creds(&all, None);
    let old = operator.creds(&all, Some(past_s()));
    let foreign = stranger.creds(&all, None);
    for (tls, ca) in both_ways() {
        let broker = broker(&format!("{tls}{}authorization {{ {PATIENT} }}\n", operator.config()));
        let with = |file| both(&["--creds", shown(file)], &ca);
        assert_works(&broker, &with(&good));
        assert_loads(&broker, &with(&good));
        assert_refused(&broker, &with(&old), "(Authorization Violation): the JWT in");
        assert_refused(&broker, &with(&old), "expired 3 days ago");
        assert_refused(&broker, &with(&foreign), "(Authorization Violation): it does not accept");
        assert_refused(&broker, &ca, "(Authorization Violation): it wants credentials");
    }
}

#[test]
fn what_is_not_permitted_is_named() {
    let broker = broker(
        "authorization { users: [ { user: ann, password: pw, permissions: {\n\
           publish: { deny: [\"secret.>\"] }, subscribe: { allow: [\"open.>\", \"_INBOX.>\"] }\n\
         } } ] }\n",
    );
    let cases: &[(&[&str], &str)] = &[
        (&["pub", "secret.x", "hello"], "publish to \"secret.x\""),
        (&["request", "secret.x", "hello"], "publish to \"secret.x\""),
        (&["sub", "hidden.>"], "subscribe to \"hidden.>\""),
        (&["reply", "hidden.x", "hello"], "subscribe to \"hidden.x\""),
        (&["sub", "hidden.x", "--queue", "q"], "subscribe to \"hidden.x\" using queue \"q\""),
        (&["bench", "pubsub", "--msgs", "10"], "subscribe to \"fb."),
        (&["bench", "conns", "--conns", "3", "--hold", "0s"], "subscribe to \"fb."),
    ];
    for (arguments, expected) in cases {
        let output = run(&broker, arguments, &["--user", "ann", "--pass", "pw"]);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
        let expected = format!("does not permit us to {expected}");
        assert!(told.contains(&expected), "{arguments:?}: {told}");
    }
}

#[test]
fn files_that_are_of_no_use_are_named_before_anything_is_sent() {
    // Port 1 of an address where nothing listens: connecting would be another error.
    let url = ["-s", "127.0.40.1:1"];
    let empty = written("empty", "");
    let (empty, missing) = (shown(&empty), "/nowhere/at/all");
    let (cert, key) = (file("alice.pem"), file("alice.key"));
    let (_, nk) = nkey();
    let cases: &[(&[&str], &str)] = &[
        (&["--tlsca", missing], "--tlsca /nowhere/at/all: there is no such file"),
        (&["--tlsca", empty], "there is no certificate in it"),
        (&["--tlscert", empty, "--tlskey", &key], "there is no certificate in it"),
        (&["--tlscert", &cert, "--tlskey", empty], "there is no private key in it"),
        (&["--creds", missing], "--creds /nowhere/at/all: there is no such file"),
        (&["--creds", empty], "it holds no credentials"),
        (&["--creds", shown(&nk)], "it holds no credentials"),
        (&["--nkey", missing], "--nkey /nowhere/at/all: there is no such file"),
        (&["--nkey", empty], "it does not hold a user's seed"),
    ];
    for (options, expected) in cases {
        let output = tool(&["pub", "a", "b"]).args(url).args(*options).output().unwrap();
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{options:?}: {told}");
        assert!(told.contains(expected), "{options:?}: {told}");
    }
}
