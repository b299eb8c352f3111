//! One test for each scenario of `tests/parity/scenarios`, and one that none is forgotten.
//!
//! Absent: the scenarios themselves.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::parity::{Scenario, Side, compare};

macro_rules! scenarios {
    (
        both { $($name:ident)* }
        // What Fanfare has no part for yet: that a nats-server does the same twice shows that the
        // scenario depends on nothing but itself.
        reference { $($later:ident)* }
    ) => {
        $(
            #[test]
            fn $name() {
                compare(&Scenario::read(stringify!($name)), Side::Subject);
            }
        )*
        $(
            #[test]
            fn $later() {
                compare(&Scenario::read(stringify!($later)), Side::Reference);
            }
        )*
        const LISTED: &[&str] = &[$(stringify!($name),)* $(stringify!($later),)*];
    };
}

scenarios! {
    both {
        bcrypt bcrypt_token jetstream_absent json mappings proxy_protocol permissions
        streams syntax system_account tls_map tls_optional tls_pinned tls_verify token
        user_and_password logging variables queue_permissions reload_limits reload_tls
        tls_auto tls_delay services tls tls_first no_auth_user connection_types nkeys
        operator_scoped operator_shares trusted_keys reload_operator callout
        callout_encrypted operator_expiry reload_users reload_accounts accounts operator
        limits absent callout_missing no_headers advertise trusted_proxies
        resolver_directory tls_several jetstream
    }
    reference {
        account_subscriptions latency own_imports
    }
}

#[test]
fn every_scenario_is_listed_and_every_difference_is_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = fs::read_dir(root.join("tests/parity/scenarios")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let found: BTreeSet<String> =
        names.filter_map(|name| name.strip_suffix(".txt").map(str::to_owned)).collect();
    let listed: BTreeSet<String> = LISTED.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(found, listed);
    let document = fs::read_to_string(root.join("docs/compatibility.md")).unwrap();
    for name in &listed {
        let scenario = Scenario::read(name);
        assert_eq!(scenario.exceptions.is_empty(), scenario.differences.is_empty(), "{name}");
        for difference in scenario.differences {
            let anchor = format!("## {difference}\n");
            assert!(document.contains(&anchor), "{name}: {difference} is not documented");
        }
    }
}
