//! The body of an answer, which updates the connection's phase when it ends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::connection_phase::ConnectionPhase;

/// A body that ends the answer in `phase` when it is dropped. hyper drops it as soon as it has taken the last byte.
pub(super) struct AnswerBody {
    body: Body,
    phase: Arc<ConnectionPhase>,
}

impl AnswerBody {
    /// Wraps `body`, whose answer begins now.
    pub(super) fn new(body: Body, phase: Arc<ConnectionPhase>) -> AnswerBody {
        phase.begin_answer();
        AnswerBody { body, phase }
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.phase.end_answer();
    }
}
