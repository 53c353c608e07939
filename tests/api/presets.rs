//! Presets: parameters under a name.

use bytefit::params::Preset;

use crate::client::Request;
use crate::picture::{form, small};
use crate::server::{TestConfig, TestServer};

fn with_portal(config: &mut TestConfig) {
    let pairs = [("target", "12KB"), ("format", "jpeg"), ("width", "200")];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    config.defaults.presets.insert("portal".to_owned(), Preset::Parameters(pairs.to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preset_stands_for_its_parameters_and_explicit_ones_win() {
    let server = TestServer::start_with(with_portal).await;
    let picture = small();
    let written_out = server.compress("target=12KB&format=jpeg&width=200", &picture).await;
    let preset = server.compress("preset=portal", &picture).await;
    assert_eq!(preset.status, 200, "{preset:?}");
    assert_eq!(preset.body, written_out.body);
    assert_eq!(preset.header("cache-status"), "bytefit; hit; detail=memory", "the two are one request");
    let changed = server.compress("preset=portal&width=100&format=webp", &picture).await;
    assert_eq!((changed.header("bytefit-width"), changed.header("content-type")), ("100", "image/webp"));
    let (content_type, body) = form(&[("preset", None, b"portal"), ("file", None, &picture)]);
    let request = Request::new("POST", "/compress").header("content-type", &content_type).body(&body);
    assert_eq!(server.ask(request).await.body, written_out.body, "in a form too");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_preset_is_named_with_those_that_there_are() {
    let server = TestServer::start_with(with_portal).await;
    let problem = server.compress("preset=avatar", &small()).await.problem(400, "invalid_parameter");
    assert_eq!((&problem["parameter"], &problem["allowed"]), (&"preset".into(), &"portal".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_only_presets_may_be_asked_for_all_else_is_refused() {
    let only = |config: &mut TestConfig| {
        with_portal(config);
        config.defaults.presets_only = true;
    };
    let server = TestServer::start_with(only).await;
    assert_eq!(server.compress("preset=portal&filename=me.jpg", &small()).await.status, 200);
    let problem = server.compress("preset=portal&width=100", &small()).await.problem(400, "invalid_parameter");
    assert_eq!((&problem["parameter"], &problem["allowed"]), (&"width".into(), &"preset=portal".into()));
}
