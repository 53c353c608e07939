//! Pictures by URL over TLS: the test is its own authority.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytefit::source;
use bytes::Bytes;
use http::Response;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::server::TlsStream;

use crate::client::Answer;
use crate::origin::FixedNames;
use crate::picture::small;
use crate::server::TestServer;
use crate::urls::by_url;

/// Time that the tests give a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(400);

/// Signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Vec<u8>,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().to_vec();
        Authority { issuer: Issuer::new(params, key), certificate }
    }

    /// The side of a host that proves to be `name`.
    fn acceptor(&self, name: &str, protocols: &[&str], change: impl FnOnce(&mut CertificateParams)) -> TlsAcceptor {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let mut config = config.with_single_cert(vec![certificate], key).unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A host that speaks TLS. It ends with the test's runtime.
struct EncryptedOrigin {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    /// The protocol of each request.
    protocols: Arc<Mutex<Vec<&'static str>>>,
}

impl EncryptedOrigin {
    async fn start(acceptor: TlsAcceptor) -> EncryptedOrigin {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, protocols) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let origin = EncryptedOrigin { address, connections: connections.clone(), protocols: protocols.clone() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(acceptor.clone(), stream, protocols.clone()));
            }
        });
        origin
    }
}

async fn serve(acceptor: TlsAcceptor, stream: TcpStream, protocols: Arc<Mutex<Vec<&'static str>>>) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => serve_http2(stream, &protocols).await,
        _ => serve_http1(stream, &protocols).await,
    }
}

async fn serve_http1(mut stream: TlsStream<TcpStream>, protocols: &Mutex<Vec<&'static str>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    protocols.lock().unwrap().push("http/1.1");
    let picture = small();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", picture.len());
    stream.write_all(&[head.as_bytes(), &picture].concat()).await.unwrap();
    stream.shutdown().await.unwrap();
}

async fn serve_http2(stream: TlsStream<TcpStream>, protocols: &Mutex<Vec<&'static str>>) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((_, mut respond))) = connection.accept().await {
        protocols.lock().unwrap().push("h2");
        let mut body = respond.send_response(Response::new(()), false).unwrap();
        body.send_data(Bytes::from(small()), true).unwrap();
    }
}

/// A server that trusts `authority`, and finds every name of `.test` on this machine.
async fn server(authority: &Authority, address: SocketAddr) -> TestServer {
    let names = ["good.test", "other.test"].map(|name| (name, &["127.0.0.1"][..]));
    TestServer::start_with(|config| {
        config.source = source::Config {
            enabled: true,
            allow_private: true,
            ports: vec![address.port()],
            connect_timeout: CONNECT_TIMEOUT,
            ..source::Config::default()
        };
        config.names = Arc::new(FixedNames::new(&names));
        config.authorities = vec![authority.certificate.clone()];
    })
    .await
}

async fn ask(server: &TestServer, address: SocketAddr, path: &str) -> Answer {
    let url = format!("https://good.test:{}{path}", address.port());
    server.ask(by_url(&url, json!({ "target": "12KB", "format": "jpeg" }))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_with_a_certificate_is_asked_by_the_best_protocol_that_it_speaks() {
    let authority = Authority::new("trusted");
    for (protocols, expected, connections) in
        [(&["h2", "http/1.1"][..], "h2", 1), (&["http/1.1"], "http/1.1", 2), (&[], "http/1.1", 2)]
    {
        let origin = EncryptedOrigin::start(authority.acceptor("good.test", protocols, |_| {})).await;
        let server = server(&authority, origin.address).await;
        for path in ["/a.png", "/b.png"] {
            let answer = ask(&server, origin.address, path).await;
            assert_eq!(answer.status, 200, "{protocols:?}: {answer:?}");
        }
        assert_eq!(*origin.protocols.lock().unwrap(), [expected, expected]);
        assert_eq!(origin.connections.load(Ordering::SeqCst), connections, "{expected}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_can_not_prove_who_it_is_is_refused_and_asked_once() {
    let (authority, stranger) = (Authority::new("trusted"), Authority::new("stranger"));
    let expired = |params: &mut CertificateParams| {
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
    };
    let early = |params: &mut CertificateParams| params.not_before = date_time_ymd(4000, 1, 1);
    for (acceptor, reason) in [
        (stranger.acceptor("good.test", &[], |_| {}), "of no public authority"),
        (authority.acceptor("good.test", &[], expired), "has expired"),
        (authority.acceptor("good.test", &[], early), "not valid"),
        (authority.acceptor("other.test", &[], |_| {}), "for another name"),
        (authority.acceptor("*.good.test", &[], |_| {}), "for another name"),
    ] {
        let origin = EncryptedOrigin::start(acceptor).await;
        let server = server(&authority, origin.address).await;
        let problem = ask(&server, origin.address, "/a.png").await.problem(502, "source_failed");
        assert!(problem["detail"].as_str().unwrap().contains(reason), "{reason}: {problem}");
        assert_eq!(origin.connections.load(Ordering::SeqCst), 1, "{reason}");
        assert!(origin.protocols.lock().unwrap().is_empty(), "nothing is asked of it");
        assert_eq!(server.series("bytefit_source_retries_total").await, 0.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_speaks_no_tls_fails_in_time() {
    let authority = Authority::new("trusted");
    for (greeting, status, code, reason) in [
        (Some("HTTP/1.1 400 Bad Request\r\n\r\n"), 502, "source_failed", "does not speak TLS"),
        (None, 504, "source_timeout", "0.4 s"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                stream.write_all(greeting.unwrap_or_default().as_bytes()).await.unwrap();
                open.push(stream);
            }
        });
        let server = server(&authority, address).await;
        let asked = Instant::now();
        let problem = ask(&server, address, "/a.png").await.problem(status, code);
        assert!(problem["detail"].as_str().unwrap().contains(reason), "{problem}");
        assert!(asked.elapsed() < 2 * CONNECT_TIMEOUT, "{:?}", asked.elapsed());
    }
}
