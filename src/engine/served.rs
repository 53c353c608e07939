//! What a request gets.

use std::sync::Arc;
use std::time::Duration;

use super::computation::Computed;
use super::key::Key;
use crate::job::Answer;
use crate::metrics::CacheTier;

/// An answer as the engine serves it.
#[derive(Clone, Debug)]
pub struct Served {
    /// The file and its report, shared with the cache.
    pub answer: Arc<Answer>,
    /// Whether it was computed for this request.
    pub served_from: ServedFrom,
    /// The answer's id for [`Engine::result`](super::Engine::result): 64 hex digits.
    pub id: String,
    /// Strong validator of the answer's bytes, quotes included.
    pub etag: String,
    /// How long the job waited for its permit.
    pub queued: Duration,
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServedFrom {
    /// The cache.
    Hit {
        /// The tier that had it.
        tier: CacheTier,
    },
    /// Computed for this request.
    Miss {
        /// Whether the cache keeps it.
        stored: bool,
    },
    /// Computed for an identical request that came first.
    Collapsed {
        /// Whether the cache keeps it.
        stored: bool,
    },
}

impl Served {
    /// Whether the cache keeps the answer, so that it can be had by its id.
    pub fn is_kept(&self) -> bool {
        match self.served_from {
            ServedFrom::Hit { .. } => true,
            ServedFrom::Miss { stored } | ServedFrom::Collapsed { stored } => stored,
        }
    }

    pub(super) fn new(key: Key, Computed { cached, served_from, queued }: Computed) -> Served {
        Served { answer: cached.answer, served_from, id: key.to_hex(), etag: cached.etag.to_string(), queued }
    }
}
