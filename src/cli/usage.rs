//! The texts behind `-h`, `-v` and `--help_tls`.
//!
//! Absent: the options themselves and the words about each (`options`).

use super::options::{Choice, SECTIONS};
use super::tools;
use crate::admin::identity::PROTOCOL_VERSION;

/// What `-h` prints.
pub(super) fn options(executable: &str) -> String {
    let mut text = HEAD.replace("TOOLS", &tools::NAMES.join(", "));
    for (heading, choices) in SECTIONS {
        text.extend(["\n", heading, ":\n"]);
        for choice in *choices {
            list(&mut text, choice);
        }
    }
    text.push_str(EXAMPLES);
    text.replace("EXE", executable)
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

/// The name as one writes it; most single dashes are the reference's.
pub(super) fn dashed(name: &str) -> String {
    let is_short = name.len() < 3 || name.chars().all(|c| c.is_ascii_uppercase());
    format!("{}{name}", if is_short { "-" } else { "--" })
}

/// One option: its names, and from a column on what it does, on as many lines as that needs.
fn list(text: &mut String, choice: &Choice) {
    let names: Vec<String> = choice.names.iter().map(|name| dashed(name)).collect();
    let margin = if names.iter().all(|name| name.starts_with("--")) { "        " } else { "    " };
    let mut line = format!("{margin}{} {}", names.join(", "), choice.value);
    if line.len() >= HELP_COLUMN {
        line.push(' ');
    }
    let mut between = HELP_COLUMN.saturating_sub(line.len());
    for word in choice.help.split(' ') {
        if line.len() + between + word.len() > COLUMNS {
            text.push_str(&line);
            text.push('\n');
            line.clear();
            between = HELP_COLUMN;
        }
        line.extend(std::iter::repeat_n(' ', between));
        line.push_str(word);
        between = 1;
    }
    text.push_str(&line);
    text.push('\n');
}

/// Where the second column begins, and where lines end.
const HELP_COLUMN: usize = 37;
const COLUMNS: usize = 100;

const HEAD: &str = "\
Usage: EXE [options]          serve
       EXE check -c FILE      check a configuration file and say what it sets up
       EXE upgrade [PID]      let a new process take over, with its clients
       EXE health [URL]       say by the exit code whether a broker serves
       EXE completions SHELL  print the completions of a shell
       EXE man [DIR]          print the manual page, or write all pages
       EXE COMMAND --help     tools: TOOLS

Options take one dash or two, and their value after a blank or `=`. They count more than the file.
";

const EXAMPLES: &str = "
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

    #[test]
    fn the_help_has_two_columns_and_no_long_lines() {
        let text = options("fanfare");
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
        let line = |start: &str| text.lines().find(|line| line.trim_start().starts_with(start));
        assert_eq!(
            line("-p, --port"),
            Some(
                "    -p, --port PORT                  port for clients [4222]; -1 for any free one"
            )
        );
        assert_eq!(
            line("--shards"),
            Some(
                "        --shards N                   threads that serve [one per core, at most 16]"
            )
        );
        for choice in crate::cli::options::all() {
            for name in choice.names {
                assert!(text.contains(&dashed(name)), "{name}");
            }
        }
        assert!(text.contains("tools: bench, pub, sub"), "{text}");
    }

    #[test]
    fn the_version_under_the_name_of_the_reference_is_its_own() {
        let text = version("nats-server");
        assert_eq!(text.lines().next(), Some("nats-server: v2.14.0"));
        assert!(text.contains("fanfare "), "{text}");
        assert!(version("fanfare").contains("nats-server: v2.14.0"));
    }
}
