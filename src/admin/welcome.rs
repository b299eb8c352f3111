//! What a new process is told by the one that it follows, before it begins.
//!
//! Absent: clients, who come later and as parcels. The seed by which a changed password is noticed
//! is the only secret here; the line between the processes is closed to all others.

use serde_json::{Map, Value, json};

use crate::config::listen::Address;

/// See the module's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Welcome {
    /// The version of what parcels hold.
    pub(super) state: u32,
    /// The old process.
    pub(super) process: u32,
    pub(super) seed: u64,
    /// What its clock shows.
    pub(super) clock_ns: u64,
    /// Its listeners; a descriptor for each of them comes beside this, in the same order.
    pub(super) listeners: Vec<Place>,
    /// Accounts that it has fetched, by their keys: signed statements, which anybody may read.
    pub(super) accounts: Vec<(String, String)>,
}

/// Where a listener is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) name: String,
    /// A host, or the path of a Unix socket.
    pub(super) host: String,
    /// `None` at a path.
    pub(super) port: Option<u16>,
}

impl Place {
    pub(super) fn of(name: &str, address: &Address) -> Self {
        let (host, port) = match address {
            Address::Tcp { host, port } => (host, Some(*port)),
            Address::Unix { path, .. } => (path, None),
        };
        Self { name: name.to_owned(), host: host.to_string(), port }
    }

    /// Whether a listener that is wanted is this one. Who asks for any port gets the one that a
    /// listener of the same name has.
    pub(super) fn serves(&self, wanted: &Self) -> bool {
        let is_any = wanted.port == Some(0) && self.port.is_some() && wanted.name == self.name;
        wanted.host == self.host && (is_any || wanted.port == self.port)
    }
}

impl Welcome {
    pub(super) fn to_json(&self) -> Vec<u8> {
        let place = |place: &Place| json!([place.name, place.host, place.port]);
        let accounts = self.accounts.iter().cloned();
        let accounts: Map<String, Value> =
            accounts.map(|(key, text)| (key, Value::String(text))).collect();
        let whole = json!({
            "state": self.state,
            "process": self.process,
            "seed": self.seed,
            "clock_ns": self.clock_ns,
            "listeners": self.listeners.iter().map(place).collect::<Vec<_>>(),
            "accounts": accounts,
        });
        whole.to_string().into_bytes()
    }

    /// What is said; `None` when it is not understood.
    pub(super) fn from_json(bytes: &[u8]) -> Option<Self> {
        let whole: Value = serde_json::from_slice(bytes).ok()?;
        let number = |key: &str| whole.get(key)?.as_u64();
        let place = |value: &Value| {
            let port = match value.get(2)? {
                Value::Null => None,
                port => Some(u16::try_from(port.as_u64()?).ok()?),
            };
            let text = |at: usize| value.get(at)?.as_str().map(str::to_owned);
            Some(Place { name: text(0)?, host: text(1)?, port })
        };
        let accounts = whole.get("accounts")?.as_object()?.iter();
        Some(Self {
            state: u32::try_from(number("state")?).ok()?,
            process: u32::try_from(number("process")?).ok()?,
            seed: number("seed")?,
            clock_ns: number("clock_ns")?,
            listeners: whole
                .get("listeners")?
                .as_array()?
                .iter()
                .map(place)
                .collect::<Option<_>>()?,
            accounts: accounts
                .map(|(key, text)| Some((key.clone(), text.as_str()?.to_owned())))
                .collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str, host: &str, port: Option<u16>) -> Place {
        Place { name: name.to_owned(), host: host.to_owned(), port }
    }

    #[test]
    fn what_is_said_is_understood() {
        let welcome = Welcome {
            state: 7,
            process: 12,
            seed: u64::MAX,
            clock_ns: 5,
            listeners: vec![place("default", "0.0.0.0", Some(4222)), place("here", "/run/x", None)],
            accounts: vec![("A".to_owned(), "jwt".to_owned())],
        };
        assert_eq!(Welcome::from_json(&welcome.to_json()), Some(welcome));
        assert_eq!(Welcome::from_json(b"{}"), None);
        assert_eq!(Welcome::from_json(b"nonsense"), None);
    }

    #[test]
    fn a_listener_is_known_by_its_place() {
        let old = place("default", "0.0.0.0", Some(4222));
        assert!(old.serves(&place("other", "0.0.0.0", Some(4222))));
        assert!(old.serves(&place("default", "0.0.0.0", Some(0))));
        assert!(!old.serves(&place("other", "0.0.0.0", Some(0))));
        assert!(!old.serves(&place("default", "127.0.0.1", Some(4222))));
        assert!(!old.serves(&place("default", "0.0.0.0", None)));
    }
}
