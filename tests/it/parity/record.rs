//! What a server said, in a form in which two servers can be compared.
//!
//! Absent: sockets, and any judgement. Names that a server makes up (keys, nonces, ports, inboxes
//! of its own) are replaced by what kind of name they are; `tests/parity/README.md` says which
//! fields of INFO are left out altogether.

use std::collections::BTreeMap;

use serde_json::Value;

/// One operation of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// What it was, ready to be compared.
    pub(crate) text: String,
    /// The reply subject of a message.
    pub(crate) reply: Option<String>,
    /// The nonce of an INFO.
    pub(crate) nonce: Option<String>,
    /// The payload of a message.
    pub(crate) payload: Vec<u8>,
    /// How many bytes it took.
    pub(crate) length: usize,
}

/// Fields of INFO that tell which program speaks, and not what it does.
const LEFT_OUT: [&str; 5] = ["api_lvl", "git_commit", "go", "version", "xkey"];

/// The first operation among the bytes that came, if it is complete.
pub(crate) fn first(pending: &[u8]) -> Option<Said> {
    let end = pending.windows(2).position(|pair| pair == b"\r\n")?;
    let line = String::from_utf8_lossy(&pending[..end]).into_owned();
    let mut said =
        Said { text: line.clone(), reply: None, nonce: None, payload: Vec::new(), length: end + 2 };
    if let Some(json) = line.strip_prefix("INFO ") {
        let info: Value = serde_json::from_str(json).unwrap_or(Value::Null);
        said.nonce = info.get("nonce").and_then(Value::as_str).map(str::to_owned);
        said.text = info_text(&info);
        return Some(said);
    }
    let words: Vec<&str> = line.split(' ').collect();
    let sizes = match words[0] {
        "MSG" => 1,
        "HMSG" => 2,
        _ => return Some(said),
    };
    let size: usize = words.last()?.parse().ok()?;
    let body = pending.get(end + 2..end + 2 + size)?;
    pending.get(end + 2 + size..end + 4 + size)?;
    said.length += size + 2;
    said.payload = body.to_vec();
    said.reply = (words.len() == 4 + sizes).then(|| words[3].to_owned());
    let mut shown: Vec<String> = words.iter().map(|word| made_up(word)).collect();
    let (body, sized) = without_request_info(body);
    if !sized {
        shown.truncate(words.len() - sizes);
    }
    shown.push(format!("\"{}\"", body.escape_ascii()));
    said.text = shown.join(" ");
    Some(said)
}

/// A body whose header about the requester, if there is one, tells what names it has but not the
/// times and numbers; and whether the sizes of the message still mean something.
fn without_request_info(body: &[u8]) -> (Vec<u8>, bool) {
    const NAME: &str = "Nats-Request-Info: ";
    let text = String::from_utf8_lossy(body);
    let found = text.split_once(NAME).and_then(|(before, after)| {
        let (json, after) = after.split_once("\r\n")?;
        let info: Value = serde_json::from_str(json).ok()?;
        let account = info.get("acc").map(ToString::to_string).unwrap_or_default();
        Some(format!("{before}{NAME}{account} {}\r\n{after}", outline(&info)))
    });
    match found {
        Some(told) => (told.into_bytes(), false),
        None => (body.to_vec(), true),
    }
}

/// A subject, unless the server made it up.
fn made_up(subject: &str) -> String {
    match subject.split('.').next() {
        Some("_R_") => "<reply>".to_owned(),
        _ => subject.to_owned(),
    }
}

/// INFO as a list of fields in the order of their names.
fn info_text(info: &Value) -> String {
    let own_id = info.get("server_id");
    let fields: BTreeMap<&str, String> = info
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| !LEFT_OUT.contains(&name.as_str()))
        .map(|(name, value)| {
            let shown = match name.as_str() {
                "server_id" | "nonce" => {
                    format!("<{} characters>", value.as_str().map_or(0, str::len))
                }
                "server_name" if Some(value) == own_id => "<server_id>".to_owned(),
                "port" | "client_id" if value.is_u64() => "<number>".to_owned(),
                "connect_urls" => "<addresses>".to_owned(),
                _ => value.to_string(),
            };
            (name.as_str(), shown)
        })
        .collect();
    let fields: Vec<String> =
        fields.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("INFO {}", fields.join(" "))
}

/// The names and types in a JSON value, for payloads whose values differ from run to run.
pub(crate) fn outline(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        Value::Number(_) => "number".to_owned(),
        Value::String(_) => "string".to_owned(),
        Value::Array(values) => {
            let mut inner: Vec<String> = values.iter().map(outline).collect();
            inner.dedup();
            format!("[{}]", inner.join(","))
        }
        Value::Object(fields) => {
            let sorted: BTreeMap<&String, String> =
                fields.iter().map(|(name, value)| (name, outline(value))).collect();
            let inner: Vec<String> =
                sorted.into_iter().map(|(name, value)| format!("{name}:{value}")).collect();
            format!("{{{}}}", inner.join(","))
        }
    }
}

#[test]
fn operations_are_taken_whole_and_in_comparable_form() {
    let said = first(b"MSG a.b 1 _R_.x.y 2\r\nhi\r\nPONG\r\n").unwrap();
    assert_eq!((said.text.as_str(), said.length), ("MSG a.b 1 <reply> 2 \"hi\"", 25));
    assert_eq!(said.reply.as_deref(), Some("_R_.x.y"));
    assert!(first(b"MSG a 1 2\r\nhi\r").is_none() && first(b"PON").is_none());
    let said = first(b"HMSG a 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n").unwrap();
    assert_eq!((said.reply, said.length), (None, 32));
    let said =
        first(b"INFO {\"server_id\":\"N1\",\"go\":\"x\",\"proto\":1,\"port\":7} \r\n").unwrap();
    assert_eq!(said.text, "INFO port=<number> proto=1 server_id=<2 characters>");
}

#[test]
fn an_outline_has_names_and_types_only() {
    let value = serde_json::json!({"b": [1, 2], "a": {"x": "y"}});
    assert_eq!(outline(&value), "{a:{x:string},b:[number]}");
}
