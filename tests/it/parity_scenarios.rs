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
        absent accounts advertise bcrypt bcrypt_token callout callout_encrypted
        callout_missing connection_types jetstream jetstream_absent json limits logging
        mappings nkeys no_auth_user no_headers operator operator_expiry operator_scoped
        operator_shares own_imports permissions proxy_protocol queue_permissions
        reload_accounts reload_limits reload_operator reload_tls reload_users
        resolver_directory services streams syntax system_account tls tls_auto tls_delay
        tls_first tls_map tls_optional tls_pinned tls_several tls_verify token trusted_keys
        trusted_proxies user_and_password variables
    }
    reference {
        account_subscriptions latency
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
