//! Frames between the server and a worker over a stream: two lengths, a header in postcard, a body as it is.

use std::io::{self, Read, Write};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::codec::Limits;
use crate::job::{Job, JobError, Report, Share, SizeCurve};

/// The first that a worker says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Greeting {
    /// It is sealed and waits for jobs.
    Ready,
    /// The system did not let it seal itself, for this reason.
    Unsealed(String),
}

/// What the server asks of a worker. The file follows as the body. The worker answers with a [`Reply`] for each job, in
/// their order.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ask {
    pub jobs: Vec<Job>,
    pub task: Task,
    pub limits: Limits,
    /// Time until the deadline of them all, from the moment that the worker has the frame: clocks do not travel.
    pub remaining: Duration,
    /// Memory that the largest job is expected to need at its peak, with the file, in bytes.
    pub memory_bytes: u64,
}

/// What is to be done with the jobs of an [`Ask`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Task {
    /// Each is answered.
    Answer {
        /// Bytes that the answers may have together.
        total: Option<u64>,
    },
    /// The only one is answered within its share of a total.
    AnswerWithin(Share),
    /// The sizes of the answer to the only one are predicted.
    Predict,
}

/// A worker has the whole of an [`Ask`] and begins. Until it says so nothing has happened to the job.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Begun;

/// What a worker answers to a job. The file follows as the body of [`Reply::Done`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    Done(Report),
    Predicted(SizeCurve),
    Failed(JobError),
    /// The codec panicked: what it said, and where.
    Panicked(String),
}

/// Bytes of a header at the most: a report of a long search has some tens of kilobytes.
const MAX_HEADER_BYTES: usize = 1 << 20;

/// Bytes in front of a frame: the header's length and the body's.
const PREFIX_BYTES: usize = 12;

/// Sends a frame.
///
/// # Errors
/// The stream's own.
pub(super) fn send(mut stream: impl Write, header: &impl Serialize, body: &[u8]) -> io::Result<()> {
    let header = postcard::to_stdvec(header).map_err(io::Error::other)?;
    let header_bytes = u32::try_from(header.len()).map_err(io::Error::other)?;
    let mut front = Vec::with_capacity(PREFIX_BYTES + header.len());
    front.extend(header_bytes.to_le_bytes());
    front.extend((body.len() as u64).to_le_bytes());
    front.extend(header);
    stream.write_all(&front)?;
    stream.write_all(body)
}

/// Receives a frame whose body has at most `max_body_bytes`. Returns `None` at the end of the stream.
///
/// # Errors
/// The stream's own; `InvalidData` for a frame that is over its limits or can't be read.
pub(super) fn receive<T: DeserializeOwned>(stream: impl Read, max_body_bytes: u64) -> io::Result<Option<(T, Vec<u8>)>> {
    receive_prepared(stream, max_body_bytes, |_| Ok(()))
}

/// Receives a frame as [`receive`] does, and calls `prepare` with its header before memory is taken for the body.
///
/// # Errors
/// As [`receive`], and those of `prepare`.
pub(super) fn receive_prepared<T: DeserializeOwned>(
    mut stream: impl Read,
    max_body_bytes: u64,
    prepare: impl FnOnce(&T) -> io::Result<()>,
) -> io::Result<Option<(T, Vec<u8>)>> {
    let mut prefix = [0; PREFIX_BYTES];
    match stream.read_exact(&mut prefix) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    }
    let [h0, h1, h2, h3, body @ ..] = prefix;
    let header_bytes = u32::from_le_bytes([h0, h1, h2, h3]) as usize;
    let body_bytes = u64::from_le_bytes(body);
    if header_bytes > MAX_HEADER_BYTES || body_bytes > max_body_bytes {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is over its limits"));
    }
    let header = read_bytes(&mut stream, header_bytes)?;
    let header = postcard::from_bytes(&header).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    let body_bytes = usize::try_from(body_bytes).map_err(io::Error::other)?;
    prepare(&header)?;
    Ok(Some((header, read_bytes(&mut stream, body_bytes)?)))
}

fn read_bytes(stream: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length);
    stream.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::DecodeError;
    use crate::codec::Format;
    use crate::job::{Effort, Facts, Formats, Mode, Outcome, Step, StepKind, Timings};
    use crate::picture::transform::{Resize, ResizeFit};

    fn arrives<T: Serialize + DeserializeOwned>(header: &T, body: &[u8]) -> (T, Vec<u8>) {
        let mut sent = Vec::new();
        send(&mut sent, header, body).unwrap();
        receive(sent.as_slice(), body.len() as u64).unwrap().unwrap()
    }

    #[test]
    fn a_job_comes_as_it_was_sent() {
        let resize = Resize { width: Some(640), height: None, fit: ResizeFit::Cover, enlarge: true };
        for job in [
            Job::new(80_000, Formats::Keep),
            Job {
                mode: Mode::Fit { min_bytes: Some(7) },
                min_score: Some(0.1 + 0.2),
                effort: Effort::Best,
                progressive: false,
                resize: Some(resize),
                ..Job::new(u64::MAX, Formats::Among(vec![Format::Avif, Format::Png]))
            },
        ] {
            let limits = Limits { max_metadata_bytes: 4_194_305, ..Limits::default() };
            let (remaining, task) = (Duration::from_micros(1_500_001), Task::Answer { total: Some(80_000) });
            let ask = Ask { jobs: vec![job], task, limits, remaining, memory_bytes: 1 << 30 };
            let (received, body) = arrives(&ask, b"a picture");
            assert_eq!((received.jobs, received.limits, received.remaining), (ask.jobs, ask.limits, ask.remaining));
            assert_eq!(received.task, task);
            assert_eq!(body, b"a picture");
        }
    }

    #[test]
    fn a_reply_comes_as_it_was_sent() {
        let facts = Facts { bytes: 9, format: Format::Tiff, width: 3, height: 2 };
        let step =
            Step { format: Format::Avif, width: 3, height: 2, quality: Some(70.25), bytes: 8, kind: StepKind::Probe };
        let report = Report {
            input: facts,
            output: facts,
            target: 10,
            outcome: Outcome::Downscaled,
            cut_short: true,
            damaged: true,
            padded: false,
            quality: Some(1.0 / 3.0),
            score: None,
            encodes: 2,
            encodes_by_format: vec![(Format::Avif, 2)],
            steps: vec![step, Step { quality: None, ..step }],
            timings: Timings { decode: Duration::from_nanos(1500), ..Timings::default() },
        };
        let (Reply::Done(received), body) = arrives(&Reply::Done(report.clone()), b"a file") else { panic!() };
        assert_eq!((received, body.as_slice()), (report, b"a file".as_slice()));
        let error = JobError::Decode(DecodeError::Unsupported { found: Some("HEIC".into()) });
        assert!(
            matches!(arrives(&Reply::Failed(error.clone()), b""), (Reply::Failed(received), _) if received == error)
        );
    }

    #[test]
    fn what_is_over_its_limits_or_cut_is_refused() {
        let mut sent = Vec::new();
        send(&mut sent, &Reply::Panicked("a bug".to_owned()), &[7; 100]).unwrap();
        assert_eq!(receive::<Reply>(sent.as_slice(), 99).unwrap_err().kind(), io::ErrorKind::InvalidData);
        for length in PREFIX_BYTES..sent.len() {
            assert!(receive::<Reply>(&sent[..length], 100).is_err(), "{length} bytes");
        }
        assert!(receive::<Reply>(&sent[..0], 100).unwrap().is_none());
        let huge = [0xFF; PREFIX_BYTES];
        assert!(receive::<Reply>(huge.as_slice(), u64::MAX).is_err());
    }
}
