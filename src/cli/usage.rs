//! The texts behind `-h`, `-v` and `--help_tls`.
//!
//! Absent: the options themselves (`options`); a test holds the two together.

use crate::admin::identity::PROTOCOL_VERSION;

/// What `-h` prints.
pub(super) fn options(executable: &str) -> String {
    USAGE.replace("EXE", executable)
}

/// What `-v` prints. The first line of a broker that goes by the reference's name is the
/// reference's, because programs search it for the version.
pub(super) fn version(executable: &str) -> String {
    let own = env!("CARGO_PKG_VERSION");
    if executable == REFERENCE {
        format!("{REFERENCE}: v{PROTOCOL_VERSION}\nfanfare {own}\n")
    } else {
        format!("fanfare {own}, {REFERENCE}: v{PROTOCOL_VERSION}\n")
    }
}

/// What `--help_tls` prints.
pub(super) const TLS: &str = "\
TLS stands in the block `tls` of a configuration file:

    tls {
        cert_file:  \"server-cert.pem\"    # the chain, PEM
        key_file:   \"server-key.pem\"
        ca_file:    \"ca.pem\"             # who signs clients' certificates
        verify:     true                 # clients must show one
        timeout:    2                    # seconds for a handshake
        min_version: \"1.2\"
        cipher_suites:     [\"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256\"]
        curve_preferences: [\"X25519\", \"CurveP256\"]
    }

Cipher suites:
    TLS_AES_128_GCM_SHA256
    TLS_AES_256_GCM_SHA384
    TLS_CHACHA20_POLY1305_SHA256
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
    TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
    TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
    TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
    TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256

Curves:
    X25519
    CurveP256
    CurveP384
";

/// The name of the server whose place this one takes.
const REFERENCE: &str = "nats-server";

const USAGE: &str = "\
Usage: EXE [options]          serve
       EXE check -c FILE      check a configuration file and say what it sets up
       EXE COMMAND --help     tools: bench, pub, sub, request, reply

Options take one dash or two, and their value after a blank or `=`. They count more than the file.

Server:
    -a, --addr, --net HOST           address to listen on [0.0.0.0]
    -p, --port PORT                  port for clients [4222]; -1 for any free one
    -n, --name, --server_name NAME   the server's name [its id]
    -c, --config FILE                configuration file
    -t                               check the configuration file and end
    -P, --pid FILE                   file to write the process id to
        --ports_file_dir DIR         directory for EXE_PID.ports, a file with all addresses
        --client_advertise H:P       address that clients are told
        --shards N                   threads that serve [one per core, at most 16]
    -sl, --signal CMD[=PID]          signal a running server: stop, quit, term, reopen, reload,
                                     ldm; PID is a number, a pid file, or begins some (12*)

Log:
    -l, --log FILE                   file to log to [standard error]
        --log_size_limit BYTES       begin a new file when this is reached [0: never]
    -T, --logtime                    date and time in each line [true]
        --logtime_utc                in UTC
    -s, --syslog                     log to the system log
    -r, --remote_syslog URL          log to a system log elsewhere (udp://localhost:514)
    -D, --debug                      connections that come and go
    -V, --trace                      every protocol line
    -VV                              and those of the system account
    -DV, -DVV                        both
        --max_traced_msg_len BYTES   longest piece of a message in a trace [0: all]

Who may connect:
        --user NAME  --pass WORD     the one user and its password
        --auth TOKEN                 the one token

TLS:
        --tls                        speak TLS
        --tlscert FILE               certificate of the server
        --tlskey FILE                its private key
        --tlsverify                  clients must show a certificate
        --tlscacert FILE             who signs clients' certificates
        --help_tls                   TLS in the configuration file

Limits:
        --max_connections N          connections [65536]
        --max_subscriptions N        subscriptions of one client [1048576]
        --max_sub_tokens N           tokens of a filter; 0 leaves it to the control line [0]
        --max_filters N              different filters that the broker knows [16777216]
        --max_control_line BYTES     a control line [4096]
        --max_payload BYTES          a message [1MB]
        --max_pending BYTES          unsent bytes of one client until it is closed [64MB]
        --max_pending_total BYTES    memory for unsent messages, all clients together [2GB]
        --write_deadline TIME        time for a client to take something of what waits [10s]
        --connect_timeout TIME       time for a connection's first operation; 0s for ever [60s]
        --ping_interval TIME         between PINGs to a silent client [2m]
        --ping_max N                 PINGs that may stay unanswered [2]

Known, and ignored with a warning, for what they ask is not there yet:
    -js, --jetstream  -sd, --store_dir DIR  -m, --http_port PORT  -ms, --https_port PORT
    --profile PORT  --cluster, --cluster_listen URL  --cluster_name NAME  --routes URL,URL
    --cluster_advertise H:P  --no_advertise  --connect_retries N

    -h, --help                       this text
    -v, --version                    the version

Examples:
    EXE                              serve on 0.0.0.0:4222
    EXE -a 127.0.0.1 -p -1           serve on any free port of this machine
    EXE -c server.conf -D            serve what the file says, and log connections
    EXE --signal reload              have the running server read its file again
    EXE sub 'greet.*'                print what is published to greet.…
    EXE bench pubsub                 load the broker
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::options;

    #[test]
    fn every_option_is_in_the_help_and_nothing_else() {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let text = USAGE.replace("COMMAND --help", "");
        let words: Vec<&str> = text.split(|c| !is_name(c)).collect();
        let named = |word: &&&str| word.starts_with('-') && word.len() > 1;
        for word in words.iter().filter(named) {
            let name = word.trim_start_matches('-');
            assert!(name == "1" || options::find(name).is_some(), "{word}");
        }
        for name in options::names() {
            let dashes = if name.len() > 3 { "--" } else { "-" };
            let option = format!("{dashes}{name}");
            let long = format!("--{name}");
            assert!(words.contains(&&option[..]) || words.contains(&&long[..]), "{option}");
        }
    }

    #[test]
    fn the_version_under_the_name_of_the_reference_is_its_own() {
        let text = version("nats-server");
        assert_eq!(text.lines().next(), Some("nats-server: v2.14.0"));
        assert!(text.contains("fanfare "), "{text}");
        assert!(version("fanfare").contains("nats-server: v2.14.0"));
    }
}
