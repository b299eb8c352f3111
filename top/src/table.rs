//! The columns of the table of connections: what stands in them, and which ones there is room for.
//!
//! Absent: colours and the terminal (`view`), and lines for programs (`batch`).

use fanfare_bench::figure::Unit;

use crate::model::Row;
use crate::sort::Sort;
use crate::span;

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its head.
    pub title: &'static str,
    /// Its width; of those that may grow, the smallest one.
    pub width: u16,
    /// What is left over goes to it.
    pub grows: bool,
    /// Numbers stand on the right.
    pub is_number: bool,
    /// The order that it belongs to.
    pub sort: Option<Sort>,
    /// Columns with a larger one are left out first.
    rank: u8,
    cell: fn(&Row, Shown) -> String,
}

/// Rates or totals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// What moves in a second.
    Rates,
    /// What has moved since the connection began.
    Totals,
}

impl Column {
    /// What stands in it.
    pub fn cell(&self, row: &Row, shown: Shown) -> String {
        (self.cell)(row, shown)
    }
}

/// The columns that a width has room for, each with its own width.
pub fn fitting(width: u16) -> Vec<(Column, u16)> {
    let mut columns: Vec<Column> = COLUMNS.to_vec();
    let needed = |columns: &[Column]| -> u16 {
        columns.iter().map(|column| column.width + 1).sum::<u16>().saturating_sub(1)
    };
    while needed(&columns) > width {
        let worst = columns.iter().map(|column| column.rank).max().unwrap_or(0);
        if worst == 0 {
            break;
        }
        columns.retain(|column| column.rank < worst);
    }
    let mut left = width.saturating_sub(needed(&columns));
    // Names come first; each takes what it can use before the next one gets anything.
    let widened = |column: Column| {
        let more = if column.grows { GROWTH_MAX.min(left) } else { 0 };
        left -= more;
        (column, column.width + more)
    };
    columns.into_iter().map(widened).collect()
}

fn messages(rate: f64, total: u64, shown: Shown) -> String {
    match shown {
        Shown::Rates if rate < 0.05 => "·".to_owned(),
        Shown::Rates => compact(Unit::Count, rate),
        Shown::Totals => compact(Unit::Count, total as f64),
    }
}

fn bytes(rate: f64, total: u64, shown: Shown) -> String {
    match shown {
        Shown::Rates if rate < 0.5 => "·".to_owned(),
        Shown::Rates => compact(Unit::Bytes, rate),
        Shown::Totals => compact(Unit::Bytes, total as f64),
    }
}

/// A number in few columns: `1.2k`, `3.4Mi`.
pub fn compact(unit: Unit, value: f64) -> String {
    let (steps, base): (&[&str], f64) = match unit {
        Unit::Bytes | Unit::BytesPerSecond => (&["", "Ki", "Mi", "Gi", "Ti", "Pi"], 1024.0),
        _ => (&["", "k", "M", "G", "T", "P"], 1000.0),
    };
    let mut value = value;
    let mut step = 0;
    while value >= base * 0.9995 && step + 1 < steps.len() {
        value /= base;
        step += 1;
    }
    let unit = steps.get(step).copied().unwrap_or_default();
    let is_whole = (value - value.round()).abs() < 0.05;
    if value >= 99.95 || is_whole && step == 0 {
        format!("{value:.0}{unit}")
    } else {
        format!("{value:.1}{unit}")
    }
}

fn time(text: &str) -> String {
    span::seconds(text).map_or_else(|| "-".to_owned(), span::short)
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}

/// A column of numbers.
const fn number(
    title: &'static str,
    width: u16,
    rank: u8,
    sort: Sort,
    cell: fn(&Row, Shown) -> String,
) -> Column {
    Column { title, width, grows: false, is_number: true, sort: Some(sort), rank, cell }
}

/// A column of text.
const fn words(
    title: &'static str,
    width: u16,
    rank: u8,
    sort: Option<Sort>,
    cell: fn(&Row, Shown) -> String,
) -> Column {
    Column { title, width, grows: true, is_number: false, sort, rank, cell }
}

/// Most that a column grows by.
const GROWTH_MAX: u16 = 20;

/// In their order on the screen.
const COLUMNS: [Column; 14] = [
    number("CID", 7, 0, Sort::Cid, |row, _| row.connection.cid.to_string()),
    words("NAME", 12, 0, Some(Sort::Name), |row, _| or_dash(row.connection.name.clone())),
    words("ACCOUNT", 8, 8, None, |row, _| or_dash(row.connection.account.clone())),
    words("PEER", 21, 7, None, |row, _| row.connection.peer()),
    words("LIBRARY", 10, 9, None, |row, _| or_dash(row.connection.library())),
    number("SUBS", 6, 5, Sort::Subs, |row, _| {
        compact(Unit::Count, row.connection.subscriptions as f64)
    }),
    number("PENDING", 8, 2, Sort::Pending, |row, _| {
        compact(Unit::Bytes, row.connection.pending_bytes as f64)
    }),
    number("MSGS TO", 8, 1, Sort::MsgsTo, |row, shown| {
        messages(row.rates.out_msgs, row.connection.out_msgs, shown)
    }),
    number("MSGS FROM", 10, 1, Sort::MsgsFrom, |row, shown| {
        messages(row.rates.in_msgs, row.connection.in_msgs, shown)
    }),
    number("BYTES TO", 9, 4, Sort::BytesTo, |row, shown| {
        bytes(row.rates.out_bytes, row.connection.out_bytes, shown)
    }),
    number("BYTES FROM", 11, 4, Sort::BytesFrom, |row, shown| {
        bytes(row.rates.in_bytes, row.connection.in_bytes, shown)
    }),
    // A server that has not measured it yet says 0.
    number("RTT", 6, 3, Sort::Rtt, |row, _| match row.connection.rtt.as_str() {
        "0s" => "-".to_owned(),
        rtt => time(rtt),
    }),
    number("IDLE", 6, 10, Sort::Idle, |row, _| time(&row.connection.idle)),
    number("UPTIME", 7, 6, Sort::Uptime, |row, _| time(&row.connection.uptime)),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Rates;
    use crate::model::tests::connection;

    fn titles(width: u16) -> Vec<&'static str> {
        fitting(width).iter().map(|(column, _)| column.title).collect()
    }

    #[test]
    fn narrow_terminals_have_fewer_columns_and_wide_ones_wider() {
        assert_eq!(titles(10), ["CID", "NAME"]);
        assert_eq!(titles(50), ["CID", "NAME", "PENDING", "MSGS TO", "MSGS FROM"]);
        assert!(titles(80).contains(&"BYTES TO") && !titles(80).contains(&"LIBRARY"));
        assert_eq!(fitting(200).len(), COLUMNS.len());
        for width in 22..300 {
            let used: u16 = fitting(width).iter().map(|(_, width)| width + 1).sum();
            assert!(used <= width + 1, "{used} of {width}");
        }
        assert!(fitting(200).iter().all(|(column, width)| *width >= column.width));
    }

    #[test]
    fn numbers_are_compact() {
        for (value, expected) in [
            (0.0, "0"),
            (0.4, "0.4"),
            (7.0, "7"),
            (99.97, "100"),
            (999.6, "1.0k"),
            (12_345.0, "12.3k"),
            (123_456.0, "123k"),
            (2.5e9, "2.5G"),
        ] {
            assert_eq!(compact(Unit::Count, value), expected);
        }
        assert_eq!(compact(Unit::Bytes, 1536.0), "1.5Ki");
        assert_eq!(compact(Unit::Bytes, 1e30).len(), "1000000000000000Pi".len() - 1);
    }

    #[test]
    fn cells_hold_rates_or_totals() {
        let rates = Rates { out_msgs: 1500.0, ..Rates::default() };
        let row = Row { connection: connection(7, "a", [1, 2_000_000, 3, 4096]), rates };
        let cell = |title: &str, shown| {
            COLUMNS.iter().find(|column| column.title == title).unwrap().cell(&row, shown)
        };
        assert_eq!(cell("MSGS TO", Shown::Rates), "1.5k");
        assert_eq!(cell("MSGS TO", Shown::Totals), "2.0M");
        assert_eq!(cell("MSGS FROM", Shown::Rates), "·");
        assert_eq!(cell("BYTES TO", Shown::Totals), "4.0Ki");
        assert_eq!((&*cell("RTT", Shown::Rates), &*cell("IDLE", Shown::Rates)), ("115µs", "0s"));
    }
}
