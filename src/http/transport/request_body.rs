//! The body of a request, which says when it has been read to its end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

use super::connection_phase::ConnectionPhase;

/// A body that notes its end in `phase`.
pub(super) struct RequestBody {
    body: Incoming,
    phase: Arc<ConnectionPhase>,
}

impl RequestBody {
    /// Wraps `body`, whose request begins now.
    pub(super) fn new(body: Incoming, phase: Arc<ConnectionPhase>) -> RequestBody {
        phase.begin_request(!body.is_end_stream());
        RequestBody { body, phase }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(frame, Poll::Ready(None)) || self.body.is_end_stream() {
            self.phase.end_request_body();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
