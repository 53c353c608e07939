//! An S3 on a port of its own, whose objects are files. It can go away and come back.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use s3s::Body;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Barrier, Mutex};
use tokio::task::JoinSet;

const KEY: &str = "key-of-the-tests";
const SECRET: &str = "secret-of-the-tests";

/// How long a write waits for another one that is to race it.
const GATHERING: Duration = Duration::from_secs(2);

/// The one bucket that there is.
const BUCKET: &str = "pictures";

/// A running S3. It ends when it is dropped.
pub struct S3Server {
    address: SocketAddr,
    service: S3Service,
    /// `None` while it is away.
    accepting: Option<tokio::task::JoinHandle<()>>,
    faults: Arc<Faults>,
}

/// What goes wrong on purpose, and where the objects are that it concerns.
struct Faults {
    /// Where the buckets are.
    folder: PathBuf,
    refuse: AtomicBool,
    race: AtomicBool,
    racing: Barrier,
    /// Milliseconds until a write that has arrived is done.
    delay: AtomicU64,
    /// Its files are not written under a condition at once, as S3 does: one such request after the other.
    turn: Mutex<()>,
}

impl S3Server {
    /// Starts it with an empty bucket below `folder`.
    pub async fn start(folder: &Path) -> S3Server {
        std::fs::create_dir_all(folder.join(BUCKET)).expect("the bucket");
        let mut builder = S3ServiceBuilder::new(FileSystem::new(folder).expect("a folder"));
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let mut server = S3Server {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            service: builder.build(),
            accepting: None,
            faults: Arc::new(Faults {
                folder: folder.to_owned(),
                refuse: AtomicBool::default(),
                race: AtomicBool::default(),
                racing: Barrier::new(2),
                delay: AtomicU64::default(),
                turn: Mutex::default(),
            }),
        };
        server.come_back().await;
        server
    }

    /// Where objects that begin with `prefix` are, for `batch.store_url`.
    pub fn url(&self, prefix: &str) -> String {
        format!(
            "s3://{BUCKET}/{prefix}?endpoint=http://{}&region=us-east-1&access_key_id={KEY}&secret_access_key={SECRET}",
            self.address
        )
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The names of the objects below `prefix`.
    pub fn objects(&self, prefix: &str) -> Vec<String> {
        let mut names = Vec::new();
        collect(&self.faults.folder.join(BUCKET).join(prefix), prefix, &mut names);
        names
    }

    /// Takes no connections any more, and closes those that are open.
    pub fn go_away(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
        }
    }

    /// Answers every request with 503 from now on, or no more.
    pub fn refuse(&self, refuses: bool) {
        self.faults.refuse.store(refuses, Ordering::Relaxed);
    }

    /// Lets all writes succeed from now on that have looked for an object before it was there.
    pub fn race(&self) {
        self.faults.race.store(true, Ordering::Relaxed);
    }

    /// Takes so long from now on until a write that has arrived is done, whether its client waits for that or not.
    pub fn delay_writes(&self, delay: Duration) {
        self.faults.delay.store(delay.as_millis() as u64, Ordering::Relaxed);
    }

    /// Listens again, at the same address.
    pub async fn come_back(&mut self) {
        let listener = listen(self.address).await;
        self.address = listener.local_addr().expect("an address");
        self.accepting = Some(tokio::spawn(accept(listener, self.service.clone(), Arc::clone(&self.faults))));
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.go_away();
    }
}

async fn listen(address: SocketAddr) -> TcpListener {
    loop {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("a socket");
        match socket.bind(address).and_then(|()| socket.listen(128)) {
            Ok(listener) => return listener,
            // The listener before it is about to close.
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

/// Serves connections until it is dropped, and them with it.
async fn accept(listener: TcpListener, service: S3Service, faults: Arc<Faults>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        let (service, faults) = (service.clone(), Arc::clone(&faults));
        let serve = service_fn(move |request| answer(service.clone(), Arc::clone(&faults), request));
        connections.spawn(async move {
            // A client may leave.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), serve).await;
        });
    }
}

async fn answer(
    service: S3Service,
    faults: Arc<Faults>,
    request: Request<Incoming>,
) -> Result<Response<Body>, s3s::HttpError> {
    if faults.refuse.load(Ordering::Relaxed) {
        let mut refusal = Response::new(Body::empty());
        *refusal.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        return Ok(refusal);
    }
    let delay = Duration::from_millis(faults.delay.load(Ordering::Relaxed));
    if !delay.is_zero() && request.method() == Method::PUT {
        return write_later(service, request, delay).await;
    }
    if !request.headers().contains_key("if-none-match") {
        return Service::call(&service, request).await;
    }
    let object = faults.folder.join(request.uri().path().trim_start_matches('/'));
    let is_racing = faults.race.load(Ordering::Relaxed) && !object.exists();
    if is_racing {
        let _ = tokio::time::timeout(GATHERING, faults.racing.wait()).await;
    }
    let _turn = faults.turn.lock().await;
    if is_racing {
        // What others wrote that have looked at the same time does not count.
        let _ = std::fs::remove_file(object);
    }
    Service::call(&service, request).await
}

/// Writes an object after a while, even if its client is gone by then.
async fn write_later(
    service: S3Service,
    request: Request<Incoming>,
    delay: Duration,
) -> Result<Response<Body>, s3s::HttpError> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Ok(Response::new(Body::empty()));
    };
    let request = Request::from_parts(head, Body::from(body.to_bytes()));
    let written = tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        service.call(request).await
    });
    written.await.expect("the store does not panic")
}

fn collect(folder: &Path, name: &str, names: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = format!("{name}/{}", entry.file_name().to_string_lossy());
        match entry.path().is_dir() {
            true => collect(&entry.path(), &name, names),
            false => names.push(name),
        }
    }
}
