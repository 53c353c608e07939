//! What the server and the spawner say to each other: one datagram a message, over a socket pair of type SEQPACKET.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, IoSlice, IoSliceMut};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The number of a worker process, unique while the server runs.
pub(super) type WorkerId = u32;

/// What the server asks of the spawner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Request {
    /// Start a worker under this number.
    Start(WorkerId),
    /// Kill it.
    Kill(WorkerId),
}

/// What the spawner tells the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Event {
    /// The worker runs. The server's end of its stream comes with this message.
    Started(WorkerId),
    /// The worker could not be started, for this reason.
    NotStarted(WorkerId, String),
    /// The worker ended.
    Ended(WorkerId, End),
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct End {
    pub status: EndStatus,
    /// The last that it wrote to its standard error, at most [`MAX_STDERR_TAIL`] bytes.
    pub stderr_tail: String,
}

/// What the system says of the end of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum EndStatus {
    /// It ended by itself, with this exit code.
    Exit(i32),
    /// It was ended by this signal.
    Signal(i32),
}

/// Bytes of [`End::stderr_tail`] at the most: a line of an assertion or of Rust's runtime.
pub(super) const MAX_STDERR_TAIL: usize = 1024;

/// Bytes of a message at the most. Text that is not UTF-8 grows to three times its length when it is read as such.
const MAX_MESSAGE: usize = 64 + 3 * MAX_STDERR_TAIL;

impl Request {
    /// Sends the request. A plain `send`, which the server's sandbox allows.
    ///
    /// # Errors
    /// When the spawner is gone.
    pub(super) fn send(self, socket: impl AsFd) -> io::Result<()> {
        rustix::net::send(socket, &encode(&self)?, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Waits for the next request. Returns `None` when the server is gone.
    ///
    /// # Errors
    /// The socket's own.
    pub(super) fn receive(socket: impl AsFd) -> io::Result<Option<Request>> {
        let mut bytes = [0; MAX_MESSAGE];
        let (length, _) = retry(|| rustix::net::recv(socket.as_fd(), &mut bytes[..], RecvFlags::empty()))?;
        decode(&bytes[..length])
    }
}

impl Event {
    /// Sends the event, and `stream` with it.
    ///
    /// # Errors
    /// When the server is gone.
    pub(super) fn send(&self, socket: impl AsFd, stream: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let bytes = encode(self)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors: &[BorrowedFd<'_>] = stream.as_slice();
        if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(io::Error::other("no space for a descriptor"));
        }
        rustix::net::sendmsg(socket, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Waits for the next event and the stream that came with it. Returns `None` when the spawner is gone.
    ///
    /// # Errors
    /// The socket's own.
    pub(super) fn receive(socket: impl AsFd) -> io::Result<Option<(Event, Option<OwnedFd>)>> {
        let mut bytes = [0; MAX_MESSAGE];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = retry(|| {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            rustix::net::recvmsg(socket.as_fd(), &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)
        })?;
        let stream = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        Ok(decode(&bytes[..received.bytes])?.map(|event| (event, stream)))
    }
}

fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    postcard::to_stdvec(message).map_err(io::Error::other)
}

/// The message in `bytes`. Returns `None` for none, which is how the end of the conversation reads.
fn decode<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<Option<T>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    postcard::from_bytes(bytes).map(Some).map_err(io::Error::other)
}

/// Calls again while a signal interrupts.
fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return Ok(result?),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
    }

    #[test]
    fn messages_come_as_they_were_sent_and_a_stream_with_them() {
        let (server, spawner) = pair();
        for request in [Request::Start(7), Request::Kill(u32::MAX)] {
            request.send(&server).unwrap();
            assert_eq!(Request::receive(&spawner).unwrap(), Some(request));
        }
        let stderr_tail = "\u{FFFD}".repeat(MAX_STDERR_TAIL);
        for event in [
            Event::NotStarted(1, "no memory".to_owned()),
            Event::Ended(u32::MAX, End { status: EndStatus::Exit(i32::MIN), stderr_tail }),
            Event::Ended(3, End { status: EndStatus::Signal(9), stderr_tail: String::new() }),
        ] {
            event.send(&spawner, None).unwrap();
            assert_eq!(
                Event::receive(&server).unwrap().map(|(event, stream)| (event, stream.is_some())),
                Some((event, false))
            );
        }
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        Event::Started(4).send(&spawner, Some(theirs.as_fd())).unwrap();
        drop(theirs);
        let (event, stream) = Event::receive(&server).unwrap().unwrap();
        assert_eq!(event, Event::Started(4));
        UnixStream::from(stream.unwrap()).write_all(b"hi").unwrap();
        let mut text = [0; 2];
        ours.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"hi");
    }

    #[test]
    fn an_end_that_is_gone_ends_the_conversation() {
        let (server, spawner) = pair();
        drop(server);
        assert_eq!(Request::receive(&spawner).unwrap(), None);
        assert!(Event::Started(1).send(&spawner, None).is_err());
    }
}
