//! `bytefit health`: asks a server for /health, for container health checks. No HTTP library: one request,
//! one status line.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::{BAD_USAGE, FAILED, environment, fail};
use crate::params::excerpt::excerpt;
use crate::settings::{Flags, Settings, SettingsError};

/// Time for each of connecting, sending and reading: well below the usual health check interval.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The port of a URL that names none.
const HTTP_PORT: u16 = 80;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where the server answers: http://HOST:PORT/PATH, or without http:// or the path [default: /health where the
    /// settings say that it listens]
    url: Option<String>,
    /// TOML file of settings that the server was started with
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let url = match arguments.url.clone().map_or_else(|| configured(arguments), Ok) {
        Ok(url) => url,
        Err(error) => return fail(BAD_USAGE, &error),
    };
    let shown = excerpt(&url);
    match status(&url) {
        Ok(200) => ExitCode::SUCCESS,
        Ok(status) => fail(FAILED, &format!("{shown} answered {status}")),
        Err(reason) => fail(FAILED, &format!("{shown}: {reason}")),
    }
}

/// Where a server with this file and environment answers.
fn configured(arguments: &Arguments) -> Result<String, SettingsError> {
    let settings = Settings::load(arguments.config.as_deref(), environment(), &Flags::default())?;
    let mut address = settings.server.listen;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    Ok(format!("http://{address}/health"))
}

/// The parts of a URL.
#[derive(Debug, PartialEq, Eq)]
struct Place<'a> {
    /// As the Host header has it.
    authority: &'a str,
    /// A name, or an address without the brackets of IPv6.
    host: &'a str,
    port: u16,
    path: &'a str,
}

impl<'a> Place<'a> {
    fn of(url: &'a str) -> Result<Place<'a>, String> {
        let rest = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return Err("not an http:// URL".to_owned()),
            None => url,
        };
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, "/health"),
        };
        let (host, port) = match authority.rsplit_once(':') {
            // A colon within brackets is the address's.
            Some((host, port)) if !port.contains(']') => (host, port.parse().map_err(|_| "not a port".to_owned())?),
            _ => (authority, HTTP_PORT),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        // As `--listen :8080` has it.
        let (authority, host) = if host.is_empty() { ("localhost", "localhost") } else { (authority, host) };
        Ok(Place { authority, host, port, path })
    }

    /// Every address that the host has: a server may listen on one of them only.
    fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        if self.host.eq_ignore_ascii_case("localhost") {
            // RFC 6761 s6.3; without a look-up, since an image with nothing but the binary has no names.
            return Ok(vec![(Ipv4Addr::LOCALHOST, self.port).into(), (Ipv6Addr::LOCALHOST, self.port).into()]);
        }
        Ok((self.host, self.port).to_socket_addrs()?.collect())
    }

    fn connect(&self) -> Result<TcpStream, String> {
        let mut refusal = "no address".to_owned();
        for address in self.addresses().map_err(words)? {
            match TcpStream::connect_timeout(&address, TIMEOUT) {
                Ok(stream) => return Ok(stream),
                Err(error) => refusal = words(error),
            }
        }
        Err(refusal)
    }
}

/// The status code that `url` answers a GET with.
fn status(url: &str) -> Result<u16, String> {
    let place = Place::of(url)?;
    let mut stream = place.connect()?;
    stream.set_read_timeout(Some(TIMEOUT)).map_err(words)?;
    stream.set_write_timeout(Some(TIMEOUT)).map_err(words)?;
    // One write: a server that answers early must not reset a connection that is still being written to.
    let Place { authority, path, .. } = place;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(words)?;
    let mut head = Vec::new();
    stream.take(64).read_to_end(&mut head).map_err(words)?;
    let line = String::from_utf8_lossy(&head);
    line.split_whitespace().nth(1).and_then(|code| code.parse().ok()).ok_or_else(|| "not an HTTP answer".to_owned())
}

fn words(error: io::Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn answering(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.extend(byte);
            }
            stream.write_all(answer.as_bytes()).unwrap();
        });
        format!("http://{address}/health")
    }

    #[test]
    fn reads_the_status_of_an_answer() {
        assert_eq!(status(&answering("HTTP/1.1 200 OK\r\n\r\n")), Ok(200));
        assert_eq!(status(&answering("HTTP/1.1 503 Service Unavailable\r\n\r\n")), Ok(503));
    }

    #[test]
    fn a_url_may_leave_out_what_is_usual() {
        for (url, authority, host, port, path) in [
            ("http://[::1]/health", "[::1]", "::1", 80, "/health"),
            ("http://[::1]:8080", "[::1]:8080", "::1", 8080, "/health"),
            ("localhost:8080/livez?a:b", "localhost:8080", "localhost", 8080, "/livez?a:b"),
            ("HTTP://example.org", "example.org", "example.org", 80, "/health"),
            (":8080", "localhost", "localhost", 8080, "/health"),
        ] {
            assert_eq!(Place::of(url), Ok(Place { authority, host, port, path }), "{url}");
        }
        for url in ["https://localhost/", "unix:///tmp/socket", "localhost:http", "[::1]:99999/health"] {
            assert!(Place::of(url).is_err(), "{url}");
        }
    }

    #[test]
    fn every_address_of_localhost_is_tried() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("localhost:{}", listener.local_addr().unwrap().port());
        assert!(Place::of(&url).unwrap().connect().is_ok());
        let Ok(listener) = TcpListener::bind("[::1]:0") else { return };
        let url = format!("localhost:{}", listener.local_addr().unwrap().port());
        assert!(Place::of(&url).unwrap().connect().is_ok());
    }

    #[test]
    fn anything_else_is_a_failure() {
        assert!(status(&answering("nonsense")).is_err());
        assert!(status("https://127.0.0.1/").is_err());
        assert!(status("http://127.0.0.1:1/health").is_err());
    }
}
