//! What connections to other hosts have in common: how names are looked up, how the connection is encrypted, how HTTP
//! is spoken, and how Redis is reached.

pub(crate) mod redis;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use hickory_resolver::config::{LookupIpStrategy, ResolveHosts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{ResolverBuilder, TokioResolver};
use reqwest::ClientBuilder;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// A resolver by the name servers and the hosts file of the system. Their answers are read by memory-safe code in this
/// process, and a lookup ends when nobody waits for it: getaddrinfo has neither, and is not let through the sandbox.
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

/// The environment variable that names a file with more root certificates, as OpenSSL and Go read it.
const MORE_ROOTS: &str = "SSL_CERT_FILE";

/// TLS 1.2 and 1.3 with the root certificates of Mozilla, which are part of the binary: an image without files works
/// too. Those in the file that `SSL_CERT_FILE` names are added, for hosts with certificates of one's own, and those of
/// `authorities`.
///
/// # Errors
/// That file can't be read, or has something else in it; one of `authorities` is no certificate.
pub(crate) fn encryption(authorities: &[Vec<u8>]) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for authority in authorities {
        roots.add(CertificateDer::from_slice(authority)).map_err(io::Error::other)?;
    }
    if let Some(file) = std::env::var_os(MORE_ROOTS).filter(|file| !file.is_empty()) {
        add_roots(&mut roots, Path::new(&file))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(config.map_err(io::Error::other)?.with_root_certificates(roots).with_no_client_auth())
}

/// Adds the certificates of a file in PEM. Those that are no roots by their form are left out, as bundles of systems
/// have some.
fn add_roots(roots: &mut RootCertStore, file: &Path) -> io::Result<()> {
    let unreadable = |error| io::Error::other(format!("{MORE_ROOTS} {}: {error}", file.display()));
    let certificates = CertificateDer::pem_file_iter(file).map_err(unreadable)?;
    let certificates = certificates.collect::<Result<Vec<CertificateDer>, _>>().map_err(unreadable)?;
    roots.add_parsable_certificates(certificates);
    Ok(())
}

/// What is spoken over an encrypted connection, the best first (RFC 7301, RFC 9113 s3.2).
const PROTOCOLS: [&str; 2] = ["h2", "http/1.1"];

/// A client for HTTP/1.1 and HTTP/2 that follows no redirect and uses no proxy of the environment. `names` looks hosts
/// up; certificates of `authorities` are trusted too.
///
/// # Errors
/// As [`encryption`].
pub(crate) fn http_client(names: impl Resolve + 'static, authorities: &[Vec<u8>]) -> io::Result<ClientBuilder> {
    let mut encryption = encryption(authorities)?;
    encryption.alpn_protocols = PROTOCOLS.map(Vec::from).to_vec();
    let client = ClientBuilder::new()
        .tls_backend_preconfigured(encryption)
        .dns_resolver(names)
        .no_proxy()
        .redirect(Policy::none())
        .referer(false)
        // Deadlines of our own end what hangs; the sandbox refuses to set these.
        .tcp_keepalive(None)
        .tcp_keepalive_interval(None)
        .tcp_keepalive_retries(None)
        .user_agent(concat!("bytefit/", env!("CARGO_PKG_VERSION")));
    #[cfg(target_os = "linux")]
    let client = client.tcp_user_timeout(None);
    Ok(client)
}

/// Looks up the names of hosts that the configuration names. /etc/resolv.conf is read each time: addresses of services
/// change.
pub(crate) struct TrustedNames;

impl Resolve for TrustedNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = resolver()?.lookup_ip(name.as_str()).await?;
            // The port of the URL takes the place of 0.
            let addresses: Vec<SocketAddr> = found.iter().map(|address| SocketAddr::new(address, 0)).collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
