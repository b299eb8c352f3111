//! The orders that connections can stand in.
//!
//! Absent: the connections. The names are those of the monitoring port, which chooses its page by
//! the same order.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::model::Row;
use crate::span;

/// What connections are sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// Their numbers, oldest first.
    Cid,
    /// Their names.
    Name,
    /// Subscriptions.
    Subs,
    /// Unsent bytes.
    Pending,
    /// Messages to the client.
    #[default]
    MsgsTo,
    /// Messages from the client.
    MsgsFrom,
    /// Bytes to the client.
    BytesTo,
    /// Bytes from the client.
    BytesFrom,
    /// The round trip.
    Rtt,
    /// The time since the client did anything.
    Idle,
    /// The time since it connected.
    Uptime,
}

impl Sort {
    /// All of them, in the order of the columns.
    pub const ALL: [Self; 11] = [
        Self::Cid,
        Self::Name,
        Self::Subs,
        Self::Pending,
        Self::MsgsTo,
        Self::MsgsFrom,
        Self::BytesTo,
        Self::BytesFrom,
        Self::Rtt,
        Self::Idle,
        Self::Uptime,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cid => "cid",
            Self::Name => "name",
            Self::Subs => "subs",
            Self::Pending => "pending",
            Self::MsgsTo => "msgs_to",
            Self::MsgsFrom => "msgs_from",
            Self::BytesTo => "bytes_to",
            Self::BytesFrom => "bytes_from",
            Self::Rtt => "rtt",
            Self::Idle => "idle",
            Self::Uptime => "uptime",
        }
    }

    /// What the server is asked to choose its page by. It knows no order of names.
    pub fn asked(self) -> &'static str {
        match self {
            Self::Name => Self::Cid.name(),
            sort => sort.name(),
        }
    }

    /// The next one, or the one before.
    pub fn step(self, forward: bool) -> Self {
        let count = Self::ALL.len();
        let at = Self::ALL.iter().position(|&sort| sort == self).unwrap_or(0);
        let next = if forward { at + 1 } else { at + count - 1 } % count;
        Self::ALL.get(next).copied().unwrap_or_default()
    }

    /// Compares two connections: what an operator looks for stands first. Rates count before
    /// totals, and the number decides at last, so that rows do not jump.
    pub fn compare(self, a: &Row, b: &Row) -> Ordering {
        let (x, y) = (&a.connection, &b.connection);
        let more = |of: fn(&Row) -> f64| of(b).total_cmp(&of(a));
        let order = match self {
            Self::Cid => Ordering::Equal,
            Self::Name => match (x.name.is_empty(), y.name.is_empty()) {
                (false, true) => Ordering::Less,
                (true, false) => Ordering::Greater,
                _ => x.name.to_lowercase().cmp(&y.name.to_lowercase()),
            },
            Self::Subs => y.subscriptions.cmp(&x.subscriptions),
            Self::Pending => y.pending_bytes.cmp(&x.pending_bytes),
            Self::MsgsTo => more(|row| row.rates.out_msgs).then(y.out_msgs.cmp(&x.out_msgs)),
            Self::MsgsFrom => more(|row| row.rates.in_msgs).then(y.in_msgs.cmp(&x.in_msgs)),
            Self::BytesTo => more(|row| row.rates.out_bytes).then(y.out_bytes.cmp(&x.out_bytes)),
            Self::BytesFrom => more(|row| row.rates.in_bytes).then(y.in_bytes.cmp(&x.in_bytes)),
            Self::Rtt => more(|row| length(&row.connection.rtt)),
            Self::Idle => more(|row| length(&row.connection.idle)),
            Self::Uptime => more(|row| length(&row.connection.uptime)),
        };
        order.then(x.cid.cmp(&y.cid))
    }
}

fn length(text: &str) -> f64 {
    span::seconds(text).unwrap_or(0.0)
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Sort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|sort| sort.name() == text.to_ascii_lowercase());
        found.ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|sort| sort.name()).collect();
            format!("one of {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Rates;
    use crate::snapshot::Connection;

    fn row(cid: u64, name: &str, rtt: &str, out_rate: f64, out_msgs: u64) -> Row {
        let (name, rtt) = (name.to_owned(), rtt.to_owned());
        Row {
            connection: Connection { cid, name, rtt, out_msgs, ..Connection::default() },
            rates: Rates { out_msgs: out_rate, ..Rates::default() },
        }
    }

    fn sorted(sort: Sort) -> Vec<u64> {
        let mut rows = [
            row(1, "", "2ms", 0.0, 5),
            row(2, "b", "900µs", 7.0, 1),
            row(3, "A", "1s", 0.0, 9),
            row(4, "b", "", 0.0, 5),
        ];
        rows.sort_by(|a, b| sort.compare(a, b));
        rows.iter().map(|row| row.connection.cid).collect()
    }

    #[test]
    fn what_is_looked_for_stands_first() {
        assert_eq!(sorted(Sort::Cid), [1, 2, 3, 4]);
        assert_eq!(sorted(Sort::Name), [3, 2, 4, 1], "those without a name are last");
        assert_eq!(sorted(Sort::MsgsTo), [2, 3, 1, 4], "rates before totals");
        assert_eq!(sorted(Sort::Rtt), [3, 1, 2, 4]);
        assert_eq!(sorted(Sort::Pending), [1, 2, 3, 4], "equals stand by their numbers");
    }

    #[test]
    fn every_order_has_a_name_and_a_next_one() {
        let mut sort = Sort::Cid;
        for expected in Sort::ALL {
            assert_eq!(sort, expected);
            assert_eq!(sort.name().parse(), Ok(sort));
            assert_eq!(sort.step(true).step(false), sort);
            sort = sort.step(true);
        }
        assert_eq!(sort, Sort::Cid);
        assert!("size".parse::<Sort>().unwrap_err().contains("bytes_to"));
    }
}
