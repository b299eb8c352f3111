//! One test for each file of `transcripts/`, and one that none is forgotten.
//!
//! Absent: the conversations themselves.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::transcript::{SPLITS, Script, Split, play};

macro_rules! transcripts {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                let script = Script::read(concat!(stringify!($name), ".txt"));
                for (split, shards) in SPLITS.into_iter().zip([1, 2, 3, 4, 5, 8]) {
                    if split == Split::Whole || !script.whole {
                        play(&script, split, shards);
                    }
                }
            }
        )*
        const LISTED: &[&str] = &[$(stringify!($name)),*];
    };
}

transcripts! {
    arguments_count arguments_size arguments_size_zeros
    carriage_return_in_argument client_only_operations connect_again
    connect_again_keeps
    connect_defaults connect_json connect_json_depth connect_json_lenient connect_pipelined
    connect_refused connections_limit control_line_limit
    control_line_limit_lower echo framing_before_the_operation
    framing_blanks framing_case framing_line_ends framing_missing_blank
    framing_rest_of_line greeting greeting_max_payload half_close
    ignored_line_limit line_feed_before_arguments no_responders no_responders_receiver
    no_responders_verbose order pedantic pedantic_and_more ping publish_headers
    publish_limit publish_limit_default publish_replies publish_reserved
    publish_subjects queue_groups queue_groups_echo queue_groups_filters
    queue_groups_names queue_groups_reserved server_only_operations
    subjects_as_bytes subjects_deep subscribe_errors subscribe_limit
    subscribe_same_sid subscribe_sids subscribe_twice unsubscribe
    unsubscribe_max unsubscribe_max_not_counted unsubscribe_max_queue
    verbose wildcards wildcards_as_text
}

#[test]
fn every_transcript_is_listed_and_every_difference_is_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = fs::read_dir(root.join("tests/it/transcripts")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let found: BTreeSet<String> =
        names.filter_map(|name| name.strip_suffix(".txt").map(str::to_owned)).collect();
    let listed: BTreeSet<String> = LISTED.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(found, listed);
    let document = fs::read_to_string(root.join("docs/compatibility.md")).unwrap();
    for name in &listed {
        for difference in Script::read(&format!("{name}.txt")).differences {
            let anchor = format!("## {difference}\n");
            assert!(document.contains(&anchor), "{name}: {difference} is not documented");
        }
    }
}
