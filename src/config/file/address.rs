//! `host:port` as configuration files write it.
//!
//! Absent: looking names up.

use super::super::text::{Entry, Value};
use super::findings::Findings;

/// What `listen` says: a host, if it names one, and a port.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HostPort {
    pub(super) host: Box<str>,
    pub(super) port: i64,
}

/// Reads a port, or `host:port`.
pub(super) fn listen(found: &mut Findings<'_>, entry: &Entry) -> Option<HostPort> {
    match &entry.node.value {
        Value::Integer(port) => Some(HostPort { host: "".into(), port: *port }),
        Value::Text(text) => {
            let read = split(text).map(|(host, port)| (host, port.parse::<i64>()));
            match read {
                Some((host, Ok(port))) => Some(HostPort { host: host.into(), port }),
                Some((_, Err(_))) => {
                    found.error(entry.node.at, format!("could not parse the port of {text:?}"));
                    None
                }
                None => {
                    found.error(entry.node.at, format!("could not parse address string {text:?}"));
                    None
                }
            }
        }
        _ => {
            found.mismatch(entry, "a port or host:port");
            None
        }
    }
}

/// Host and port of `host:port`, `[v6]:port` or `:port`.
pub(super) fn split(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    if let Some(inside) = host.strip_prefix('[') {
        let inside = inside.strip_suffix(']')?;
        return (!inside.contains(['[', ']'])).then_some((inside, port));
    }
    (!host.contains([':', '[', ']'])).then_some((host, port))
}

/// A port to listen on: -1 asks for any free one, 0 for the default one.
pub(super) fn port(
    found: &mut Findings<'_>,
    entry: &Entry,
    number: i64,
    default: Option<u16>,
) -> Option<u16> {
    match (number, default) {
        (-1, _) | (0, None) => Some(0),
        (0, Some(default)) => Some(default),
        (number, _) => {
            let port = u16::try_from(number).ok();
            if port.is_none() {
                let why = format!("port {number} must lie between -1 (any free port) and 65535");
                found.error(entry.node.at, why);
            }
            port
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_parted() {
        for (text, parts) in [
            ("127.0.0.1:4222", Some(("127.0.0.1", "4222"))),
            ("localhost:-1", Some(("localhost", "-1"))),
            (":4222", Some(("", "4222"))),
            ("[::1]:4222", Some(("::1", "4222"))),
            ("::1:4222", None),
            ("localhost", None),
            ("[::1:4222", None),
            ("[[::1]]:1", None),
        ] {
            assert_eq!(split(text), parts, "{text}");
        }
    }
}
