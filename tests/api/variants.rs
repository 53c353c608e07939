//! `POST /variants`: several answers from one picture.

use std::time::{Duration, Instant};

use bytefit::params::{Preset, SetSpec, Table};
use serde_json::{Value, json};

use crate::client::{Answer, Request};
use crate::picture::{form, large, small};
use crate::server::{TestConfig, TestServer};

fn variants(spec: &Value, picture: &[u8]) -> Request {
    let text = spec.to_string();
    let (content_type, body) = form(&[("spec", None, text.as_bytes()), ("file", Some("a.png"), picture)]);
    Request::new("POST", "/variants").header("content-type", &content_type).body(&body)
}

fn output<'a>(report: &'a Value, name: &str) -> &'a Value {
    let outputs = report["outputs"].as_array().unwrap();
    outputs.iter().find(|output| output["name"] == name).unwrap_or_else(|| panic!("no {name} in {report}"))
}

/// The fields of the spec as a query for /compress.
fn query(parameters: &Value) -> String {
    let pairs = parameters.as_object().unwrap().iter();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    pairs.map(|(name, value)| format!("{name}={}", text(value))).collect::<Vec<_>>().join("&")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_output_is_what_compress_gives_and_shares_its_cache() {
    let server = TestServer::start().await;
    let picture = small();
    let outputs = [
        ("thumb", json!({"width": 64, "format": "webp", "target": "2KB"})),
        ("exact", json!({"target": 20_000, "mode": "exact", "format": "jpeg"})),
        ("same", json!({"target": "10MB", "format": "png"})),
        ("square", json!({"width": 90, "height": 90, "resize": "cover", "format": "jpeg,webp", "target": "4KB"})),
        ("auto", json!({"target": "9KB", "effort": "fast"})),
        ("avif", json!({"target": "5KB", "format": "avif", "width": 64})),
        ("again", json!({"width": 64, "format": "jpeg", "target": "2KB"})),
    ];
    let before = server.compress(&query(&outputs[3].1), &picture).await;
    let named = |(name, parameters): &(&str, Value)| {
        let mut output = parameters.clone();
        output["name"] = (*name).into();
        output
    };
    let spec = json!({"outputs": outputs.iter().map(named).collect::<Vec<_>>()});
    let answer = server.ask(variants(&spec, &picture)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.find("bytefit-failed").is_none());
    let report = answer.json();
    assert_eq!(report["input"]["width"], 256);
    assert_eq!(output(&report, "square")["cache"], "hit", "asked of /compress before");
    let mut total = 0;
    for (name, parameters) in &outputs {
        let output = output(&report, name);
        let single = server.compress(&query(parameters), &picture).await;
        assert_eq!(single.header("cache-status"), "bytefit; hit; detail=memory", "{name}");
        let image = server.get(output["output"]["url"].as_str().unwrap()).await;
        assert_eq!(image.body, single.body, "{name}");
        assert_eq!(output["output"]["bytes"], image.body.len(), "{name}");
        assert_eq!(output["outcome"], single.header("bytefit-outcome").split(',').next().unwrap(), "{name}");
        total += image.body.len();
    }
    assert_eq!(before.body, server.compress(&query(&outputs[3].1), &picture).await.body);
    assert_eq!(report["total"]["bytes"], total);
    // The same picture without a cache: computed alone, the bytes are the same.
    let uncached = TestServer::start_with(|config| config.engine.cache.capacity_bytes = 0).await;
    for (name, parameters) in &outputs {
        let alone = uncached.compress(&query(parameters), &picture).await;
        assert_eq!(alone.header("cache-status"), "bytefit; fwd=miss", "{name}");
        assert_eq!(alone.body, server.compress(&query(parameters), &picture).await.body, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_is_decoded_once() {
    let server = TestServer::start().await;
    let spec = json!({"sizes": [{"name": "a", "width": 64}, {"name": "b", "width": 128}], "formats": ["webp", "jpeg"],
        "defaults": {"target": "4KB"}});
    let answer = server.ask(variants(&spec, &small())).await;
    assert_eq!(answer.json()["outputs"].as_array().unwrap().len(), 4, "{answer:?}");
    let decoded: f64 = server.series("bytefit_stage_duration_seconds_sum{stage=\"decode\"}").await;
    let reported = answer.json()["timings_ms"]["decode"].as_f64().unwrap();
    assert!((decoded * 1e3 - reported).abs() < 0.1, "{decoded} s, {reported} ms");
    assert_eq!(server.series("bytefit_queue_wait_seconds_count").await, 1.0, "one permit");
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_and_widths_come_with_srcset_and_html() {
    let server = TestServer::start().await;
    let spec = json!({"widths": [64, 128, 128, 300, 600], "formats": ["webp", "jpeg"], "defaults": {"target": "9KB"}});
    let report = server.ask(variants(&spec, &small())).await.json();
    let names: Vec<&str> =
        report["outputs"].as_array().unwrap().iter().map(|output| output["name"].as_str().unwrap()).collect();
    let expected = ["64w.webp", "64w.jpeg", "128w.webp", "128w.jpeg", "300w.webp", "300w.jpeg"];
    assert_eq!(names, expected, "600 and 300 give the same 256 pixels");
    let url = |name: &str| output(&report, name)["output"]["url"].as_str().unwrap();
    let webp = format!("{} 64w, {} 128w, {} 256w", url("64w.webp"), url("128w.webp"), url("300w.webp"));
    assert_eq!(report["srcset"]["image/webp"], webp);
    let html = report["html"].as_str().unwrap();
    assert!(html.starts_with(&format!("<picture><source type=\"image/webp\" srcset=\"{webp}\"")), "{html}");
    assert!(html.contains(&format!("<img src=\"{}\"", url("300w.jpeg"))), "{html}");
    assert!(html.contains("width=\"256\" height=\"256\""), "{html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_impossible_output_leaves_the_others() {
    let server = TestServer::start().await;
    let spec = json!({"outputs": [
        {"name": "good", "target": "9KB", "format": "jpeg"},
        {"name": "bad", "target": 9, "format": "jpeg"},
        {"name": "fine", "target": "5KB", "format": "webp"},
    ]});
    let answer = server.ask(variants(&spec, &small())).await;
    assert_eq!((answer.status, answer.header("bytefit-failed")), (200, "1"));
    let report = answer.json();
    assert_eq!((&output(&report, "good")["status"], &output(&report, "fine")["status"]), (&"ok".into(), &"ok".into()));
    let bad = output(&report, "bad");
    assert_eq!((&bad["status"], &bad["problem"]["code"]), (&"error".into(), &"target_unreachable".into()));
    assert!(bad["problem"]["smallest_bytes"].as_u64().unwrap() > 9);

    let mut strict = spec.clone();
    strict["on_error"] = "fail".into();
    for accept in ["application/json", "application/zip", "multipart/mixed"] {
        let failed = server.ask(variants(&strict, &small()).header("accept", accept)).await;
        assert_eq!((failed.status, failed.header("content-type")), (422, "application/json"), "{accept}");
        assert_eq!(failed.header("cache-control"), "no-store");
        assert_eq!(failed.header("bytefit-failed"), "1");
        assert_eq!(output(&failed.json(), "bad")["status"], "error");
    }
    let hopeless = json!({"outputs": [{"name": "bad", "target": 9, "format": "jpeg"}]});
    for accept in ["application/json", "application/zip", "multipart/form-data"] {
        let failed = server.ask(variants(&hopeless, &small()).header("accept", accept)).await;
        assert_eq!((failed.status, failed.header("bytefit-failed")), (422, "1"), "{accept}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_total_is_shared_by_all_outputs_and_never_exceeded() {
    let server = TestServer::start().await;
    let spec = json!({"sizes": [{"name": "small", "width": 64}, {"name": "full"}], "formats": ["jpeg", "webp"],
        "outputs": [{"name": "own", "target": "2KB", "format": "jpeg"}], "total": "30KB"});
    let answer = server.ask(variants(&spec, &small())).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let report = answer.json();
    let bytes = |report: &Value| -> u64 {
        let outputs = report["outputs"].as_array().unwrap().iter();
        outputs.map(|output| output["output"]["bytes"].as_u64().unwrap()).sum()
    };
    assert_eq!(report["total"], json!({"bytes": bytes(&report), "budget": 30_000}));
    assert!((27_000..=30_000).contains(&bytes(&report)), "{report}");
    assert!(output(&report, "own")["output"]["bytes"].as_u64().unwrap() <= 2_000, "{report}");
    let again = server.ask(variants(&spec, &small())).await.json();
    for (first, second) in report["outputs"].as_array().unwrap().iter().zip(again["outputs"].as_array().unwrap()) {
        assert_eq!((&second["cache"], &second["output"]), (&"hit".into(), &first["output"]));
        let image = server.get(first["output"]["url"].as_str().unwrap()).await;
        assert_eq!(image.body.len() as u64, first["output"]["bytes"].as_u64().unwrap());
    }
    let alone = server.compress("target=30KB&format=jpeg&width=64", &small()).await;
    assert_eq!(alone.header("cache-status"), "bytefit; fwd=miss; stored", "a share is no answer to a single request");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_total_that_is_too_low_names_the_smallest() {
    let server = TestServer::start().await;
    let within = |total: Value| json!({"sizes": [{"name": "small", "width": 64}, {"name": "full"}], "formats": ["jpeg", "webp"], "total": total});
    for accept in ["application/json", "application/zip", "multipart/mixed"] {
        let refused = server.ask(variants(&within(100.into()), &small()).header("accept", accept)).await;
        let problem = refused.problem(422, "total_unreachable");
        let smallest = problem["smallest_total_bytes"].clone();
        assert!(problem["total"] == 100 && smallest.as_u64() > Some(100), "{problem}");
        let met = server.ask(variants(&within(smallest.clone()), &small())).await;
        assert_eq!((met.status, met.find("bytefit-failed").is_none()), (200, true), "{met:?}");
        assert!(met.json()["total"]["bytes"].as_u64() <= smallest.as_u64(), "{met:?}");
    }
    let spec = json!({"outputs": [{"name": "a", "mode": "exact"}], "total": "9KB"});
    let problem = server.ask(variants(&spec, &small())).await.problem(400, "invalid_parameter");
    assert_eq!((&problem["output"], &problem["parameter"]), (&"a".into(), &"mode".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impossible_output_leaves_the_total_to_the_others() {
    let server = TestServer::start().await;
    let spec = json!({"outputs": [{"name": "a", "format": "jpeg"}, {"name": "b", "format": "webp"},
        {"name": "bad", "format": "jpeg", "crop": "0,0,9999,9"}], "total": "20KB"});
    for cache in ["miss", "hit"] {
        let answer = server.ask(variants(&spec, &small())).await;
        assert_eq!((answer.status, answer.header("bytefit-failed")), (200, "1"));
        let report = answer.json();
        assert_eq!(output(&report, "bad")["problem"]["parameter"], "crop");
        assert!((18_000..=20_000).contains(&report["total"]["bytes"].as_u64().unwrap()), "{report}");
        assert_eq!((&output(&report, "a")["cache"], &output(&report, "b")["cache"]), (&cache.into(), &cache.into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_used_is_named() {
    let server = TestServer::start().await;
    let picture = small();
    let bad = json!({"outputs": [{"name": "thumb", "target": "8KB", "width": "wide"}]});
    let problem = server.ask(variants(&bad, &picture)).await.problem(400, "invalid_parameter");
    assert_eq!((&problem["output"], &problem["parameter"]), (&"thumb".into(), &"width".into()));
    assert!(problem["detail"].as_str().unwrap().starts_with("output thumb: width: "), "{problem}");
    let raw = Request::new("POST", "/variants").body(&picture);
    let problem = server.ask(raw.clone()).await.problem(400, "invalid_parameter");
    assert_eq!(problem["parameter"], "spec");
    let unknown = Request::new("POST", "/variants?preset=site").body(&picture);
    assert_eq!(server.ask(unknown).await.problem(400, "invalid_parameter")["parameter"], "preset");
    let by_url = Request::new("POST", "/variants").header("content-type", "application/json").body(b"{}");
    assert_eq!(server.ask(by_url).await.problem(400, "invalid_parameter")["parameter"], "spec");
    server.ask(raw.header("accept", "image/webp")).await.problem(406, "not_acceptable");
    let spec = json!({"outputs": [{"name": "a", "target": 9000}]});
    server.ask(variants(&spec, b"no picture")).await.problem(415, "unsupported_format");
    server.ask(variants(&spec, &picture[..300])).await.problem(422, "undecodable");
    server.ask(variants(&spec, b"")).await.problem(400, "empty_body");
}

fn with_presets(config: &mut TestConfig) {
    let table: Table =
        serde_json::from_value(json!({"widths": [64, 128], "formats": ["webp"], "defaults": {"target": "4KB"}}))
            .unwrap();
    let site = Preset::Set(SetSpec::read(&table).unwrap());
    let pairs = [("target", "4KB"), ("format", "jpeg")];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    config.defaults.presets.extend([("site".to_owned(), site), ("portal".to_owned(), Preset::Parameters(pairs))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preset_is_a_set_for_a_raw_body() {
    let server = TestServer::start_with(with_presets).await;
    let picture = small();
    let ask = |preset: &str| Request::new("POST", &format!("/variants?preset={preset}")).body(&picture);
    let report = server.ask(ask("site")).await.json();
    assert_eq!(output(&report, "128w.webp")["output"]["width"], 128, "{report}");
    let report = server.ask(ask("portal")).await.json();
    assert_eq!(output(&report, "portal")["output"]["type"], "image/jpeg");
    let spec = json!({"outputs": [{"name": "a", "preset": "portal", "width": 50}]});
    assert_eq!(output(&server.ask(variants(&spec, &picture)).await.json(), "a")["output"]["width"], 50);
    let problem = server.ask(ask("avatar")).await.problem(400, "invalid_parameter");
    assert_eq!(problem["allowed"], "portal, site");
    let problem = server.compress("preset=site", &picture).await.problem(400, "invalid_parameter");
    assert_eq!(problem["allowed"], "portal");
    assert!(problem["detail"].as_str().unwrap().contains("/variants"), "{problem}");

    let only = |config: &mut TestConfig| {
        with_presets(config);
        config.defaults.presets_only = true;
    };
    let server = TestServer::start_with(only).await;
    assert_eq!(server.ask(ask("site")).await.status, 200);
    assert_eq!(server.ask(ask("portal")).await.status, 200);
    server.ask(variants(&spec, &picture)).await.problem(400, "invalid_parameter");
}

/// The files of a ZIP archive of stored files, read from its start as a streaming reader does.
fn unzip(mut bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    while bytes.starts_with(b"PK\x03\x04") {
        let size = u32::from_le_bytes(bytes[18..22].try_into().unwrap()) as usize;
        let name = usize::from(u16::from_le_bytes(bytes[26..28].try_into().unwrap()));
        let start = 30 + name;
        files.push((String::from_utf8(bytes[30..start].to_vec()).unwrap(), bytes[start..start + size].to_vec()));
        bytes = &bytes[start + size..];
    }
    assert!(bytes.starts_with(b"PK\x01\x02"));
    files
}

fn mixed_spec() -> Value {
    json!({"outputs": [
        {"name": "full", "target": "30KB", "format": "jpeg"},
        {"name": "thumb.webp", "target": "2KB", "width": 64, "format": "webp"},
        {"name": "bad", "target": 9, "format": "jpeg"},
    ]})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_has_every_image_and_the_report() {
    let server = TestServer::start().await;
    let answer = server.ask(variants(&mixed_spec(), &small()).header("accept", "application/zip")).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/zip"));
    assert_eq!(answer.header("bytefit-failed"), "1");
    assert_eq!(answer.header("content-length"), answer.body.len().to_string());
    let files = unzip(&answer.body);
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["thumb.webp", "full.jpg", "report.json"]);
    let report: Value = serde_json::from_slice(&files[2].1).unwrap();
    assert_eq!(output(&report, "full")["output"]["bytes"], files[1].1.len());
    assert_eq!(files[1].1, server.compress("target=30KB&format=jpeg", &small()).await.body);
}

/// The parts of a streamed multipart answer: head and body.
fn parts(answer: &Answer, body: &[u8]) -> Vec<(String, Vec<u8>)> {
    let content_type = answer.header("content-type");
    let boundary = format!("\r\n--{}", content_type.split("boundary=").nth(1).unwrap());
    let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|window| window == what);
    let mut parts = Vec::new();
    let mut rest = body.strip_prefix(&boundary.as_bytes()[2..]).expect("nothing is in front of the first boundary");
    while let Some(after) = rest.strip_prefix(b"\r\n") {
        let end = find(after, boundary.as_bytes()).unwrap();
        let head = find(after, b"\r\n\r\n").unwrap();
        parts.push((String::from_utf8(after[..head].to_vec()).unwrap(), after[head + 4..end].to_vec()));
        rest = &after[end + boundary.len()..];
    }
    assert_eq!(rest, b"--\r\n");
    parts
}

/// The bytes of a chunked body.
fn dechunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = bytes.windows(2).position(|window| window == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&bytes[line + 2..line + 2 + size]);
        bytes = &bytes[line + 4 + size..];
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_are_streamed_smallest_first_with_the_report_last() {
    let server = TestServer::start().await;
    for (accept, disposition) in [("multipart/mixed", "attachment"), ("multipart/form-data", "form-data")] {
        let request = variants(&mixed_spec(), &small()).header("accept", accept).header("connection", "close");
        let mut connection = server.connect().await;
        let (head, body) = connection.ask_streamed(&request).await;
        assert_eq!(head.status, 200);
        assert!(head.header("content-type").starts_with(&format!("{accept}; boundary=")));
        let parts = parts(&head, &dechunk(&body));
        let begins = |at: usize, name: &str| {
            let expected = format!("content-disposition: {disposition}; name=\"{name}\"");
            assert!(parts[at].0.starts_with(&expected), "{}", parts[at].0);
        };
        assert_eq!(parts.len(), 4);
        let thumb = parts.iter().position(|(head, _)| head.contains("name=\"thumb.webp\"")).unwrap();
        let full = parts.iter().position(|(head, _)| head.contains("name=\"full\"")).unwrap();
        assert!(thumb < full);
        begins(3, "report");
        assert!(parts[full].0.contains("content-type: image/jpeg\r\n"), "{}", parts[full].0);
        assert!(parts[full].0.contains("filename=\"full.jpg\""), "{}", parts[full].0);
        assert!(parts[full].0.contains(&format!("content-length: {}\r\n", parts[full].1.len())));
        assert!(parts[full].0.contains("bytefit-outcome: "), "{}", parts[full].0);
        assert_eq!(parts[full].1, server.compress("target=30KB&format=jpeg", &small()).await.body);
        assert!(parts.iter().any(|(head, _)| head.contains("application/problem+json")));
        let report: Value = serde_json::from_slice(&parts[3].1).unwrap();
        assert_eq!(report["outputs"].as_array().unwrap().len(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_after_the_first_part_frees_the_pool() {
    let server = TestServer::start().await;
    let mut outputs = vec![json!({"name": "thumb", "width": 32, "target": "2KB", "format": "webp"})];
    outputs.extend((0..30).map(|at| json!({"name": format!("n{at}"), "target": 60_000 + at, "effort": "best"})));
    let request = variants(&json!({"outputs": outputs}), &large()).header("accept", "multipart/mixed");
    let mut connection = server.connect().await;
    connection.write(&request.whole()).await;
    assert_eq!(connection.next_status().await, 200);
    server.wait_until(|health| health["in_flight"] == 1).await;
    drop(connection);
    let left = Instant::now();
    server.wait_until(|health| health["in_flight"] == 0).await;
    assert!(left.elapsed() < Duration::from_secs(1), "{:?}", left.elapsed());
}
