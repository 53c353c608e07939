//! What connections to other hosts have in common: how names are looked up, how the connection is encrypted, and how Redis is
//! reached.

pub(crate) mod redis;

use std::io;
use std::sync::Arc;

use hickory_resolver::config::{LookupIpStrategy, ResolveHosts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{ResolverBuilder, TokioResolver};
use rustls::{ClientConfig, RootCertStore};

/// A resolver by the name servers and the hosts file of the system. Their answers are read by memory-safe code in this process,
/// and a lookup ends when nobody waits for it: getaddrinfo has neither, and is not let through the sandbox.
///
/// # Errors
/// When there is no /etc/resolv.conf, or it names no server.
pub(crate) fn resolver() -> io::Result<TokioResolver> {
    resolver_of(TokioResolver::builder_tokio().map_err(io::Error::other)?)
}

/// A resolver of the name servers in `builder`. It finds the addresses of both families.
///
/// # Errors
/// When it can't be built.
pub(crate) fn resolver_of(mut builder: ResolverBuilder<TokioRuntimeProvider>) -> io::Result<TokioResolver> {
    let options = builder.options_mut();
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.use_hosts_file = ResolveHosts::Always;
    builder.build().map_err(io::Error::other)
}

/// TLS 1.2 and 1.3 with the root certificates of Mozilla, which are part of the binary: an image without files works too.
///
/// # Errors
/// Never with the cryptography that is built in.
pub(crate) fn encryption() -> Result<ClientConfig, rustls::Error> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
