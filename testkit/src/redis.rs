//! A server that speaks enough of Redis' protocol for a cache, and fails as it is told to; and the real one, where it
//! is installed.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How a server fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not at all.
    None,
    /// Nobody listens.
    Refused,
    /// Takes everything, and answers nothing.
    Silent,
    /// Answers 50 ms late.
    Late,
    /// Breaks the connection in the middle of an answer.
    Reset,
    /// Has no memory for what is written.
    OutOfMemory,
    /// Is a replica.
    ReadOnly,
    /// Wants a password.
    NoAuth,
    /// Answers what is not of the protocol.
    Garbage,
    /// Has values that nobody wrote.
    Scribbled,
}

impl Fault {
    /// Every way to fail.
    pub const ALL: [Fault; 9] = [
        Fault::Refused,
        Fault::Silent,
        Fault::Late,
        Fault::Reset,
        Fault::OutOfMemory,
        Fault::ReadOnly,
        Fault::NoAuth,
        Fault::Garbage,
        Fault::Scribbled,
    ];

    /// Whether a cache that reads only has its answers in spite of it.
    pub fn lets_read(self) -> bool {
        matches!(self, Fault::None | Fault::OutOfMemory | Fault::ReadOnly | Fault::Scribbled)
    }
}

/// The server that fails. It ends when it is dropped.
pub struct FakeRedis {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    fault: Mutex<Option<Fault>>,
    values: Mutex<HashMap<Vec<u8>, Vec<u8>>>,
    connections: Mutex<Vec<TcpStream>>,
    commands: AtomicUsize,
    ended: AtomicBool,
}

impl FakeRedis {
    /// Starts one on a free port.
    pub fn start() -> FakeRedis {
        let fake = FakeRedis { port: free_port(), shared: Arc::default() };
        fake.listen();
        fake
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Fails from now on as `fault` says.
    pub fn fail(&self, fault: Fault) {
        let before = self.shared.fault.lock().unwrap().replace(fault);
        if fault == Fault::Refused {
            // The listener wakes up and ends.
            let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
            self.hang_up();
            while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                thread::sleep(Duration::from_millis(1));
            }
        } else if before == Some(Fault::Refused) {
            self.listen();
        }
    }

    /// Commands that came so far.
    pub fn commands(&self) -> usize {
        self.shared.commands.load(Ordering::SeqCst)
    }

    /// Values that it holds.
    pub fn values(&self) -> usize {
        self.shared.values.lock().unwrap().len()
    }

    fn hang_up(&self) {
        for connection in self.shared.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    fn listen(&self) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let listener = TcpListener::bind(address).expect("the port is free");
        let shared = self.shared.clone();
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if shared.ended.load(Ordering::SeqCst) || shared.fault() == Fault::Refused {
                    return;
                }
                let shared = shared.clone();
                shared.connections.lock().unwrap().extend(connection.try_clone());
                thread::spawn(move || shared.serve(connection));
            }
        });
    }
}

impl Drop for FakeRedis {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        self.hang_up();
    }
}

impl Shared {
    fn fault(&self) -> Fault {
        self.fault.lock().unwrap().unwrap_or(Fault::None)
    }

    fn serve(&self, connection: TcpStream) {
        let Ok(answers) = connection.try_clone() else { return };
        let _ = answers.set_nodelay(true);
        let mut commands = BufReader::new(connection);
        while let Ok(command) = command(&mut commands) {
            self.commands.fetch_add(1, Ordering::SeqCst);
            if self.answer(&command, &answers).is_err() {
                return;
            }
        }
    }

    fn answer(&self, command: &[Vec<u8>], mut to: &TcpStream) -> io::Result<()> {
        let writes = command.first().is_some_and(|name| name == b"SET" || name == b"EXPIRE");
        let answer: Vec<u8> = match self.fault() {
            Fault::Silent => return Ok(()),
            Fault::Late => {
                thread::sleep(Duration::from_millis(50));
                self.value(command)
            }
            Fault::Reset => {
                to.write_all(b"$1000\r\nhalf")?;
                reset(to);
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            Fault::OutOfMemory if writes => b"-OOM command not allowed when used memory > 'maxmemory'.\r\n".into(),
            Fault::ReadOnly if writes => b"-READONLY You can't write against a read only replica.\r\n".into(),
            Fault::NoAuth => b"-NOAUTH Authentication required.\r\n".into(),
            Fault::Garbage => b"HTTP/1.1 400 Bad Request\r\n\r\n\0\xff".into(),
            Fault::Scribbled if command[0] == b"GET" => bulk(Some(b"not what was written")),
            _ => self.value(command),
        };
        to.write_all(&answer)
    }

    fn value(&self, command: &[Vec<u8>]) -> Vec<u8> {
        let mut values = self.values.lock().unwrap();
        match command {
            [name, key] if name == b"GET" => bulk(values.get(key).map(Vec::as_slice)),
            [name, key, ..] if name == b"EXISTS" || name == b"EXPIRE" => {
                format!(":{}\r\n", u8::from(values.contains_key(key))).into_bytes()
            }
            [name, key, value, ..] if name == b"SET" => {
                values.insert(key.clone(), value.clone());
                b"+OK\r\n".into()
            }
            _ => b"-ERR unknown command\r\n".into(),
        }
    }
}

fn bulk(value: Option<&[u8]>) -> Vec<u8> {
    match value {
        None => b"$-1\r\n".into(),
        Some(value) => [format!("${}\r\n", value.len()).as_bytes(), value, b"\r\n"].concat(),
    }
}

/// The next command: an array of texts, each with its length before it.
fn command(from: &mut impl BufRead) -> io::Result<Vec<Vec<u8>>> {
    let texts = number(from, '*')?;
    (0..texts).map(|_| text(from)).collect()
}

fn text(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let length = number(from, '$')?;
    let mut text = vec![0; length + 2];
    from.read_exact(&mut text)?;
    text.truncate(length);
    Ok(text)
}

fn number(from: &mut impl BufRead, kind: char) -> io::Result<usize> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let digits = line.trim_end().strip_prefix(kind).and_then(|digits| digits.parse().ok());
    digits.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Closes with a reset, as the end of what is not read yet causes.
fn reset(connection: &TcpStream) {
    let socket = socket2::SockRef::from(connection);
    let _ = socket.set_linger(Some(Duration::ZERO));
    let _ = socket.shutdown(Shutdown::Both);
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).expect("a port").port()
}

/// Debian's redis-server, with nothing but what is written to it; killed when dropped.
pub struct RedisServer {
    port: u16,
    folder: std::path::PathBuf,
    process: Child,
}

impl RedisServer {
    /// Starts it in `folder`. Returns `None` where it is not installed.
    pub fn start(folder: &Path) -> Option<RedisServer> {
        RedisServer::start_on(free_port(), folder)
    }

    /// Starts it in `folder` so that it speaks TLS, with a certificate for localhost by a certificate authority of its
    /// own, whose certificate is the file that is returned. Returns `None` where it or OpenSSL is not installed.
    pub fn start_encrypted(folder: &Path) -> Option<(RedisServer, std::path::PathBuf)> {
        let file = |name: &str| folder.join(name).display().to_string();
        let [ca, ca_key, cert, key] = ["ca.pem", "ca.key", "cert.pem", "cert.key"].map(file);
        let openssl = |arguments: &[&str]| {
            let mut command = Command::new("openssl");
            command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().ok().filter(std::process::ExitStatus::success)
        };
        let new = ["req", "-x509", "-nodes", "-days", "2", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
        openssl(&[&new[..], &["-subj", "/CN=ca of the tests", "-keyout", &ca_key, "-out", &ca]].concat())?;
        let signed = ["-CA", &ca, "-CAkey", &ca_key, "-addext", "subjectAltName=DNS:localhost"];
        let end = ["-addext", "basicConstraints=critical,CA:FALSE"];
        let files = ["-subj", "/CN=localhost", "-keyout", &key, "-out", &cert];
        openssl(&[&new[..], &signed, &end, &files].concat())?;
        let port = free_port();
        let tls_port = port.to_string();
        let options = ["--port", "0", "--tls-port", &tls_port, "--tls-cert-file", &cert, "--tls-key-file", &key];
        let server = RedisServer::start_with(port, folder, &[&options[..], &["--tls-auth-clients", "no"]].concat())?;
        Some((server, ca.into()))
    }

    fn start_on(port: u16, folder: &Path) -> Option<RedisServer> {
        RedisServer::start_with(port, folder, &["--port", &port.to_string()])
    }

    fn start_with(port: u16, folder: &Path, options: &[&str]) -> Option<RedisServer> {
        let mut server = Command::new("redis-server");
        server.args(options).args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        let process = server.arg("--dir").arg(folder).stdin(Stdio::null()).stdout(Stdio::null()).spawn().ok()?;
        let started = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(started.elapsed() < Duration::from_secs(20), "redis-server does not listen");
            thread::sleep(Duration::from_millis(5));
        }
        Some(RedisServer { port, folder: folder.to_owned(), process })
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Kills it, and starts it anew on the same port, empty.
    pub fn restart(&mut self) {
        self.kill();
        let (port, folder) = (self.port, self.folder.clone());
        *self = RedisServer::start_on(port, &folder).expect("it was installed before");
    }

    /// Sends a command without reading what it answers, such as `FLUSHALL`.
    pub fn send(&self, line: &str) {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("it listens");
        connection.write_all(format!("{line}\r\n").as_bytes()).expect("it reads");
        let mut answer = [0; 1];
        connection.read_exact(&mut answer).expect("it answers");
    }

    /// Kills it.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}
