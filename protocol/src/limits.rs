//! The numbers of the wire protocol: defaults of a broker that was given no others.
//!
//! Absent: limits of the broker's own resources (see the broker's configuration).

/// Longest argument text of one control line, in bytes, without its operation name and line end.
/// The JSON of `CONNECT` counts too.
pub const MAX_CONTROL_LINE: usize = 4096;

/// Largest message, headers and payload together, in bytes.
pub const MAX_PAYLOAD: usize = 1024 * 1024;

/// Most decimal digits in a size argument; a tenth digit is a violation even when it is a zero.
pub const MAX_SIZE_DIGITS: usize = 9;

/// Deepest nesting of the JSON that a client may send in `CONNECT`.
pub const MAX_JSON_DEPTH: usize = 64;

/// Longest line that a client reads from a server, in bytes; an `INFO` with many addresses is long.
pub const MAX_SERVER_LINE: usize = 1024 * 1024;

/// Bounds that one decoder call holds its input to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Longest argument text of a control line, in bytes.
    pub control_line_max: usize,
    /// Largest message (headers and payload), in bytes.
    pub payload_max: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self { control_line_max: MAX_CONTROL_LINE, payload_max: MAX_PAYLOAD }
    }
}
