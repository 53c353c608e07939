//! Any text to a set of outputs: no panic, and every set valid.
#![no_main]

use std::collections::HashSet;

use bytefit::params::{Defaults, MAX_OUTPUTS, Set, SetSpec, Table};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(table) = serde_json::from_str::<Table>(text) else { return };
    let defaults = Defaults::default();
    let Ok(spec) = SetSpec::read(&table) else { return };
    match spec.expand(&defaults) {
        Ok(set) => check(set, &defaults),
        Err(error) => assert!(!error.path().is_empty() && !error.to_string().is_empty()),
    }
});

fn check(mut set: Set, defaults: &Defaults) {
    assert!((1..=MAX_OUTPUTS).contains(&set.outputs.len()));
    assert!(set.deadline <= defaults.max_deadline);
    assert!(set.total.is_none_or(|total| (1..=defaults.max_target).contains(&total)));
    assert!(set.outputs.iter().all(|output| (1..=defaults.max_target).contains(&output.request.job.target)));
    let names: HashSet<&str> = set.outputs.iter().map(|output| output.name.as_str()).collect();
    assert_eq!(names.len(), set.outputs.len());
    assert!(names.iter().all(|name| (1..=40).contains(&name.len())));
    set.collapse_widths(640);
    assert!(!set.outputs.is_empty());
}
