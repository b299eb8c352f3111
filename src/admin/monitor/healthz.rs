//! `/healthz`: whether the broker works.
//!
//! Absent: a check of what this broker does not have: of streams and consumers it is only said when
//! a question about them makes no sense.

use serde_json::json;

use super::options::Options;
use super::refusal::Refusal;

/// The answer; what is not 200 has JSON, too.
pub(super) fn answer(options: &Options, leaves: bool) -> Result<String, Refusal> {
    let missing = if options.account.is_empty() && !options.stream.is_empty() {
        Some(("account", "stream"))
    } else if options.stream.is_empty() && !options.consumer.is_empty() {
        Some(("stream", "consumer"))
    } else {
        None
    };
    if let Some((missing, wanted)) = missing {
        let why = format!("{missing:?} must not be empty when checking {wanted} health");
        return Err(problem(options, 400, "BAD_REQUEST", &why));
    }
    if leaves {
        let why = "server is in lame duck mode";
        return Err(problem(options, 500, "CONNECTION", why));
    }
    Ok("{\"status\":\"ok\"}".to_owned())
}

fn problem(options: &Options, status: u16, kind: &str, why: &str) -> Refusal {
    let json = if options.details {
        json!({ "status": "error", "errors": [{ "type": kind, "error": why }] })
    } else {
        json!({ "status": "error", "error": why })
    };
    Refusal { status, why: json.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_leaves_is_not_healthy() {
        let options = Options::default();
        assert_eq!(answer(&options, false), Ok("{\"status\":\"ok\"}".to_owned()));
        assert_eq!(answer(&options, true).map_err(|refusal| refusal.status), Err(500));
    }

    #[test]
    fn a_stream_without_an_account_is_no_question() {
        let options = Options { stream: "s".to_owned(), ..Options::default() };
        let why = "{\"error\":\"\\\"account\\\" must not be empty when checking stream health\",\
                   \"status\":\"error\"}";
        assert_eq!(answer(&options, false), Err(Refusal { status: 400, why: why.to_owned() }));
    }
}
