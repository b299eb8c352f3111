//! The `INFO` line that a server introduces itself with.
//!
//! Absent: where the values come from. Fields stand in nats-server's order and follow its rules
//! of when a field is left out, because clients decide on the presence of some.

use crate::json::Object;
use alloc::string::String;
use alloc::vec::Vec;

/// What a server says about itself; a text that is empty and a flag that is false is left out
/// unless its description says that it is always sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerInfo {
    /// The server's public key or other unique name; always sent.
    pub server_id: String,
    /// The server's name; always sent.
    pub server_name: String,
    /// A version that clients decide features on; always sent.
    pub version: String,
    /// The protocol's version: 1; always sent.
    pub proto: u32,
    /// The source revision.
    pub git_commit: String,
    /// What other servers name their compiler in; always sent.
    pub go: String,
    /// The address for clients; always sent.
    pub host: String,
    /// The port for clients; always sent.
    pub port: u16,
    /// Message headers are understood; always sent.
    pub headers: bool,
    /// Clients must authenticate.
    pub auth_required: bool,
    /// Clients must use TLS.
    pub tls_required: bool,
    /// Clients must show a certificate.
    pub tls_verify: bool,
    /// Clients may use TLS.
    pub tls_available: bool,
    /// The largest message; always sent.
    pub max_payload: u64,
    /// JetStream is there.
    pub jetstream: bool,
    /// The connection's number; left out when 0.
    pub client_id: u64,
    /// The client's address as the server sees it.
    pub client_ip: String,
    /// What the client must sign.
    pub nonce: String,
    /// The cluster's name.
    pub cluster: String,
    /// The cluster's name may change.
    pub cluster_dynamic: bool,
    /// The JetStream domain.
    pub domain: String,
    /// Other addresses for clients.
    pub connect_urls: Vec<String>,
    /// Other addresses for WebSocket clients.
    pub ws_connect_urls: Vec<String>,
    /// The server is about to leave (lame duck).
    pub ldm: bool,
    /// This line was sent after the connection was set up.
    pub connect_info: bool,
    /// The account that the client is bound to.
    pub remote_account: String,
    /// That account is the system account.
    pub acc_is_sys: bool,
    /// The JetStream API level; left out when 0.
    pub api_lvl: u32,
    /// The server's public encryption key.
    pub xkey: String,
}

impl ServerInfo {
    /// Appends `INFO {…} ` and the line's end; the blank is nats-server's.
    pub fn write_line(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"INFO ");
        self.write_json(out);
        out.extend_from_slice(b" \r\n");
    }

    /// Appends the JSON alone.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.text("server_id", &self.server_id);
        object.text("server_name", &self.server_name);
        object.text("version", &self.version);
        object.number("proto", u64::from(self.proto));
        object.text_if("git_commit", &self.git_commit);
        object.text("go", &self.go);
        object.text("host", &self.host);
        object.number("port", u64::from(self.port));
        object.flag("headers", self.headers);
        object.flag_if("auth_required", self.auth_required);
        object.flag_if("tls_required", self.tls_required);
        object.flag_if("tls_verify", self.tls_verify);
        object.flag_if("tls_available", self.tls_available);
        object.number("max_payload", self.max_payload);
        object.flag_if("jetstream", self.jetstream);
        object.number_if("client_id", self.client_id);
        object.text_if("client_ip", &self.client_ip);
        object.text_if("nonce", &self.nonce);
        object.text_if("cluster", &self.cluster);
        object.flag_if("cluster_dynamic", self.cluster_dynamic);
        object.text_if("domain", &self.domain);
        object.list_if("connect_urls", &self.connect_urls);
        object.list_if("ws_connect_urls", &self.ws_connect_urls);
        object.flag_if("ldm", self.ldm);
        object.flag_if("connect_info", self.connect_info);
        object.text_if("remote_account", &self.remote_account);
        object.flag_if("acc_is_sys", self.acc_is_sys);
        object.number_if("api_lvl", u64::from(self.api_lvl));
        object.text_if("xkey", &self.xkey);
        object.end();
    }
}
