//! Traces of requests, as a collector gets them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use http::StatusCode;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::client::{PATIENCE, Request};
use crate::picture::{form, small};
use crate::server::TestServer;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// Takes traces, and tells them to the test.
struct Collector {
    address: SocketAddr,
    requests: mpsc::UnboundedReceiver<ExportTraceServiceRequest>,
}

impl Collector {
    async fn start() -> Collector {
        let (sender, requests) = mpsc::unbounded_channel();
        let take = async move |body: Bytes| {
            sender.send(ExportTraceServiceRequest::decode(body).unwrap()).unwrap();
        };
        let address = serve(Router::new().route("/v1/traces", post(take))).await;
        Collector { address, requests }
    }

    /// The next batch of spans, and the attributes of the service that they come from.
    async fn next(&mut self) -> (Vec<Span>, BTreeMap<String, String>) {
        let request = timeout(PATIENCE, self.requests.recv()).await.expect("spans come").unwrap();
        let resource = &request.resource_spans[0];
        let service = attributes(&resource.resource.as_ref().unwrap().attributes);
        (resource.scope_spans.iter().flat_map(|scope| scope.spans.clone()).collect(), service)
    }

    /// The next batch of spans.
    async fn spans(&mut self) -> Vec<Span> {
        self.next().await.0
    }
}

/// Serves `router` until the test ends.
async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

/// A service whose traces go to `collector`.
async fn traced(collector: SocketAddr) -> TestServer {
    TestServer::start_with(|config| {
        config.trace.endpoint = Some(format!("http://{collector}").parse().unwrap());
        config.trace.timeout = Duration::from_millis(300);
    })
    .await
}

fn compress(target: u32) -> Request {
    Request::compress(&format!("target={target}&format=jpeg&downscale=never&on_miss=smallest"), &small())
}

fn called(request: Request, flags: &str) -> Request {
    request.header("traceparent", &format!("00-{TRACE}-{PARENT}-{flags}"))
}

fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |pair: &KeyValue| match pair.value.clone().unwrap().value.unwrap() {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    pairs.iter().map(|pair| (pair.key.clone(), text(pair))).collect()
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn names(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_a_span_under_the_callers_with_its_stages_under_it() {
    let mut collector = Collector::start().await;
    let server = traced(collector.address).await;
    let answer = server.ask(called(compress(12_000), "01").header("x-request-id", "one")).await;
    assert_eq!(answer.status, 200);
    let (spans, service) = collector.next().await;
    assert_eq!(service["service.name"], "bytefit");
    let [request, stages @ ..] = &spans[..] else { panic!("no spans") };
    assert_eq!((request.name.as_str(), request.kind()), ("POST /compress", SpanKind::Server));
    assert_eq!((hex(&request.trace_id), hex(&request.parent_span_id)), (TRACE.to_owned(), PARENT.to_owned()));
    let facts = attributes(&request.attributes);
    for (name, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/compress"),
        ("http.response.status_code", "200"),
        ("bytefit.request_id", "one"),
        ("bytefit.outcome", answer.header("bytefit-outcome")),
        ("bytefit.output.format", "jpeg"),
        ("bytefit.target", "12000"),
        ("bytefit.cache", "miss"),
    ] {
        assert_eq!(facts[name], value, "{name}");
    }
    let mut in_order = stages.to_vec();
    in_order.sort_by_key(|span| (span.start_time_unix_nano, span.end_time_unix_nano));
    assert_eq!(names(&in_order), ["receive", "queue", "decode", "transform", "search"]);
    for stage in stages {
        assert_eq!((&stage.trace_id, &stage.parent_span_id), (&request.trace_id, &request.span_id), "{}", stage.name);
        assert!(stage.start_time_unix_nano <= stage.end_time_unix_nano, "{}", stage.name);
        assert!(request.start_time_unix_nano <= stage.start_time_unix_nano, "{}", stage.name);
        assert!(stage.end_time_unix_nano <= request.end_time_unix_nano, "{}", stage.name);
    }
    server.wait_until_counted(r#"bytefit_trace_spans_total{result="sent"}"#, 6.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_from_the_cache_has_no_stages_of_its_work() {
    let mut collector = Collector::start().await;
    let server = traced(collector.address).await;
    server.ask(compress(12_000)).await;
    collector.spans().await;
    server.ask(compress(12_000)).await;
    assert_eq!(names(&collector.spans().await), ["POST /compress", "receive"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_output_of_a_set_is_a_span() {
    let mut collector = Collector::start().await;
    let server = traced(collector.address).await;
    let spec = r#"{"widths":[16,32],"formats":["jpeg"],"defaults":{"target":"9KB"}}"#;
    let (content_type, body) = form(&[("spec", None, spec.as_bytes()), ("file", Some("a.png"), &small())]);
    let answer = server.ask(Request::new("POST", "/variants").header("content-type", &content_type).body(&body)).await;
    assert_eq!(answer.status, 200);
    let spans = collector.spans().await;
    assert_eq!(names(&spans), ["POST /variants", "output", "output"]);
    for span in &spans[1..] {
        assert_eq!(span.parent_span_id, spans[0].span_id);
        assert!(spans[0].start_time_unix_nano <= span.start_time_unix_nano);
        assert_eq!(attributes(&span.attributes)["bytefit.output.format"], "jpeg");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_caller_does_not_record_and_what_pages_and_probes_ask_is_not_sent() {
    let mut collector = Collector::start().await;
    let server = traced(collector.address).await;
    server.ask(called(compress(12_000), "00")).await;
    for path in ["/health", "/metrics", "/status", "/dashboard", "/openapi.json", "/nothing"] {
        server.ask(called(Request::get(path), "01")).await;
    }
    server.ask(called(Request::get("/results/none"), "01")).await;
    let spans = collector.spans().await;
    assert_eq!(names(&spans), ["GET /results/{id}"]);
    assert_eq!(attributes(&spans[0].attributes)["error.type"], "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_names_its_trace_with_and_without_a_collector() {
    let wrong = || Request::compress("target=", &small());
    let untraced = TestServer::start().await;
    assert_eq!(untraced.ask(called(wrong(), "01")).await.json()["trace_id"], TRACE);
    assert!(untraced.ask(wrong()).await.json().get("trace_id").is_none());
    let mut collector = Collector::start().await;
    let server = traced(collector.address).await;
    let problem = server.ask(wrong()).await.json();
    let spans = collector.spans().await;
    assert_eq!(problem["trace_id"], hex(&spans[0].trace_id));
    assert!(spans[0].parent_span_id.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_notices_a_collector_that_fails_is_silent_or_is_not_there() {
    let failing = serve(Router::new().fallback(async || StatusCode::INTERNAL_SERVER_ERROR)).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for collector in [failing, silent.local_addr().unwrap(), gone] {
        let server = traced(collector).await;
        for target in 12_000..12_010 {
            assert_eq!(server.ask(compress(target)).await.status, 200);
        }
        server.wait_until_counted(r#"bytefit_trace_spans_total{result="failed"}"#, 6.0).await;
    }
}
