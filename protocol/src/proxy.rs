//! The PROXY protocol's header, versions 1 and 2: who a connection comes from, as a proxy says it.
//!
//! Absent: waiting for the header and believing it. As nats-server has it, what does not begin
//! like a header is not one, and the connection goes on as it is; what begins like one must be one.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What stands at the beginning of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyStep {
    /// Too little to tell.
    More,
    /// Something else: no byte belongs to a header.
    Absent,
    /// A header.
    Header {
        /// Where the connection comes from; `None` when the proxy speaks for itself (a health
        /// check) or names no address of the internet.
        source: Option<SocketAddr>,
        /// Bytes of the header, with those that may still be to come: they are to be skipped.
        length: usize,
    },
}

/// Why something that begins like a header is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyError {
    /// A line of version 1 does not end in time.
    LineTooLong,
    /// A line of version 1 has other words than it should.
    Line,
    /// An address of version 1 is none, or of another family than the line says.
    Address,
    /// A port of version 1 is none.
    Port,
    /// The signature of version 2 is broken off.
    Signature,
    /// A version that is not known.
    Version,
    /// A command that is not known.
    Command,
    /// A family or transport that clients of this protocol cannot have.
    Family,
    /// Fewer bytes than the family's addresses take.
    TooShort,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LineTooLong => "v1 line too long",
            Self::Line => "invalid v1 format",
            Self::Address => "invalid address",
            Self::Port => "invalid port",
            Self::Signature => "invalid signature",
            Self::Version => "invalid version",
            Self::Command => "unknown command",
            Self::Family => "unsupported address family or transport",
            Self::TooShort => "address data too short",
        })
    }
}

impl core::error::Error for ProxyError {}

/// Looks at the first bytes of a connection. [`PREFIX_MAX`] bytes are always enough for an answer.
pub fn parse(bytes: &[u8]) -> Result<ProxyStep, ProxyError> {
    let seen = bytes.len().min(DECIDING);
    let (known, rest) = bytes.split_at(seen);
    let (first, second) = (V1_PREFIX.starts_with(known), V2_SIGNATURE.starts_with(known));
    match (first, second, seen == DECIDING) {
        (false, false, _) => Ok(ProxyStep::Absent),
        (_, _, false) => Ok(ProxyStep::More),
        (true, _, true) => parse_line(rest),
        (false, true, true) => parse_binary(bytes),
    }
}

/// Version 1, behind its first word and blank.
fn parse_line(bytes: &[u8]) -> Result<ProxyStep, ProxyError> {
    let window = &bytes[..bytes.len().min(V1_LINE_MAX - V1_PREFIX.len())];
    let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
        let is_full = window.len() == V1_LINE_MAX - V1_PREFIX.len();
        return if is_full { Err(ProxyError::LineTooLong) } else { Ok(ProxyStep::More) };
    };
    let length = V1_PREFIX.len() + end + 2;
    let line = core::str::from_utf8(&window[..end]).map_err(|_| ProxyError::Line)?;
    let mut words = line.split_ascii_whitespace();
    let family = match words.next() {
        Some("UNKNOWN") => return Ok(ProxyStep::Header { source: None, length }),
        Some("TCP4") => Family::V4,
        Some("TCP6") => Family::V6,
        Some(_) | None => return Err(ProxyError::Line),
    };
    let (Some(source), Some(target), Some(source_port), Some(target_port), None) =
        (words.next(), words.next(), words.next(), words.next(), words.next())
    else {
        return Err(ProxyError::Line);
    };
    let source = parse_address(source, family)?;
    parse_address(target, family)?;
    let port = parse_port(source_port)?;
    parse_port(target_port)?;
    Ok(ProxyStep::Header { source: Some(SocketAddr::new(source, port)), length })
}

#[derive(Clone, Copy)]
enum Family {
    V4,
    V6,
}

fn parse_address(text: &str, family: Family) -> Result<IpAddr, ProxyError> {
    let address = match family {
        Family::V4 => text.parse::<Ipv4Addr>().map(IpAddr::V4),
        Family::V6 => text.parse::<Ipv6Addr>().map(IpAddr::V6),
    };
    address.map(|address| address.to_canonical()).map_err(|_| ProxyError::Address)
}

fn parse_port(text: &str) -> Result<u16, ProxyError> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_err(|_| ProxyError::Port)
    } else {
        Err(ProxyError::Port)
    }
}

/// Version 2, from its first byte on.
fn parse_binary(bytes: &[u8]) -> Result<ProxyStep, ProxyError> {
    let seen = bytes.len().min(V2_SIGNATURE.len());
    if !V2_SIGNATURE.starts_with(&bytes[..seen]) {
        return Err(ProxyError::Signature);
    }
    let Some((head, body)) = bytes.split_first_chunk::<V2_HEAD>() else {
        return Ok(ProxyStep::More);
    };
    let [.., command, family, high, low] = *head;
    let body_length = usize::from(u16::from_be_bytes([high, low]));
    let length = V2_HEAD + body_length;
    if command >> 4 != 2 {
        return Err(ProxyError::Version);
    }
    match command & 0x0F {
        // The proxy itself: whatever addresses follow are none of a client's.
        0 => return Ok(ProxyStep::Header { source: None, length }),
        1 => {}
        _ => return Err(ProxyError::Command),
    }
    let source = match family {
        // A stream between Unix sockets has no address that anybody would ask for.
        0x01 | 0x31 => return Ok(ProxyStep::Header { source: None, length }),
        0x11 => address_of::<4, 12>(body, body_length)?,
        0x21 => address_of::<16, 36>(body, body_length)?,
        _ => return Err(ProxyError::Family),
    };
    Ok(match source {
        Some(source) => ProxyStep::Header { source: Some(source), length },
        None => ProxyStep::More,
    })
}

/// The source in a body of two addresses of `N` bytes and two ports, `TOTAL` bytes in all; `None`
/// when it is still to come.
fn address_of<const N: usize, const TOTAL: usize>(
    body: &[u8],
    body_length: usize,
) -> Result<Option<SocketAddr>, ProxyError>
where
    IpAddr: From<[u8; N]>,
{
    if body_length < TOTAL {
        return Err(ProxyError::TooShort);
    }
    let Some(block) = body.first_chunk::<TOTAL>() else { return Ok(None) };
    let Some((address, rest)) = block.split_first_chunk::<N>() else { return Ok(None) };
    let Some((port, _)) = rest.get(N..).and_then(|ports| ports.split_first_chunk::<2>()) else {
        return Ok(None);
    };
    let address = IpAddr::from(*address).to_canonical();
    Ok(Some(SocketAddr::new(address, u16::from_be_bytes(*port))))
}

/// Bytes that [`parse`] wants to see at most.
pub const PREFIX_MAX: usize = V1_LINE_MAX;
/// Bytes of the longest header.
pub const LENGTH_MAX: usize = V2_HEAD + 0xFFFF;
/// Bytes that tell whether there is a header, and of which version.
const DECIDING: usize = 6;
const V1_PREFIX: &[u8] = b"PROXY ";
/// The longest line of version 1, with its end.
const V1_LINE_MAX: usize = 107;
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, command, family and length.
const V2_HEAD: usize = 16;
