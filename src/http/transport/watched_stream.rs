//! A socket that tells the pulse what passes through it, and that takes its time to close.
//! Must not know what the bytes say, but for one exception: hyper's own bare refusals.

use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{self, AsyncRead, AsyncWrite, ReadBuf};

use super::connection::wire;
use super::connection_phase::{ConnectionPhase, Phase};
use crate::http::response::problem::{Kind, Problem};

/// A stream that tells the pulse what passes through it, lingers when it is closed, and puts a problem in
/// the place of hyper's own bare answers.
pub struct WatchedStream<S> {
    stream: S,
    phase_clock: Arc<ConnectionPhase>,
    /// What stands in for an answer of hyper's, not written yet.
    unsent: Vec<u8>,
    write_closed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WatchedStream<S> {
    /// Watches `stream` on behalf of `pulse`.
    pub fn new(stream: S, phase_clock: Arc<ConnectionPhase>) -> WatchedStream<S> {
        WatchedStream { stream, phase_clock, unsent: Vec::new(), write_closed: false }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.unsent))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unsent.drain(..sent);
        }
        Poll::Ready(Ok(()))
    }

    /// Whether `bytes` are an answer of hyper's own; if so, ours goes out in its place.
    fn replaces(&mut self, bytes: &[u8]) -> bool {
        let bare = self.phase_clock.phase() != Phase::Handling && is_bare_refusal(bytes);
        if bare {
            self.unsent = malformed_head();
        }
        bare
    }

    fn note_write(&self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Pending => self.phase_clock.pass(Phase::Idle, Phase::Unread),
            Poll::Ready(Ok(bytes)) => self.phase_clock.read_on(*bytes),
            Poll::Ready(Err(_)) => {}
        }
    }

    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; 8 << 10];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WatchedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.phase_clock.pass(Phase::Idle, Phase::Head);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WatchedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(cx))?;
        if self.replaces(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note_write(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(cx))?;
        // A bare answer is a head, and heads come first.
        let head = buffers.first().map_or(&[][..], |buffer| buffer);
        if self.replaces(head) {
            return Poll::Ready(Ok(head.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, buffers);
        self.note_write(&written);
        written
    }

    /// hyper copies a body whole into a buffer of its own, and keeps that, unless this says yes.
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        // hyper flushes when it has written all that there is.
        self.phase_clock.pass(Phase::Unread, Phase::Idle);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.write_closed {
            ready!(self.poll_send(cx))?;
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.write_closed = true;
            self.phase_clock.enter(Phase::Closing);
        }
        if self.phase_clock.may_be_sending() {
            ready!(self.poll_discard(cx));
        }
        Poll::Ready(Ok(()))
    }
}

/// Whether hyper answers on its own: it can't parse the head, no request came of it, and the answer has
/// neither type nor body. No answer of ours is a 4xx without a body.
fn is_bare_refusal(bytes: &[u8]) -> bool {
    let empty = b"content-length: 0\r\n";
    bytes.starts_with(b"HTTP/1.1 4") && bytes.windows(empty.len()).any(|window| window == empty)
}

/// The answer to a head that is no HTTP/1.1, ready for the wire.
fn malformed_head() -> Vec<u8> {
    let detail = "the request line or a header is malformed, or the head is too long";
    wire(Problem::new(Kind::MalformedRequest, detail))
}
