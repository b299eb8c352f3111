//! Networks that a client may come from: addresses with a number of bits that count.
//!
//! Absent: names of hosts. An IPv4 address inside an IPv6 one is the IPv4 address, on both sides.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One network, such as `10.0.0.0/8` or `fd00::/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    base: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads an address, a stroke and a number of bits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        if bits.is_empty() || !bits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let bits: u8 = bits.parse().ok()?;
        match address.parse().ok()? {
            IpAddr::V4(base) => (bits <= 32).then_some(Self { base: IpAddr::V4(base), bits }),
            IpAddr::V6(base) => match (base.to_ipv4_mapped(), bits) {
                (_, 129..) => None,
                (Some(inner), 96..) => Some(Self { base: IpAddr::V4(inner), bits: bits - 96 }),
                _ => Some(Self { base: IpAddr::V6(base), bits }),
            },
        }
    }

    /// Whether the address is in it.
    pub(super) fn contains(self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => self.same_v4(base, address),
            (IpAddr::V6(base), IpAddr::V6(address)) => self.same_v6(base, address),
            _ => false,
        }
    }

    fn same_v4(self, left: Ipv4Addr, right: Ipv4Addr) -> bool {
        let differing = left.to_bits() ^ right.to_bits();
        differing.checked_shr(32 - u32::from(self.bits)).unwrap_or(0) == 0
    }

    fn same_v6(self, left: Ipv6Addr, right: Ipv6Addr) -> bool {
        let differing = left.to_bits() ^ right.to_bits();
        differing.checked_shr(128 - u32::from(self.bits)).unwrap_or(0) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(network: &str, inside: &[&str], outside: &[&str]) {
        let found = Network::parse(network).unwrap();
        let contains = |text: &&str| found.contains(text.parse().unwrap());
        assert!(inside.iter().all(contains), "{network}");
        assert!(!outside.iter().any(contains), "{network}");
    }

    #[test]
    fn bits_that_count_are_compared() {
        check("10.1.0.0/16", &["10.1.0.0", "10.1.255.255"], &["10.2.0.0", "fd00::1"]);
        check("10.1.2.3/32", &["10.1.2.3"], &["10.1.2.2"]);
        check("0.0.0.0/0", &["1.2.3.4", "::ffff:1.2.3.4"], &["::1", "fd00::1"]);
        check("fd00::/8", &["fdff::1"], &["fe00::1", "10.0.0.1"]);
        check("::/0", &["fd00::1"], &["10.0.0.1"]);
        check("::1/128", &["::1"], &["::2"]);
        // Bits that do not count may be set.
        check("10.1.2.3/8", &["10.9.9.9"], &["11.1.2.3"]);
    }

    #[test]
    fn an_ipv4_address_inside_an_ipv6_one_is_itself() {
        check("10.0.0.0/8", &["::ffff:10.1.2.3"], &["::ffff:11.1.2.3", "::10.1.2.3"]);
        check("::ffff:10.0.0.0/104", &["10.1.2.3", "::ffff:10.1.2.3"], &["11.1.2.3"]);
    }

    #[test]
    fn the_rest_is_no_network() {
        let wrong = [
            "",
            "10.0.0.0",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "::/129",
            "/8",
            "10.0.0/8",
            "010.0.0.0/8",
            "10.0.0.0/8/8",
            "fd00::%1/8",
            "10.0.0.0/8 ",
            "a/8",
            "10.0.0.0/999999999999",
        ];
        assert!(wrong.iter().all(|text| Network::parse(text).is_none()));
    }
}
