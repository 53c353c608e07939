//! Host names and their addresses. A name is refused when any of its addresses is not public, and the connection goes
//! to the addresses that were checked: a name server that answers differently the next time has no effect.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use hickory_resolver::TokioResolver;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::location::check_address;
use crate::outbound;

/// The addresses of a name, once they are known.
pub type Lookup = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Looks names up.
pub trait Names: Send + Sync {
    /// Every address of `name`.
    fn lookup(&self, name: String) -> Lookup;
}

/// The names that the system knows.
pub(super) struct SystemNames(TokioResolver);

impl SystemNames {
    /// Reads /etc/resolv.conf.
    ///
    /// # Errors
    /// When there is none, or it names no server.
    pub(super) fn new() -> io::Result<SystemNames> {
        outbound::resolver().map(SystemNames)
    }
}

impl Names for SystemNames {
    fn lookup(&self, name: String) -> Lookup {
        let resolver = self.0.clone();
        Box::pin(async move {
            let found = resolver.lookup_ip(name).await.map_err(io::Error::other)?;
            Ok(found.iter().collect())
        })
    }
}

/// A name has no address that could be found.
#[derive(Debug, thiserror::Error)]
#[error("the name of the host is not known, or no name server answers")]
pub(super) struct UnknownName(#[source] io::Error);

/// The resolver of the HTTP client.
pub(super) struct CheckedNames {
    pub names: Arc<dyn Names>,
    pub allow_private: bool,
}

impl Resolve for CheckedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let lookup = self.names.lookup(name.as_str().to_owned());
        let allow_private = self.allow_private;
        Box::pin(async move {
            let addresses = lookup.await.map_err(UnknownName)?;
            for address in &addresses {
                check_address(*address, allow_private)?;
            }
            // The port of the URL takes the place of 0.
            let addresses = addresses.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
    use hickory_resolver::net::runtime::TokioRuntimeProvider;
    use tokio::net::UdpSocket;

    use super::*;
    use crate::source::Refusal;

    struct Fixed(&'static [&'static str]);

    impl Names for Fixed {
        fn lookup(&self, _: String) -> Lookup {
            let addresses = self.0.iter().map(|address| address.parse().unwrap()).collect();
            Box::pin(async { Ok(addresses) })
        }
    }

    async fn resolve(addresses: &'static [&'static str]) -> Result<usize, Option<Refusal>> {
        let names = CheckedNames { names: Arc::new(Fixed(addresses)), allow_private: false };
        let resolved = names.resolve("example.com".parse().unwrap()).await;
        resolved.map(Iterator::count).map_err(|error| error.downcast_ref().copied())
    }

    /// A name server on this machine (RFC 1035 s4). Each question for an address of IPv4 gets the next of `answers`,
    /// which may not be cached; there are none of IPv6.
    async fn name_server(answers: &'static [&'static [[u8; 4]]]) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut answers = answers.iter();
            let mut message = [0; 512];
            while let Ok((_, client)) = socket.recv_from(&mut message).await {
                // The header has 12 bytes; the name ends with an empty label, and then come type and class.
                let end = 12 + message[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
                let is_v4 = message[end - 4..end - 2] == [0, 1];
                let found: &[[u8; 4]] = if is_v4 { answers.next().unwrap() } else { &[] };
                let counts = [0x81, 0x80, 0, 1, 0, found.len() as u8, 0, 0, 0, 0];
                let mut answer = [&message[..2], &counts, &message[12..end]].concat();
                for address in found {
                    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
                    answer.extend(address);
                }
                socket.send_to(&answer, client).await.unwrap();
            }
        });
        address
    }

    fn names_of(server: SocketAddr) -> SystemNames {
        let mut udp = ConnectionConfig::udp();
        udp.port = server.port();
        let config =
            ResolverConfig::from_parts(None, Vec::new(), vec![NameServerConfig::new(server.ip(), true, vec![udp])]);
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        SystemNames(outbound::resolver_of(builder).unwrap())
    }

    #[tokio::test]
    async fn a_name_server_that_changes_its_mind_is_noticed() {
        let server = name_server(&[&[[1, 1, 1, 1]], &[[127, 0, 0, 1]], &[[1, 1, 1, 1], [10, 0, 0, 1]]]).await;
        let names = CheckedNames { names: Arc::new(names_of(server)), allow_private: false };
        let resolve = async || {
            let resolved = names.resolve("rebind.example.com".parse().unwrap()).await;
            resolved.map(Iterator::collect).map_err(|error| error.downcast_ref::<Refusal>().copied())
        };
        let public: Vec<SocketAddr> = vec!["1.1.1.1:0".parse().unwrap()];
        assert_eq!(resolve().await, Ok(public));
        assert_eq!(resolve().await, Err(Some(Refusal::Address)), "private the next time");
        assert_eq!(resolve().await, Err(Some(Refusal::Address)), "public and private");
    }

    #[tokio::test]
    async fn one_address_that_is_not_public_refuses_the_name() {
        assert_eq!(resolve(&["1.1.1.1", "2606:4700:4700::1111"]).await, Ok(2));
        for addresses in
            [&["127.0.0.1"][..], &["1.1.1.1", "10.0.0.1"], &["::1", "1.1.1.1"], &["1.1.1.1", "64:ff9b::a00:1"]]
        {
            assert_eq!(resolve(addresses).await, Err(Some(Refusal::Address)), "{addresses:?}");
        }
    }
}
