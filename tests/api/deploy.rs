//! The files in deploy/ name only what the service has.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::server::TestServer;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Every name of ours in `text`, without what histograms add to it.
fn metrics_named(text: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let words = text.split(|c: char| !is_word(c)).filter(|word| word.starts_with("bytefit_"));
    words
        .map(|word| {
            ["_bucket", "_sum", "_count"]
                .iter()
                .fold(word, |name, end| name.strip_suffix(end).unwrap_or(name))
                .to_owned()
        })
        .collect()
}

/// The names of the alerts, in order.
fn alerts() -> Vec<String> {
    let rules = read("deploy/prometheus/alerts.yml");
    rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ").map(str::to_owned)).collect()
}

fn dashboard() -> Value {
    serde_json::from_str(&read("deploy/grafana/bytefit.json")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_that_alerts_and_dashboard_name_exists() {
    let exposed = TestServer::start().await.metrics().await;
    let exists = |name: &String| exposed.lines().any(|line| line.starts_with(&format!("# TYPE {name} ")));
    for path in ["deploy/prometheus/alerts.yml", "deploy/prometheus/alerts_test.yml", "deploy/grafana/bytefit.json"] {
        let named = metrics_named(&read(path));
        assert!(named.len() > 5, "{path} names {named:?}");
        let missing: Vec<&String> = named.iter().filter(|name| !exists(name)).collect();
        assert!(missing.is_empty(), "{path} names {missing:?}");
    }
}

#[test]
fn every_alert_has_a_runbook_and_a_test() {
    let (rules, manual, tests) =
        (read("deploy/prometheus/alerts.yml"), read("docs/operations.md"), read("deploy/prometheus/alerts_test.yml"));
    assert!(alerts().len() >= 8);
    for alert in alerts() {
        assert!(manual.contains(&format!("\n### {alert}\n")), "{alert} has no runbook");
        assert!(rules.contains(&format!("runbook: docs/operations.md#{}\n", alert.to_lowercase())), "{alert}");
        assert!(tests.contains(&format!("alertname: {alert}\n")), "{alert} has no test in which it fires");
    }
}

#[test]
fn the_panels_of_the_dashboard_take_the_data_source_of_its_variable() {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert!(variables.iter().any(|variable| variable["type"] == "datasource" && variable["name"] == "datasource"));
    let panels: Vec<&Value> =
        dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row").collect();
    assert!(panels.len() > 12);
    for panel in panels {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
        let targets = panel["targets"].as_array().unwrap();
        assert!(targets.iter().all(|target| target["expr"].as_str().unwrap().contains("$instance")), "{panel}");
    }
}

#[test]
fn the_panels_of_the_dashboard_do_not_overlap() {
    let dashboard = dashboard();
    let mut taken = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let side = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(side("x") + side("w") <= 24, "{}", panel["title"]);
        for row in side("y")..side("y") + side("h") {
            for column in side("x")..side("x") + side("w") {
                assert!(taken.insert((row, column)), "{} lies on another", panel["title"]);
            }
        }
    }
}
