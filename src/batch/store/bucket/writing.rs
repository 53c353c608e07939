//! A file while it is received: in memory that is leased for it, and sent in pieces when it is large.

use std::io;

use bytes::BytesMut;
use object_store::path::Path;
use object_store::{MultipartUpload, PutPayload};

use super::objects::{Objects, failed};
use crate::engine::{Engine, MemoryLease};

/// Bytes of a piece of a large file. S3 takes pieces of 5 MiB and more, at most 10,000 of them.
const PIECE_BYTES: usize = 8 << 20;

/// Bytes that the buffer of a file grows by.
const STEP_BYTES: usize = 256 << 10;

/// A file while it is received.
pub(in crate::batch) struct Writing {
    objects: Objects,
    path: Path,
    buffer: BytesMut,
    lease: io::Result<MemoryLease>,
    /// Bytes of the lease.
    leased: usize,
    /// Once there is more than one piece.
    upload: Option<Box<dyn MultipartUpload>>,
}

impl Writing {
    /// Begins the file at `path`.
    pub(super) fn new(objects: Objects, path: Path, engine: &Engine) -> Writing {
        let lease = engine.lease_for_answer(0).map_err(|_| full());
        Writing { objects, path, buffer: BytesMut::new(), lease, leased: 0, upload: None }
    }

    pub(in crate::batch) async fn push(&mut self, chunk: &[u8]) -> io::Result<()> {
        let needed = self.buffer.len() + chunk.len();
        if needed > self.buffer.capacity() {
            let capacity = needed.max(2 * self.buffer.capacity()).max(STEP_BYTES);
            self.lease_up_to(capacity)?;
            self.buffer.reserve(capacity - self.buffer.len());
        }
        self.buffer.extend_from_slice(chunk);
        if self.buffer.len() >= PIECE_BYTES { self.send_piece().await } else { Ok(()) }
    }

    fn lease_up_to(&mut self, bytes: usize) -> io::Result<()> {
        let lease = self.lease.as_ref().map_err(|_| full())?;
        if let Some(more) = bytes.checked_sub(self.leased).filter(|more| *more > 0) {
            lease.grow(more as u64).map_err(|_| full())?;
            self.leased = bytes;
        }
        Ok(())
    }

    /// Sends what is buffered. Nothing else is received meanwhile.
    async fn send_piece(&mut self) -> io::Result<()> {
        if self.upload.is_none() {
            self.upload = Some(self.objects.begin_multipart(&self.path).await?);
        }
        let Some(upload) = &mut self.upload else { return Ok(()) };
        let piece = std::mem::take(&mut self.buffer).freeze();
        upload.put_part(PutPayload::from(piece)).await.map_err(failed)
    }

    pub(in crate::batch) async fn finish(mut self) -> io::Result<()> {
        if self.upload.is_none() {
            let bytes = std::mem::take(&mut self.buffer).freeze();
            return self.objects.put(&self.path, bytes).await;
        }
        if !self.buffer.is_empty() {
            self.send_piece().await?;
        }
        let Some(mut upload) = self.upload.take() else { return Ok(()) };
        upload.complete().await.map(drop).map_err(failed)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let Some(mut upload) = self.upload.take() else { return };
        tokio::spawn(async move {
            // Stores forget the pieces of such uploads by a rule of their own, where this fails.
            let _ = upload.abort().await;
        });
    }
}

fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}
