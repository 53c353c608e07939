//! Who sends a request: a key, or an address.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, OnceLock};

use http::{Extensions, HeaderMap, HeaderName};

use super::rate::Allowance;

/// The addresses that a request came through, the client's first (not standardised; RFC 7239 s1 describes it).
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address at the other end of the connection, in the extensions of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub IpAddr);

/// The id of the key that a request brought, in the extensions of its answer.
#[derive(Clone, Debug)]
pub(crate) struct KeyId(pub String);

/// Whom a request counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Identity {
    /// The key at this place of the configuration.
    Key(usize),
    /// An address of IPv4, or the network of one of IPv6.
    Address(IpAddr),
}

/// The client of a request, in its extensions.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub identity: Identity,
    /// What is left to the client after this request, once it was charged.
    pub allowance: Arc<OnceLock<Allowance>>,
}

impl Client {
    /// The client of a request with this key or, without one, from this address.
    pub(crate) fn new(key: Option<usize>, address: IpAddr) -> Client {
        let identity = key.map_or_else(|| Identity::Address(network(address)), Identity::Key);
        Client { identity, allowance: Arc::default() }
    }

    /// The client that a layer found.
    pub(crate) fn of(extensions: &Extensions) -> Client {
        let unknown = || Client::new(None, Ipv6Addr::UNSPECIFIED.into());
        extensions.get::<Client>().cloned().unwrap_or_else(unknown)
    }
}

/// The address that a request comes from: that of the connection, or behind proxies what the farthest of the
/// `trusted_proxies` says. Each proxy adds the address that it sees at the right end of the list; what stands left of
/// those can be made up by anyone.
pub(crate) fn address(headers: &HeaderMap, extensions: &Extensions, trusted_proxies: usize) -> IpAddr {
    let peer = extensions.get::<Peer>().map_or(Ipv6Addr::UNSPECIFIED.into(), |peer| peer.0);
    if trusted_proxies == 0 {
        return peer;
    }
    let values = headers.get_all(X_FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let addresses: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
    let at = addresses.len().checked_sub(trusted_proxies);
    at.and_then(|at| parse(addresses[at])).unwrap_or(peer)
}

/// An address that may have a port, as some proxies write it.
fn parse(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| Some(text.parse::<std::net::SocketAddr>().ok()?.ip()))
}

/// What an address counts as. A host has a whole /64 of IPv6 (RFC 4291 s2.5.4), so its addresses count as one.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(forwarded: &[&str], trusted_proxies: usize) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(X_FORWARDED_FOR, value.parse().unwrap());
        }
        let mut extensions = Extensions::new();
        extensions.insert(Peer("192.0.2.1".parse().unwrap()));
        address(&headers, &extensions, trusted_proxies).to_string()
    }

    #[test]
    fn only_what_trusted_proxies_added_counts() {
        for (forwarded, trusted_proxies, expected) in [
            (&["203.0.113.7"][..], 0, "192.0.2.1"),
            (&["203.0.113.7"], 1, "203.0.113.7"),
            (&["1.1.1.1, 203.0.113.7"], 1, "203.0.113.7"),
            (&["1.1.1.1", "203.0.113.7, 10.0.0.1"], 2, "203.0.113.7"),
            (&["203.0.113.7"], 2, "192.0.2.1"),
            (&[], 1, "192.0.2.1"),
            (&["1.1.1.1, nobody"], 1, "192.0.2.1"),
            (&["203.0.113.7:1234"], 1, "203.0.113.7"),
            (&["[2001:db8::1]:1234"], 1, "2001:db8::1"),
            (&["[2001:db8::1]"], 1, "2001:db8::1"),
            (&["2001:db8::1"], 1, "2001:db8::1"),
        ] {
            assert_eq!(of(forwarded, trusted_proxies), expected, "{forwarded:?} {trusted_proxies}");
        }
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        for (address, expected) in [
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::", "2001:db8:1:2::"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("192.0.2.1", "192.0.2.1"),
        ] {
            assert_eq!(network(address.parse().unwrap()), expected.parse::<IpAddr>().unwrap(), "{address}");
        }
    }
}
