//! Hands a form's body to the parser piece by piece, and limits the bytes between one part's data and the next. The
//! parser would otherwise buffer whatever it can get until it finds a boundary or the end of a part's head.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use super::upload::UploadError;

/// Bytes that may come before a part's data: a preamble, a boundary and the part's head. The parser may hold one piece
/// more.
pub(super) const MAX_FRAMING_BYTES: usize = 16 << 10;

/// Bytes handed over at once. Small compared with the limit. A form of 60 MB wakes the parser 15,000 times, which takes
/// 40 ms of CPU in all.
const PIECE_BYTES: usize = 4 << 10;

/// How many bytes the parser may still get. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Allowance(Arc<AtomicUsize>);

impl Allowance {
    /// The allowance at the start of a form.
    pub(super) fn new() -> Allowance {
        Allowance(Arc::new(AtomicUsize::new(MAX_FRAMING_BYTES)))
    }

    /// A part's data follows, which the parser does not buffer.
    pub(super) fn data_follows(&self) {
        self.0.store(usize::MAX, Ordering::Relaxed);
    }

    /// A part has ended, and another one or the end of the form follows.
    pub(super) fn framing_follows(&self) {
        self.0.store(MAX_FRAMING_BYTES, Ordering::Relaxed);
    }

    /// Takes up to `wanted` bytes from the allowance, and returns how many.
    fn take(&self, wanted: usize) -> usize {
        let left = self.0.load(Ordering::Relaxed);
        let taken = wanted.min(left);
        self.0.store(left - taken, Ordering::Relaxed);
        taken
    }
}

/// A stream of bytes in pieces, within the allowance.
pub(super) struct Pieces<S> {
    stream: S,
    allowance: Allowance,
    /// What arrived and is not handed over yet.
    rest: Bytes,
    /// Whether to return `Pending` next. The parser polls until nothing is ready before it looks at what it has, so
    /// this is set after each piece.
    pause: bool,
}

impl<S> Pieces<S> {
    /// The pieces of `stream`.
    pub(super) fn new(stream: S, allowance: Allowance) -> Pieces<S> {
        Pieces { stream, allowance, rest: Bytes::new(), pause: false }
    }

    fn next_piece(&mut self) -> Result<Bytes, UploadError> {
        let length = self.allowance.take(self.rest.len().min(PIECE_BYTES));
        if length == 0 {
            let limit = MAX_FRAMING_BYTES;
            let detail = format!("the form has more than {limit} bytes before a part's data");
            return Err(UploadError::Malformed(detail));
        }
        self.pause = true;
        Ok(self.rest.split_to(length))
    }
}

impl<S: Stream<Item = Result<Bytes, UploadError>> + Unpin> Stream for Pieces<S> {
    type Item = Result<Bytes, UploadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.pause) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        while self.rest.is_empty() {
            match ready!(self.stream.poll_next_unpin(cx)) {
                Some(Ok(chunk)) => self.rest = chunk,
                end => return Poll::Ready(end),
            }
        }
        Poll::Ready(Some(self.next_piece()))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{poll, stream};

    use super::*;

    fn pieces(bytes: usize) -> (Pieces<impl Stream<Item = Result<Bytes, UploadError>> + Unpin>, Allowance) {
        let allowance = Allowance::new();
        let body = stream::iter([Ok(Bytes::new()), Ok(Bytes::from(vec![7; bytes]))]);
        (Pieces::new(body, allowance.clone()), allowance)
    }

    #[tokio::test]
    async fn the_stream_pauses_after_every_piece_and_hands_over_all_of_them() {
        let (mut pieces, allowance) = pieces(10_000);
        allowance.data_follows();
        assert!(matches!(poll!(pieces.next()), Poll::Ready(Some(Ok(piece))) if piece.len() == PIECE_BYTES));
        assert!(poll!(pieces.next()).is_pending());
        let mut left = 10_000 - PIECE_BYTES;
        while let Some(piece) = pieces.next().await {
            left -= piece.unwrap().len();
        }
        assert_eq!(left, 0);
    }

    #[tokio::test]
    async fn framing_is_allowed_to_its_last_byte_and_refused_beyond() {
        let (mut pieces, allowance) = pieces(2 * MAX_FRAMING_BYTES + 1);
        for _ in 0..2 {
            let mut taken = 0;
            while taken < MAX_FRAMING_BYTES {
                taken += pieces.next().await.unwrap().unwrap().len();
            }
            assert_eq!(taken, MAX_FRAMING_BYTES);
            allowance.framing_follows();
        }
        allowance.take(MAX_FRAMING_BYTES);
        assert!(matches!(pieces.next().await, Some(Err(UploadError::Malformed(_)))));
    }
}
