//! `bytefit health`: requests /health from a server, for container health checks. It reads one status line, so it
//! takes no HTTP library.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::{FAILED, environment, fail};
use crate::excerpt::excerpt;
use crate::settings::{Flags, Settings, SettingsError};

/// Timeout of connecting, sending and reading, each: well below the usual interval of health checks.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The port of a URL without one.
const HTTP_PORT: u16 = 80;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Address of the server: http://HOST:PORT/PATH; http:// and the path may be left out [default: /health at the
    /// address in the settings]
    url: Option<String>,
    /// TOML file with the settings that the server was started with
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let url = match arguments.url.clone().map_or_else(|| configured_url(arguments), Ok) {
        Ok(url) => url,
        Err(error) => return fail(FAILED, &error),
    };
    let shown = excerpt(&url);
    match status(&url) {
        Ok(200) => ExitCode::SUCCESS,
        Ok(status) => fail(FAILED, &format!("{shown} answered {status}")),
        Err(reason) => fail(FAILED, &format!("{shown}: {reason}")),
    }
}

/// The URL of a server with this configuration file and environment.
fn configured_url(arguments: &Arguments) -> Result<String, SettingsError> {
    let settings = Settings::load(arguments.config.as_deref(), environment(), &Flags::default())?;
    let mut address = settings.server.listen;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    Ok(format!("http://{address}/health"))
}

/// The parts of a URL.
#[derive(Debug, PartialEq, Eq)]
struct Endpoint<'a> {
    /// The value of the Host header.
    authority: &'a str,
    /// A name or an address; an IPv6 address has no brackets.
    host: &'a str,
    port: u16,
    path: &'a str,
}

impl<'a> Endpoint<'a> {
    fn parse(url: &'a str) -> Result<Endpoint<'a>, String> {
        let rest = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return Err("only http:// URLs are supported".to_owned()),
            None => url,
        };
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, "/health"),
        };
        let (host, port) = match authority.rsplit_once(':') {
            // A colon within brackets is part of an IPv6 address.
            Some((host, port)) if !port.contains(']') => {
                (host, port.parse().map_err(|_| "the port is not a number up to 65535".to_owned())?)
            }
            _ => (authority, HTTP_PORT),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        // `:8080` is accepted here because `--listen` accepts it.
        let (authority, host) = if host.is_empty() { ("localhost", "localhost") } else { (authority, host) };
        Ok(Endpoint { authority, host, port, path })
    }

    /// All addresses of the host: the server may listen on any one of them.
    fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        if self.host.eq_ignore_ascii_case("localhost") {
            // RFC 6761 s6.3. Resolved here, because an image with nothing but the binary has no /etc/hosts.
            return Ok(vec![(Ipv4Addr::LOCALHOST, self.port).into(), (Ipv6Addr::LOCALHOST, self.port).into()]);
        }
        Ok((self.host, self.port).to_socket_addrs()?.collect())
    }

    fn connect(&self) -> Result<TcpStream, String> {
        let mut last_error = "the name has no address".to_owned();
        for address in self.addresses().map_err(message)? {
            match TcpStream::connect_timeout(&address, TIMEOUT) {
                Ok(stream) => return Ok(stream),
                Err(error) => last_error = message(error),
            }
        }
        Err(last_error)
    }
}

/// Sends a GET request to `url` and returns the status code of the answer.
fn status(url: &str) -> Result<u16, String> {
    let endpoint = Endpoint::parse(url)?;
    let mut stream = endpoint.connect()?;
    stream.set_read_timeout(Some(TIMEOUT)).map_err(message)?;
    stream.set_write_timeout(Some(TIMEOUT)).map_err(message)?;
    // Sent in one write: a server that answers early and closes must not interrupt the sending.
    let Endpoint { authority, path, .. } = endpoint;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(message)?;
    let mut head = Vec::new();
    stream.take(64).read_to_end(&mut head).map_err(message)?;
    let line = String::from_utf8_lossy(&head);
    line.split_whitespace().nth(1).and_then(|code| code.parse().ok()).ok_or_else(|| "the answer is not HTTP".to_owned())
}

fn message(error: io::Error) -> String {
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
            assert_eq!(Endpoint::parse(url), Ok(Endpoint { authority, host, port, path }), "{url}");
        }
        for url in ["https://localhost/", "unix:///tmp/socket", "localhost:http", "[::1]:99999/health"] {
            assert!(Endpoint::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn every_address_of_localhost_is_tried() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("localhost:{}", listener.local_addr().unwrap().port());
        assert!(Endpoint::parse(&url).unwrap().connect().is_ok());
        let Ok(listener) = TcpListener::bind("[::1]:0") else { return };
        let url = format!("localhost:{}", listener.local_addr().unwrap().port());
        assert!(Endpoint::parse(&url).unwrap().connect().is_ok());
    }

    #[test]
    fn anything_else_is_a_failure() {
        assert!(status(&answering("nonsense")).is_err());
        assert!(status("https://127.0.0.1/").is_err());
        assert!(status("http://127.0.0.1:1/health").is_err());
    }
}
