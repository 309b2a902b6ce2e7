//! What the targets start from: exports of people who do not exist, and what the national plugin made of one.

use serde_json::Value;
use vhr_agent::demo::exports::{self, Oddity, Options};
use vhr_agent::frame::{self, Limits};

/// Files of every kind, odd and broken ones among them; small enough to be changed often.
pub fn files() -> Vec<Vec<u8>> {
    let options = [
        Options::demo(),
        Options {
            oddities: Oddity::ALL.to_vec(),
            ..Options::all_tables(130, 40)
        },
    ];
    let files = options
        .iter()
        .flat_map(|options| exports::generate(options).collect::<Vec<_>>());
    files
        .map(|file| file.bytes)
        .filter(|bytes| bytes.len() < 128 * 1024)
        .collect()
}

/// Visits as a plugin sees them.
pub fn views() -> Vec<String> {
    let limits = Limits::default();
    let cuts = files().into_iter().flat_map(move |file| {
        let cuts: Vec<_> = frame::records(&file[..], &Limits::default()).collect();
        cuts.into_iter().flatten()
    });
    let opened = cuts.filter_map(|cut| frame::open(&cut, &limits).ok());
    opened.map(|opened| opened.view_json()).collect()
}

/// The resources of two visits, as the national plugin gives them: type, key and JSON.
pub fn resources() -> Vec<(String, String, String)> {
    let golden = [
        include_str!("../../plugins/qd3176/golden/visit.r4.json"),
        include_str!("../../plugins/qd3176/golden/papers.moh-ehealth-1.0.json"),
    ];
    let mut all = Vec::new();
    for golden in golden {
        let golden: Value = serde_json::from_str(golden).expect("a golden file is JSON");
        for resource in golden["resources"].as_array().into_iter().flatten() {
            let text = |name: &str| resource[name].as_str().unwrap_or_default().to_owned();
            all.push((text("type"), text("key"), resource["resource"].to_string()));
        }
    }
    all
}
