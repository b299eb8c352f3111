//! The INFO that a client is told: as a greeting, and once its CONNECT has made something of it.
//!
//! Absent: what every client of a listener is told alike (`arrival` keeps it), and INFO that
//! announces a change to all (`lame_duck` decides on that).

use super::ids::{AccountId, Slot};
use super::shard::{Shard, ip_of};

impl Shard {
    /// The INFO that greets a connection.
    pub(crate) fn send_info(&mut self, slot: Slot) {
        self.write_info(slot, None);
    }

    /// The INFO behind the first PONG: what CONNECT made of the client.
    pub(crate) fn send_info_after_connect(&mut self, slot: Slot) {
        self.write_info(slot, Some(self.account_of(slot)));
    }

    fn write_info(&mut self, slot: Slot, account: Option<AccountId>) {
        let client = self.clients.get(slot);
        let payload_max = account.map_or(self.limits.payload_max, |_| self.payload_max(slot));
        let Some(entrance) = self.entrances.get_mut(client.listener.index()) else {
            debug_assert!(false, "every listener has an entrance");
            return;
        };
        let info = &mut entrance.info;
        info.connect_info = account.is_some();
        info.remote_account.clear();
        info.nonce.clear();
        if let Some(badge) = client.badge.as_ref().filter(|_| account.is_none()) {
            info.nonce.push_str(&badge.nonce);
        }
        // To guests, too, nats-server says so once they are in.
        let authority = &self.policy.authority;
        let way = entrance.connection_type;
        info.auth_required =
            authority.is_required_of(way) || account.is_some() && !authority.is_open_to(way);
        info.acc_is_sys = account == Some(AccountId::SYSTEM);
        info.max_payload = payload_max as u64;
        if let Some(account) = account {
            info.remote_account.push_str(self.policy.accounts.get(account).name());
        }
        info.client_id = client.number.0;
        info.client_ip.clear();
        let is_greeting = account.is_none() && client.tls.is_none();
        if !(is_greeting && entrance.behind_proxy) {
            info.client_ip.push_str(ip_of(&client.peer));
        }
        self.text.clear();
        info.write_line(&mut self.text);
        let text = std::mem::take(&mut self.text);
        self.clients.push_text(slot, &text);
        self.text = text;
    }
}
