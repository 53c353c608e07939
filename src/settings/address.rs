//! Addresses to listen on: `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`, or `:8080` for all addresses of the
//! machine.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Deserializer, Serializer, de::Error};

use crate::excerpt::quoted;

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| {
        let written = quoted(&text);
        D::Error::custom(format!(
            "{written} is no socket address: write 127.0.0.1:8080, [::1]:8080, localhost:8080 or :8080"
        ))
    })
}

fn parse(text: &str) -> Option<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    // Other names are not resolved: they could mean a different address at every start.
    let (ip, port) = match text.split_once(':')? {
        ("", port) => (Ipv4Addr::UNSPECIFIED, port),
        (name, port) if name.eq_ignore_ascii_case("localhost") => (Ipv4Addr::LOCALHOST, port),
        _ => return None,
    };
    Some(SocketAddr::from((ip, port.parse().ok()?)))
}

pub(super) fn serialize<S: Serializer>(address: &SocketAddr, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(address)
}
