//! The keys of the monitoring port.
//!
//! Absent: whether its parts go together, which only shows when the command line's options are laid
//! over the file.

use super::super::Secret;
use super::super::monitoring::{HttpAuth, Monitoring};
use super::super::text::Entry;
use super::address;
use super::findings::Findings;

/// The keys; `http_auth` is ours.
pub(super) const KEYS: &[&str] =
    &["http", "https", "http_port", "monitor_port", "https_port", "http_base_path", "http_auth"];

/// Takes one of them.
pub(super) fn take(
    found: &mut Findings<'_>,
    monitoring: &mut Monitoring,
    key: &str,
    entry: &Entry,
) -> bool {
    match key {
        "http" | "https" => {
            let Some(read) = address::listen(found, entry) else { return true };
            monitoring.host = read.host.into();
            let port = port(found, entry, read.port);
            *(if key == "http" { &mut monitoring.http } else { &mut monitoring.https }) = port;
        }
        "http_port" | "monitor_port" => {
            monitoring.http = found.integer(entry).and_then(|n| port(found, entry, n));
        }
        "https_port" => {
            monitoring.https = found.integer(entry).and_then(|n| port(found, entry, n));
        }
        "http_base_path" => {
            if let Some(path) = found.text(entry) {
                monitoring.base_path = normal(path);
            }
        }
        "http_auth" => monitoring.auth = auth(found, entry),
        _ => return false,
    }
    true
}

/// 0 is no port at all.
fn port(found: &mut Findings<'_>, entry: &Entry, number: i64) -> Option<u16> {
    if number == 0 { None } else { address::port(found, entry, number, None) }
}

/// One slash in front, none behind.
fn normal(path: &str) -> String {
    match path.trim_matches('/') {
        "" => String::new(),
        inside => format!("/{inside}"),
    }
}

fn auth(found: &mut Findings<'_>, entry: &Entry) -> Option<HttpAuth> {
    let map = found.map(entry)?;
    let (mut user, mut password, mut token) = (None, None, None);
    for entry in map.entries() {
        match &*entry.key.to_ascii_lowercase() {
            "user" | "username" => user = found.text(entry).map(str::to_owned),
            "pass" | "password" => password = found.text(entry).map(Secret::new),
            "token" => token = found.text(entry).map(Secret::new),
            _ => found.unknown(entry, &[&["user", "username", "pass", "password", "token"]]),
        }
    }
    match (user, password, token) {
        (Some(user), Some(password), None) if !user.is_empty() => {
            Some(HttpAuth::Basic { user, password })
        }
        (None, None, Some(token)) if !token.expose().is_empty() => Some(HttpAuth::Token(token)),
        _ => {
            found.error(entry.node.at, "http_auth needs a user and a password, or a token");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{config, errors};
    use super::*;

    #[test]
    fn a_port_may_be_named_in_several_ways() {
        for (text, host, http, https) in [
            ("http: 8222", "", Some(8222), None),
            ("http: \"127.0.0.1:-1\"", "127.0.0.1", Some(0), None),
            ("https: \"[::1]:8443\"", "::1", None, Some(8443)),
            ("monitor_port: 1\nhttp: \"h:2\"", "h", Some(2), None),
            ("http_port: -1", "", Some(0), None),
            ("http_port: 0", "", None, None),
            ("https_port: 7", "", None, Some(7)),
        ] {
            let read = config(text).monitoring;
            assert_eq!((&*read.host, read.http, read.https), (host, http, https), "{text}");
        }
    }

    #[test]
    fn a_base_path_has_one_slash_in_front() {
        for (written, meant) in [("/", ""), ("", ""), ("nats", "/nats"), ("//a/b//", "/a/b")] {
            let text = format!("http_base_path: {written:?}");
            assert_eq!(config(&text).monitoring.base_path, meant, "{text}");
        }
    }

    #[test]
    fn who_looks_shows_a_password_or_a_token_and_not_half_of_either() {
        let read = |text: &str| config(&format!("http_auth {{ {text} }}")).monitoring.auth;
        let basic = HttpAuth::Basic { user: "a".into(), password: Secret::new("b") };
        assert_eq!(read("user: a, password: b"), Some(basic));
        assert_eq!(read("token: abc"), Some(HttpAuth::Token(Secret::new("abc"))));
        for text in ["", "user: a", "password: b", "token: \"\"", "user: a, pass: b, token: c"] {
            assert_eq!(errors(&format!("http_auth {{ {text} }}")).len(), 1, "{text}");
        }
    }
}
