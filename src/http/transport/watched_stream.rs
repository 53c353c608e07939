//! A socket that updates the connection's phase by what is read and written, and that closes only when the client has
//! had time to read the last answer.

use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{self, AsyncRead, AsyncWrite, ReadBuf};

use super::connection::to_http1;
use super::connection_phase::{ConnectionPhase, Phase};
use crate::http::response::problem::{Kind, Problem};

/// A stream that updates the connection's phase, lingers before it closes, and replaces hyper's own refusals, which
/// have no body, by problems.
pub(super) struct WatchedStream<S> {
    stream: S,
    phase: Arc<ConnectionPhase>,
    /// Bytes of our replacement for a refusal of hyper's that are not written yet.
    unsent: Vec<u8>,
    write_closed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WatchedStream<S> {
    /// Watches `stream` and updates `phase`.
    pub(super) fn new(stream: S, phase: Arc<ConnectionPhase>) -> WatchedStream<S> {
        WatchedStream { stream, phase, unsent: Vec::new(), write_closed: false }
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

    /// Whether `bytes` are a refusal of hyper's own; if so, ours is sent in its place.
    fn replace_refusal(&mut self, bytes: &[u8]) -> bool {
        let is_hypers = !matches!(self.phase.current(), Phase::Handling | Phase::Answering) && is_hypers_refusal(bytes);
        if is_hypers {
            self.unsent = malformed_head();
        }
        is_hypers
    }

    fn note_write(&self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Pending => self.phase.write_blocked(),
            Poll::Ready(Ok(bytes)) => self.phase.write_continued(*bytes),
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
            self.phase.pass(Phase::Idle, Phase::Head);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WatchedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(cx))?;
        if self.replace_refusal(bytes) {
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
        // A refusal of hyper is a head, so it is in the first buffer.
        let head = buffers.first().map_or(&[][..], |buffer| buffer);
        if self.replace_refusal(head) {
            return Poll::Ready(Ok(head.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, buffers);
        self.note_write(&written);
        written
    }

    /// Unless this is true, hyper copies every body into a buffer of its own and keeps that.
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        // hyper flushes when it has written everything.
        self.phase.write_flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.write_closed {
            ready!(self.poll_send(cx))?;
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.write_closed = true;
            self.phase.enter(Phase::Closing);
        }
        if self.phase.may_be_sending() {
            ready!(self.poll_discard(cx));
        }
        Poll::Ready(Ok(()))
    }
}

/// Whether this is hyper's own answer to a head that it can't parse: a 4xx without a body. Every 4xx of ours has a
/// body.
fn is_hypers_refusal(bytes: &[u8]) -> bool {
    let empty = b"content-length: 0\r\n";
    bytes.starts_with(b"HTTP/1.1 4") && bytes.windows(empty.len()).any(|window| window == empty)
}

/// The answer to a head that is not HTTP/1.1, as bytes.
fn malformed_head() -> Vec<u8> {
    let detail = "the request line or a header is malformed, or the head is too long";
    to_http1(Problem::new(Kind::MalformedRequest, detail))
}
