//! Why a picture could not be fetched.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why there is no picture. It can be cloned, because every request that waits for a fetch gets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum SourceError {
    /// Pictures are not fetched by URL here.
    #[error("pictures are not fetched by URL here: source.enabled is false")]
    Disabled,
    /// The text is no URL.
    #[error("the URL can't be read: {0}")]
    Invalid(String),
    /// The URL may not be fetched.
    #[error(transparent)]
    NotAllowed(#[from] Refusal),
    /// It redirects to one that may not.
    #[error("the URL redirects to another that may not be fetched: {0}")]
    RedirectNotAllowed(Refusal),
    /// The host has no picture there.
    #[error("the host answers that there is no picture: status {status}")]
    NotFound {
        /// 404 or 410.
        status: u16,
    },
    /// More bytes than the limit, declared or sent.
    #[error("the picture has more than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The host could not be asked, or answered with no picture.
    #[error("{reason}")]
    Failed {
        /// The status that it answered with.
        status: Option<u16>,
        /// In words.
        reason: String,
    },
    /// The host failed so often that it is left alone for a while, or too many fetches from it are under way.
    #[error("the host can't be asked now")]
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
    /// The fetch took too long.
    #[error("the picture did not arrive within {} s", .limit.as_secs_f64())]
    Timeout {
        /// The time that it had.
        limit: Duration,
    },
    /// There is no memory for the picture.
    #[error("no memory for another picture now")]
    NoMemory {
        /// When to try again.
        retry_after: Duration,
    },
}

/// Why a URL may not be fetched. The words are the same for every address that is not public, so that they tell nothing
/// of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// Another scheme.
    #[error("only http and https are fetched: write http:// or https://")]
    Scheme,
    /// A user name or password in the URL.
    #[error("a URL with a user name or password is not fetched: leave them out")]
    Credentials,
    /// The host is not in the list.
    #[error("pictures of this host are not fetched here: source.allowed_hosts lacks it")]
    Host,
    /// The port is not in the list.
    #[error("pictures from this port are not fetched here: source.ports lacks it")]
    Port,
    /// An address that is not public.
    #[error("the host has no public address")]
    Address,
    /// The request comes from this service itself.
    #[error("the request was sent by this service itself")]
    Loop,
}

impl SourceError {
    /// The same of a URL that another redirects to.
    pub(super) fn of_redirect(self) -> SourceError {
        match self {
            SourceError::NotAllowed(refusal) => SourceError::RedirectNotAllowed(refusal),
            error => error,
        }
    }

    /// The host answered in a way that can't be used.
    pub(super) fn failed(reason: impl Into<String>) -> SourceError {
        SourceError::Failed { status: None, reason: reason.into() }
    }

    /// Whether the failure tells nothing of the picture: the host, or this service, could not ask or answer just now.
    /// What was fetched before may be served meanwhile (RFC 5861 s4).
    pub(super) fn may_pass(&self) -> bool {
        match self {
            SourceError::Failed { status, .. } => status.is_none_or(|status| status >= 500),
            SourceError::Timeout { .. } | SourceError::Unavailable { .. } | SourceError::NoMemory { .. } => true,
            SourceError::Disabled
            | SourceError::Invalid(_)
            | SourceError::NotAllowed(_)
            | SourceError::RedirectNotAllowed(_)
            | SourceError::NotFound { .. }
            | SourceError::TooLarge { .. } => false,
        }
    }

    /// Whether the host itself is at fault, so that it is likely to fail again.
    pub(super) fn is_of_host(&self) -> bool {
        match self {
            SourceError::Failed { status, .. } => status.is_none_or(|status| status >= 500),
            SourceError::Timeout { .. } => true,
            _ => false,
        }
    }
}
