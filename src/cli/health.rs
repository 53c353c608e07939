//! `bytefit health`: asks a server for /health, for container health checks. No HTTP library: one request,
//! one status line.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use super::{BAD_USAGE, FAILED, environment, fail};
use crate::settings::{Flags, Settings, SettingsError};

/// Time for each of connecting, sending and reading: well below the usual health check interval.
const TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where the server answers [default: /health where the environment says that it listens]
    url: Option<String>,
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let url = match arguments.url.clone().map_or_else(configured, Ok) {
        Ok(url) => url,
        Err(error) => return fail(BAD_USAGE, &error),
    };
    match status(&url) {
        Ok(200) => ExitCode::SUCCESS,
        Ok(status) => fail(FAILED, &format!("{url} answered {status}")),
        Err(reason) => fail(FAILED, &format!("{url}: {reason}")),
    }
}

/// Where a server with this environment answers.
fn configured() -> Result<String, SettingsError> {
    let mut address = Settings::load(None, environment(), &Flags::default())?.server.listen;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    Ok(format!("http://{address}/health"))
}

/// The status code that `url` answers a GET with.
fn status(url: &str) -> Result<u16, String> {
    let rest = url.strip_prefix("http://").ok_or("not an http:// URL")?;
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/health"),
    };
    let host = if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
    let io = |error: std::io::Error| error.to_string();
    let address = host.to_socket_addrs().map_err(io)?.next().ok_or("no address")?;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).map_err(io)?;
    stream.set_read_timeout(Some(TIMEOUT)).map_err(io)?;
    stream.set_write_timeout(Some(TIMEOUT)).map_err(io)?;
    // One write: a server that answers early must not reset a connection that is still being written to.
    let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(io)?;
    let mut head = Vec::new();
    stream.take(64).read_to_end(&mut head).map_err(io)?;
    let line = String::from_utf8_lossy(&head);
    line.split_whitespace().nth(1).and_then(|code| code.parse().ok()).ok_or_else(|| "not an HTTP answer".to_owned())
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
    fn anything_else_is_a_failure() {
        assert!(status(&answering("nonsense")).is_err());
        assert!(status("https://127.0.0.1/").is_err());
        assert!(status("http://127.0.0.1:1/health").is_err());
    }
}
