//! One fetch: the request, its redirects, and the body under its limits.

use std::error::Error;
use std::io;
use std::time::{Duration, SystemTime};

use http::header::{ACCEPT, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use reqwest::{Client, Response};
use tokio::time::sleep;

use super::location::Location;
use super::names::{CheckedNames, UnknownName};
use super::retries::{Retries, is_passing_error, may_pass};
use super::{CDN_LOOP, CDN_NAME, Config, Network, Refusal, SourceError};
use crate::engine::{HashedBody, MemoryLease, Upload};
use crate::outbound;

/// Longest validator that is remembered, in bytes: those of servers have 20 to 80.
const MAX_ETAG_BYTES: usize = 256;

/// How long a connection is kept for the next fetch from its host.
const POOL_IDLE: Duration = Duration::from_secs(15);

/// Asks hosts for pictures.
pub(super) struct Fetcher {
    client: Client,
    config: Config,
    max_bytes: u64,
}

/// A picture that was fetched.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Its bytes.
    pub upload: Upload,
    /// What tells whether it has changed.
    pub version: Version,
}

/// What a host says of the version of a picture (RFC 9110 s8.8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// When it was changed last.
    pub last_modified: Option<SystemTime>,
    /// The tag of its bytes.
    pub etag: Option<HeaderValue>,
}

/// The answer of a host.
#[derive(Clone, Debug)]
pub(super) enum HostAnswer {
    /// A picture.
    Picture(Fetched),
    /// The picture of the version that was asked about.
    Unchanged,
}

impl Fetcher {
    /// A client in this `network`.
    ///
    /// # Errors
    /// When the client can't be built.
    pub(super) fn new(config: Config, max_bytes: u64, network: Network) -> io::Result<Fetcher> {
        let Network { names, authorities } = network;
        let checked = CheckedNames { names, allow_private: config.allow_private };
        let client = outbound::http_client(checked, &authorities)?
            .connect_timeout(config.connect_timeout)
            .pool_max_idle_per_host(config.per_host)
            .pool_idle_timeout(POOL_IDLE);
        Ok(Fetcher { client: client.build().map_err(io::Error::other)?, config, max_bytes })
    }

    /// Fetches the picture at `location` into the memory of `lease`, unless it is the `known` version.
    ///
    /// # Errors
    /// Those of [`SourceError`] that a host causes.
    ///
    /// # Cancel
    /// Dropping the future closes the connection.
    pub(super) async fn fetch(
        &self,
        mut location: Location,
        known: Option<&Version>,
        lease: MemoryLease,
        mut retries: Retries<'_>,
    ) -> Result<HostAnswer, SourceError> {
        for redirects in 0..=self.config.redirects {
            let asked = self.ask_again(&location, known, &mut retries).await;
            let response = if redirects > 0 { asked.map_err(SourceError::of_redirect)? } else { asked? };
            if known.is_some() && response.status() == StatusCode::NOT_MODIFIED {
                return Ok(HostAnswer::Unchanged);
            }
            match redirect(&response) {
                Some(target) => location = location.join(target?, &self.config)?,
                None => return Ok(HostAnswer::Picture(self.read(response, lease).await?)),
            }
        }
        Err(SourceError::failed(format!("more than {} redirects", self.config.redirects)))
    }

    /// Asks, and asks once more while the failure is likely to pass and `retries` are left.
    async fn ask_again(
        &self,
        location: &Location,
        known: Option<&Version>,
        retries: &mut Retries<'_>,
    ) -> Result<Response, SourceError> {
        loop {
            let answer = self.ask(location, known).await;
            let may_pass = answer.as_ref().map_or_else(is_passing_error, may_pass);
            let Some(pause) = may_pass.then(|| retries.next()).flatten() else {
                return answer.map_err(|error| self.explain(&error));
            };
            drop(answer);
            sleep(pause).await;
        }
    }

    async fn ask(&self, location: &Location, known: Option<&Version>) -> reqwest::Result<Response> {
        let mut request = self.client.get(location.url().clone()).header(ACCEPT, "image/*, */*;q=0.1");
        if let Some(etag) = known.and_then(|known| known.etag.clone()) {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(time) = known.and_then(|known| known.last_modified) {
            request = request.header(IF_MODIFIED_SINCE, httpdate::fmt_http_date(time));
        }
        request.header(CDN_LOOP, CDN_NAME).send().await
    }

    async fn read(&self, mut response: Response, lease: MemoryLease) -> Result<Fetched, SourceError> {
        check_status(response.status())?;
        let limit = self.max_bytes;
        if response.content_length().is_some_and(|declared| declared > limit) {
            return Err(SourceError::TooLarge { limit });
        }
        let version = version(response.headers());
        let mut body = HashedBody::new(response.content_length().unwrap_or(limit), lease);
        let mut taken = 0;
        while let Some(chunk) = response.chunk().await.map_err(|error| self.explain(&error))? {
            taken += chunk.len() as u64;
            if taken > limit {
                return Err(SourceError::TooLarge { limit });
            }
            body.push(&chunk).map_err(|refused| SourceError::NoMemory { retry_after: refused.retry_after })?;
        }
        let upload = body.finish().ok_or_else(|| SourceError::failed("the host answers with no bytes"))?;
        Ok(Fetched { upload, version })
    }

    /// What an error of the client means. A refused address comes through the client from the resolver.
    fn explain(&self, error: &reqwest::Error) -> SourceError {
        if let Some(refusal) = causes(error).find_map(|cause| cause.downcast_ref::<Refusal>()) {
            return (*refusal).into();
        }
        if let Some(unknown) = causes(error).find_map(|cause| cause.downcast_ref::<UnknownName>()) {
            return SourceError::failed(unknown.to_string());
        }
        if let Some(untrusted) = causes(error).find_map(untrusted) {
            return SourceError::failed(untrusted);
        }
        if error.is_timeout() {
            return SourceError::Timeout { limit: self.config.connect_timeout };
        }
        let reason = match () {
            () if error.is_connect() => "no connection to the host",
            () if error.is_body() || error.is_decode() => "the answer of the host breaks off",
            () => "the host does not answer as HTTP says",
        };
        tracing::debug!(error = ?error.source(), "fetch failed: {reason}");
        SourceError::failed(reason)
    }
}

/// What caused `error`, one after the other.
pub(super) fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), cause)
}

/// What caused `error`. An error of input or output hides what it was made of, so that is asked for too.
fn cause<'a>(error: &&'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => (*error).source(),
    }
}

/// Why an encrypted connection was not made, where that is `cause`.
fn untrusted(cause: &(dyn Error + 'static)) -> Option<&'static str> {
    use rustls::CertificateError::{Expired, ExpiredContext, NotValidForName, NotValidForNameContext, UnknownIssuer};
    use rustls::Error::{AlertReceived, InvalidCertificate, InvalidMessage, PeerIncompatible};

    Some(match cause.downcast_ref::<rustls::Error>()? {
        InvalidCertificate(Expired | ExpiredContext { .. }) => "the certificate of the host has expired",
        InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => {
            "the certificate of the host is for another name"
        }
        InvalidCertificate(UnknownIssuer) => "the certificate of the host is of no public authority",
        InvalidCertificate(_) => "the certificate of the host is not valid",
        InvalidMessage(_) => "the host does not speak TLS on this port",
        PeerIncompatible(_) | AlertReceived(_) => "the host speaks no TLS 1.2 or 1.3 that is understood here",
        _ => "no encrypted connection to the host",
    })
}

/// Where the answer redirects to, by the statuses that carry a location (RFC 9110 s15.4).
/// Browsers follow one in UTF-8, too.
fn redirect(response: &Response) -> Option<Result<&str, SourceError>> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(LOCATION).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    Some(location.ok_or_else(|| SourceError::failed("the host redirects, and does not say where")))
}

/// Refuses an answer that is not the whole picture.
fn check_status(status: StatusCode) -> Result<(), SourceError> {
    match status {
        StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION => Ok(()),
        StatusCode::NOT_FOUND | StatusCode::GONE => Err(SourceError::NotFound { status: status.as_u16() }),
        status => Err(SourceError::Failed {
            status: Some(status.as_u16()),
            reason: format!("the host answers with status {}", status.as_u16()),
        }),
    }
}

fn version(headers: &HeaderMap) -> Version {
    let last_modified =
        headers.get(LAST_MODIFIED).and_then(|value| httpdate::parse_http_date(value.to_str().ok()?).ok());
    let etag = headers.get(ETAG).filter(|etag| etag.len() <= MAX_ETAG_BYTES);
    // A clone would keep the whole head of the answer in memory.
    Version { last_modified, etag: etag.and_then(|etag| HeaderValue::from_bytes(etag.as_bytes()).ok()) }
}
