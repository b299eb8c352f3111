//! Any configuration file is taken or refused in words, and what is taken can be written again.
//!
//! Absent: files on disk; a file may include itself, and find itself in the environment.
#![no_main]

use fanfare::config::text::{digest, parse, print};
use fanfare::config::{Config, Files, load, reload};
use libfuzzer_sys::fuzz_target;

/// One text under every name.
struct Same<'a>(&'a str);

impl Files for Same<'_> {
    fn read(&mut self, _: &str) -> Result<String, String> {
        Ok(self.0.to_owned())
    }
    fn variable(&self, name: &str) -> Option<String> {
        (name.len() < 3).then(|| self.0.to_owned())
    }
}

fuzz_target!(|text: &str| {
    let tree = parse("f.conf", &mut Same(text));
    let loaded = load("f.conf", &mut Same(text), Config::default());
    let tree = match tree {
        Ok(tree) => tree,
        Err(error) => {
            assert!(!error.text.is_empty());
            assert_eq!(loaded.expect_err("no tree, no configuration").lines(), [error.text]);
            return;
        }
    };
    let printed = print(&tree.root);
    let again = parse("f.conf", &mut Same(&printed)).expect("what is printed can be read");
    assert_eq!(again.root, tree.root, "{printed}");
    assert_eq!(digest(&again.root), digest(&tree.root));
    match loaded {
        Err(errors) => assert!(!errors.lines().is_empty() && errors.lines().len() <= 201),
        Ok(config) => {
            assert_eq!(config.digest, Some(digest(&tree.root)));
            let changes = reload::between(&config, &config).expect("nothing is fixed");
            assert!(changes.is_empty(), "{:?}", changes.lines);
            config.limits.check().expect("limits are checked");
        }
    }
});
