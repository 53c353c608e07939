//! The service itself in its sandbox.
#![expect(unsafe_code, reason = "signals are system calls")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

#[test]
fn the_sandboxed_service_serves_measures_logs_and_drains() {
    let mut service = Service::start();
    for format in ["jpeg", "webp", "avif", "png"] {
        let answer = service.ask("POST", &format!("/compress?target=20KB&format={format}"), &picture());
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{format}: {}", String::from_utf8_lossy(&answer));
    }
    service.signal(libc::SIGSTOP);
    service.signal(libc::SIGCONT);
    let metrics = String::from_utf8(service.ask("GET", "/metrics", b"")).unwrap();
    for name in ["open_fds", "max_fds", "resident_memory_bytes", "threads", "start_time_seconds"] {
        assert!(value(&metrics, &format!("process_{name}")) > 0.0, "{name}");
    }
    // In whole seconds.
    assert!(value(&metrics, "process_cpu_seconds_total") >= 0.0);

    let mut late = service.begin("/compress?target=20KB&format=webp", &picture());
    service.signal(libc::SIGTERM);
    while service.logged()["message"] != "SIGTERM: draining" {}
    late.write_all(&picture()).unwrap();
    assert!(rest(late).starts_with(b"HTTP/1.1 200"));
    assert!(service.process.wait().unwrap().success());
}

#[test]
fn the_sandboxed_service_fetches_from_the_ports_of_the_configuration_and_through_no_proxy() {
    let [origin, proxy] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let port = origin.local_addr().unwrap().port();
    let ports = format!("{port},9");
    let proxy_url = format!("http://{}", proxy.local_addr().unwrap());
    let mut service = Service::start_with(&[
        ("BYTEFIT_SOURCE__ENABLED", "true"),
        ("BYTEFIT_SOURCE__ALLOW_PRIVATE", "true"),
        ("BYTEFIT_SOURCE__PORTS", &ports),
        ("HTTP_PROXY", &proxy_url),
        ("http_proxy", &proxy_url),
        ("ALL_PROXY", &proxy_url),
    ]);
    let served = thread::spawn(move || {
        let (mut stream, _) = origin.accept().unwrap();
        let mut head = [0; 4096];
        let length = stream.read(&mut head).unwrap();
        let picture = picture();
        stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", picture.len()).as_bytes()).unwrap();
        stream.write_all(&picture).unwrap();
        String::from_utf8_lossy(&head[..length]).into_owned()
    });
    let body = format!(r#"{{"url":"http://127.0.0.1:{port}/a.png","target":"20KB"}}"#);
    let mut connection = service.send_head("POST", "/compress", body.as_bytes(), "Content-Type: application/json\r\n");
    connection.write_all(body.as_bytes()).unwrap();
    let answer = rest(connection);
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    assert!(served.join().unwrap().starts_with("GET /a.png HTTP/1.1\r\n"));
    // A name is looked up: the refusal is not the sandbox's.
    let named = format!(r#"{{"url":"http://name.invalid:{port}/a.png","target":"20KB"}}"#);
    let mut connection = service.send_head("POST", "/compress", named.as_bytes(), "Content-Type: application/json\r\n");
    connection.write_all(named.as_bytes()).unwrap();
    let answer = String::from_utf8_lossy(&rest(connection)).into_owned();
    assert!(answer.contains("source_failed") || answer.contains("source_timeout"), "{answer}");
    proxy.set_nonblocking(true).unwrap();
    assert!(proxy.accept().is_err(), "no proxy of the environment is asked");
    service.signal(libc::SIGTERM);
    assert!(service.process.wait().unwrap().success());
}

#[test]
fn the_sandboxed_service_keeps_answers_on_disk_and_in_redis() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made/at/the/start");
    let redis = testkit::redis::FakeRedis::start();
    // A name, which is looked up inside the sandbox.
    let url = redis.url().replace("127.0.0.1", "localhost");
    for (tier, key, value) in
        [("disk", "BYTEFIT_CACHE__DISK_DIR", path.to_str().unwrap()), ("redis", "BYTEFIT_CACHE__REDIS_URL", &url)]
    {
        let service = Service::start_with(&[("BYTEFIT_CACHE__CAPACITY", "0"), (key, value)]);
        let started = Instant::now();
        let hit = format!("cache-status: bytefit; hit; detail={tier}\r\n");
        loop {
            let answer = service.ask("POST", "/compress?target=20KB&format=jpeg", &picture());
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.starts_with("HTTP/1.1 200"), "{tier}: {answer}");
            if answer.contains(&hit) {
                break;
            }
            assert!(started.elapsed() < Duration::from_secs(20), "{tier}: no hit");
        }
    }
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 1);
    assert_eq!(redis.values(), 1);
}

#[test]
fn the_sandboxed_service_sends_traces_as_the_variables_of_opentelemetry_say_and_logs_their_ids() {
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    // A name, which is looked up inside the sandbox.
    let endpoint = format!("http://localhost:{}", collector.local_addr().unwrap().port());
    let mut service = Service::start_with(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20token"),
        ("OTEL_SERVICE_NAME", "pictures"),
    ]);
    let taken = thread::spawn(move || {
        let (mut stream, _) = collector.accept().unwrap();
        let mut request = vec![0; 1 << 16];
        let mut length = 0;
        while !request[..length].windows(14).any(|bytes| bytes == b"POST /compress") {
            length += stream.read(&mut request[length..]).unwrap();
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traceparent = format!("traceparent: 00-{trace}-00f067aa0ba902b7-01\r\n");
    let mut connection = service.send_head("POST", "/compress?target=20KB", &picture(), &traceparent);
    connection.write_all(&picture()).unwrap();
    assert!(rest(connection).starts_with(b"HTTP/1.1 200"));
    let logged = std::iter::repeat_with(|| service.logged()).find(|line| line["route"] == "/compress").unwrap();
    assert_eq!(logged["trace_id"], trace);
    service.signal(libc::SIGTERM);
    let request = taken.join().unwrap();
    assert!(request.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{request}");
    for part in ["authorization: Bearer token\r\n", "content-type: application/x-protobuf\r\n", "pictures"] {
        assert!(request.contains(part), "{part:?} is not in {request}");
    }
    assert!(service.process.wait().unwrap().success());
}

#[test]
fn the_sandboxed_service_speaks_tls_with_a_redis_of_a_certificate_authority_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let Some((redis, ca)) = testkit::redis::RedisServer::start_encrypted(folder.path()) else {
        assert!(std::env::var_os("BYTEFIT_TOOLS").is_none(), "redis-server and openssl are not installed");
        return;
    };
    let url = redis.url().replace("redis://127.0.0.1", "rediss://localhost");
    let without = [("BYTEFIT_CACHE__CAPACITY", "0"), ("BYTEFIT_CACHE__REDIS_URL", &*url)];
    let with = [&without[..], &[("SSL_CERT_FILE", ca.to_str().unwrap())]].concat();
    let is_hit = |service: &Service| {
        let answer = service.ask("POST", "/compress?target=20KB&format=jpeg", &picture());
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer.contains("cache-status: bytefit; hit; detail=redis\r\n")
    };
    let service = Service::start_with(&with);
    let started = Instant::now();
    while !is_hit(&service) {
        assert!(started.elapsed() < Duration::from_secs(20), "no hit");
    }
    let suspicious = Service::start_with(&without);
    thread::sleep(Duration::from_secs(1));
    assert!(!is_hit(&suspicious), "nobody that is known vouches for it");
    let metrics = String::from_utf8(suspicious.ask("GET", "/metrics", b"")).unwrap();
    assert!(metrics.contains("bytefit_breaker_open{target=\"redis\"} 1"), "{metrics}");
}

/// A noisy RGB PNG of 128x128.
fn picture() -> Vec<u8> {
    let mut seed = 1_u32;
    let mut noise = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 27) as u8
    };
    let pixels: Vec<u8> = (0..128 * 128 * 3).map(|index| (index / 384) as u8 + noise()).collect();
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, 128, 128);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    file
}

/// The value of a metric without labels.
fn value(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().unwrap()
}

/// The binary, serving, in a process group of its own; killed when dropped.
pub(crate) struct Service {
    pub process: Child,
    /// The lines of its log, which a thread takes down: a service whose pipe is full waits.
    log: Receiver<String>,
    address: String,
}

impl Service {
    pub(crate) fn start() -> Service {
        Service::start_with(&[])
    }

    /// Starts the service with these variables too.
    pub(crate) fn start_with(variables: &[(&str, &str)]) -> Service {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bytefit"));
        // A process group of its own, as a service manager gives it.
        command.args(["serve", "--listen", "127.0.0.1:0"]).env_clear().stderr(Stdio::piped()).process_group(0);
        let mut process = command.env("BYTEFIT_LOG__FORMAT", "json").envs(variables.iter().copied()).spawn().unwrap();
        let (lines, log) = mpsc::channel();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        thread::spawn(move || stderr.lines().map_while(Result::ok).for_each(|line| drop(lines.send(line))));
        let mut service = Service { process, log, address: String::new() };
        let sandboxed = service.logged();
        assert_eq!(sandboxed["seccomp"], "full", "{sandboxed}");
        service.address = service.logged()["address"].as_str().unwrap().to_owned();
        service
    }

    /// The next line of the log.
    pub(crate) fn logged(&self) -> Value {
        let line = self.log.recv().unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    pub(crate) fn ask(&self, method: &str, path: &str, body: &[u8]) -> Vec<u8> {
        let mut connection = self.send_head(method, path, body, "");
        connection.write_all(body).unwrap();
        rest(connection)
    }

    /// A request that is accepted: its body is asked for, and still to be sent.
    pub(crate) fn begin(&self, path: &str, body: &[u8]) -> TcpStream {
        let mut connection = self.send_head("POST", path, body, "Expect: 100-continue\r\n");
        let mut asked = *b"HTTP/1.1 100 Continue\r\n\r\n";
        connection.read_exact(&mut asked).unwrap();
        assert_eq!(asked, *b"HTTP/1.1 100 Continue\r\n\r\n");
        connection
    }

    pub(crate) fn send_head(&self, method: &str, path: &str, body: &[u8], more: &str) -> TcpStream {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        let (address, length) = (&self.address, body.len());
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\n");
        connection.write_all(format!("{head}{more}Connection: close\r\n\r\n").as_bytes()).unwrap();
        connection
    }

    pub(crate) fn signal(&self, signal: i32) {
        // SAFETY: plain numbers; the process is a child that was not waited for.
        assert_eq!(unsafe { libc::kill(self.process.id() as i32, signal) }, 0);
    }
}

/// What comes until the other side closes.
pub(crate) fn rest(mut connection: TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).unwrap();
    answer
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
