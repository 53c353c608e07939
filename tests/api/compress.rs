//! `POST /compress` and `GET /results/{id}`: successful answers.

use crate::client::Request;
use crate::picture::{form, large, small};
use crate::server::TestServer;

const HEADERS: &[&str] = &[
    "content-type",
    "content-length",
    "etag",
    "cache-status",
    "server-timing",
    "x-request-id",
    "bytefit-outcome",
    "bytefit-target",
    "bytefit-input-bytes",
    "bytefit-encodes",
    "bytefit-width",
    "bytefit-height",
];

#[tokio::test(flavor = "multi_thread")]
async fn never_exceeds_the_target_and_reports_how() {
    let server = TestServer::start().await;
    let picture = small();
    for format in ["jpeg", "webp", "avif"] {
        let answer = server.compress(&format!("target=12KB&format={format}"), &picture).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.body.len() <= 12_000, "{format}: {}", answer.body.len());
        for name in HEADERS {
            answer.header(name);
        }
        assert_eq!(answer.header("content-type"), format!("image/{format}"));
        assert_eq!(answer.header("content-length"), answer.body.len().to_string());
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("bytefit-target"), "12000");
        assert_eq!(answer.header("bytefit-input-bytes"), picture.len().to_string());
        assert_eq!(answer.header("cache-status"), "bytefit; fwd=miss; stored");
        assert!(answer.header("etag").starts_with('"'), "strong");
        assert!(answer.find("vary").is_none(), "the format was not negotiated");
        for stage in ["queue;dur=", "decode;dur=", "transform;dur=", "search;dur=", "total;dur="] {
            assert!(answer.header("server-timing").contains(stage));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_score_is_given_where_it_was_measured() {
    let server = TestServer::start().await;
    let request = Request::compress("target=12KB&format=jpeg&min_score=20", &small());
    let answer = server.ask(request.clone()).await;
    let score: f64 = answer.header("bytefit-score").parse().unwrap();
    assert!((20.0..100.0).contains(&score), "{score}");
    let report = server.ask(request.header("accept", "application/json")).await.json();
    assert_eq!(report["output"]["score"], score);
    let unmeasured = server.compress("target=12KB&format=jpeg", &small()).await;
    assert_eq!(unmeasured.find("bytefit-score"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn transforms_are_done_in_their_order_and_cached_apart() {
    let server = TestServer::start().await;
    let picture = small();
    for (query, width, height) in [
        ("crop=10,20,200,100", 200, 100),
        ("crop=25%25,0,50%25,100%25", 128, 256),
        ("crop=10,20,200,100&rotate=90", 100, 200),
        ("crop=0,0,200,100&rotate=270&flip=horizontal&width=50", 50, 100),
        ("width=64&height=32&resize=cover&gravity=north-east", 64, 32),
        ("width=64&height=32&resize=cover&gravity=0.3,0.7", 64, 32),
        ("width=64&height=32&resize=cover&gravity=smart", 64, 32),
        ("width=300&height=400&resize=contain&background=336699", 300, 400),
        ("blur=2.5", 256, 256),
        ("sharpen=1", 256, 256),
        ("grayscale=true", 256, 256),
    ] {
        let answer = server.compress(&format!("target=9KB&format=webp&downscale=never&{query}"), &picture).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        assert!(answer.body.len() <= 9_000, "{query}");
        assert_eq!(answer.header("cache-status"), "bytefit; fwd=miss; stored", "{query}");
        assert_eq!(answer.header("bytefit-width"), width.to_string(), "{query}");
        assert_eq!(answer.header("bytefit-height"), height.to_string(), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crop_beyond_the_picture_is_refused_with_its_size() {
    let server = TestServer::start().await;
    let problem = server.compress("target=9KB&crop=200,0,57,10", &small()).await.problem(400, "invalid_parameter");
    assert_eq!((&problem["parameter"], &problem["given"]), (&"crop".into(), &"200,0,57,10".into()));
    assert_eq!(problem["allowed"], "a part of the picture of 256x256 pixels");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_picture_meets_its_target_too() {
    let server = TestServer::start().await;
    let answer = server.compress("target=60KB&format=webp", &large()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.body.len() <= 60_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_already_fits_passes_through() {
    let server = TestServer::start().await;
    let picture = small();
    let answer = server.compress("target=10MB&format=png", &picture).await;
    assert_eq!(answer.header("bytefit-outcome"), "passthrough");
    assert!(answer.find("bytefit-quality").is_none());
    assert!(answer.body.len() <= picture.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn padding_is_reported() {
    let server = TestServer::start().await;
    let answer = server.compress("target=20000&mode=exact&format=jpeg", &small()).await;
    assert_eq!(answer.body.len(), 20_000);
    assert!(answer.header("bytefit-outcome").ends_with(", padded"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_means_the_same_as_a_query() {
    let server = TestServer::start().await;
    let picture = small();
    let raw = server.compress("target=12KB&format=jpeg", &picture).await;
    let (content_type, body) =
        form(&[("format", None, b"jpeg"), ("picture", Some("cat.png"), &picture), ("target", None, b"12 KB")]);
    let request = Request::new("POST", "/compress").header("content-type", &content_type).body(&body);
    let from_form = server.ask(request).await;
    assert_eq!(from_form.status, 200, "{from_form:?}");
    assert_eq!(from_form.body, raw.body);
    assert_eq!(from_form.header("cache-status"), "bytefit; hit; detail=memory");
    let request = Request::new("POST", "/compress?format=jpeg").header("content-type", &content_type);
    let (_, body) = form(&[("file", None, &picture), ("max_bytes", None, b"12000")]);
    assert_eq!(server.ask(request.body(&body)).await.body, raw.body, "query and form together");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_content_type_of_a_raw_body_does_not_matter() {
    let server = TestServer::start().await;
    for content_type in ["application/json", "text/plain", "image/jpeg", "application/x-www-form-urlencoded"] {
        let request = Request::compress("target=12KB&format=jpeg", &small()).header("content-type", content_type);
        assert_eq!(server.ask(request).await.status, 200, "{content_type}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identical_request_is_answered_from_the_cache() {
    let server = TestServer::start().await;
    let picture = small();
    let first = server.compress("target=12KB&format=webp", &picture).await;
    let second = server.compress("format=webp&max_bytes=12000", &picture).await;
    assert_eq!(second.header("cache-status"), "bytefit; hit; detail=memory");
    assert_eq!(second.header("etag"), first.header("etag"));
    assert_eq!(second.body, first.body);
    assert_eq!(second.header("bytefit-quality"), first.header("bytefit-quality"));
    let other = server.compress("target=11KB&format=webp", &picture).await;
    assert_eq!(other.header("cache-status"), "bytefit; fwd=miss; stored");
    assert_ne!(other.header("etag"), first.header("etag"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_is_answered_whatever_etag_the_client_knows() {
    let server = TestServer::start().await;
    let request = Request::compress("target=12KB&format=webp", &small());
    let first = server.ask(request.clone()).await;
    for known in [first.header("etag"), "\"other\"", "*"] {
        let again = server.ask(request.clone().header("if-none-match", known)).await;
        assert_eq!((again.status, &again.body), (200, &first.body), "{known}");
        assert_eq!(again.header("etag"), first.header("etag"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_has_every_fact_and_the_url_of_the_image() {
    let server = TestServer::start().await;
    let picture = small();
    let request = Request::compress("target=12KB", &picture).header("accept", "application/json");
    let answer = server.ask(request.clone()).await;
    assert_eq!(answer.header("content-type"), "application/json");
    let report = answer.json();
    assert_eq!(report["input"]["bytes"], picture.len());
    assert_eq!(report["input"]["type"], "image/png");
    assert_eq!((&report["input"]["width"], &report["input"]["height"]), (&256.into(), &256.into()));
    assert_eq!(report["target"], 12_000);
    assert_eq!(report["cache"], "miss");
    assert!(report["output"]["bytes"].as_u64().unwrap() <= 12_000);
    assert_eq!(report["encodes"], answer.header("bytefit-encodes").parse::<u64>().unwrap());
    assert!(report["outcome"].is_string() && report["output"]["quality"].is_number(), "{report}");
    let step = &report["trace"][0];
    for name in ["bytes", "kind", "format", "width", "height"] {
        assert!(!step[name].is_null(), "{name} in {step}");
    }
    for name in ["queue", "decode", "transform", "search", "total"] {
        assert!(report["timings_ms"][name].is_number(), "{name}");
    }
    let url = report["output"]["url"].as_str().unwrap();
    let image = server.get(url).await;
    assert_eq!(image.header("content-type"), report["output"]["type"]);
    assert_eq!(image.body.len() as u64, report["output"]["bytes"]);
    assert!(image.header("cache-control").contains("private"));
    let known = server.ask(Request::get(url).header("if-none-match", image.header("etag"))).await;
    assert_eq!(known.status, 304);
    let head = Request::new("HEAD", url);
    let known = head.clone().header("if-none-match", image.header("etag"));
    for (request, status) in [(head, 200), (known, 304)] {
        let answer = server.ask(request).await;
        assert_eq!((answer.status, answer.header("content-length")), (status, image.body.len().to_string().as_str()));
    }
    assert_eq!(server.ask(request).await.json()["cache"], "hit");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_kept_has_no_url() {
    // The answer is larger than an eighth of the cache.
    let server = TestServer::start_with(|config| config.engine.cache.capacity_bytes = 64 << 10).await;
    let request = Request::compress("target=12KB&format=jpeg", &small());
    let report = server.ask(request.clone().header("accept", "application/json")).await;
    assert!(report.json()["output"]["url"].is_null(), "{report:?}");
    let image = server.ask(request).await;
    assert_eq!(image.header("cache-status"), "bytefit; fwd=miss");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_name_has_the_extension_of_the_answer() {
    let server = TestServer::start().await;
    let answer = server.compress("target=12KB&format=jpeg&filename=holiday+1.png", &small()).await;
    assert_eq!(answer.header("content-disposition"), "inline; filename=\"holiday 1.jpg\"");
    let nameless = server.compress("target=12KB&format=jpeg", &small()).await;
    assert!(nameless.find("content-disposition").is_none());
}
