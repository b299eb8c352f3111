//! A crowd of clients that lose no message while the configuration is reloaded again and again.
//!
//! Absent: speed. The crowd is small unless `FANFARE_TEST_RELOAD_CLIENTS` says how many clients
//! there are to be, and `FANFARE_TEST_RELOADS` how many reloads; each client needs a descriptor
//! here and one in the broker. What a reload does to those whose rights it changes is in the
//! scenarios of `tests/parity`; here two such clients show that each reload took place.

use std::fs;
use std::path::Path;
use std::str::FromStr;

use rustix::process::Signal;

use crate::broker::{Broker, Settings, scratch};
use crate::wire::Connection;

/// Subjects; each client listens to one, and the members of a subject hear the same.
const SUBJECTS: usize = 50;

/// A number that the environment may set.
fn number<T: FromStr>(name: &str, otherwise: T) -> T {
    std::env::var(name).map_or(otherwise, |text| {
        text.parse().ok().unwrap_or_else(|| panic!("{name} is no number"))
    })
}

/// Writes one of two configurations: in the odd one a user may do less, and another is gone.
fn configure(file: &Path, odd: bool) {
    let (rights, guest) = if odd {
        ("subscribe: \"narrow.>\"", "")
    } else {
        ("subscribe: \">\"", "{ user: guest, password: g }")
    };
    let text = format!(
        "authorization {{ users: [\n  {{ user: stays, password: s }}\n  {{ user: changes, \
         password: c, permissions: {{ {rights} }} }}\n  {guest}\n] }}\n"
    );
    fs::write(file, text).expect("the build directory");
}

/// A client of one of the users.
fn client(broker: &Broker, user: &str) -> Connection {
    let mut client = broker.connect();
    let pass = &user[..1];
    client
        .send(format!("CONNECT {{\"verbose\":false,\"user\":\"{user}\",\"pass\":\"{pass}\"}}\r\n"));
    client
}

/// One message to each subject, numbered by the round.
fn round(number: usize) -> String {
    let text = number.to_string();
    let message = |subject| format!("PUB load.{subject} {}\r\n{text}\r\n", text.len());
    (0..SUBJECTS).map(message).collect()
}

/// What a client of a subject hears of one round.
fn heard(subject: usize, number: usize) -> String {
    let text = number.to_string();
    format!("MSG load.{subject} 7 {}\r\n{text}\r\n", text.len())
}

#[test]
fn no_message_is_lost_to_clients_whose_rights_stay() {
    let clients: usize = number("FANFARE_TEST_RELOAD_CLIENTS", 200);
    let reloads: usize = number("FANFARE_TEST_RELOADS", 20);
    let file = scratch("reload_load.conf");
    configure(&file, false);
    let broker = Settings::default().arguments(&["-c", &file.display().to_string()]).start();
    let mut crowd: Vec<Connection> = (0..clients)
        .map(|index| {
            let mut client = client(&broker, "stays");
            client.send(format!("SUB load.{} 7\r\n", index % SUBJECTS));
            client.fence("");
            client
        })
        .collect();
    let mut publisher = client(&broker, "stays");
    let mut lines_seen = 0;
    for reload in 0..reloads {
        let odd = reload % 2 == 0;
        let mut changed = odd.then(|| {
            let (mut guest, mut changes) = (client(&broker, "guest"), client(&broker, "changes"));
            guest.fence("");
            changes.send("SUB wide 9\r\n");
            changes.fence("");
            (guest, changes)
        });
        configure(&file, odd);
        publisher.send(round(2 * reload));
        broker.signal(Signal::HUP);
        // These meet the broker before, during or after the reload.
        publisher.send(round(2 * reload + 1));
        let (_, line) = broker
            .log()
            .find_any(&["Reloaded server configuration"], lines_seen)
            .expect("the broker lives");
        lines_seen = line + 1;
        if let Some((guest, changes)) = &mut changed {
            guest.rest();
            let lost = "-ERR 'Permissions Violation for Subscription to \"wide\" (sid \"9\")'\r\n";
            changes.expect(lost);
        }
    }
    publisher.fence("");
    for (index, client) in crowd.iter_mut().enumerate() {
        let all = (0..2 * reloads).map(|round| heard(index % SUBJECTS, round));
        client.fence(all.collect::<String>());
    }
}
