//! Work that goes wrong as its input says, and the real work on everything else.
#![expect(unsafe_code, reason = "the faults are those of C")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytefit::engine::{Bounds, Codecs, Header, SetJob, Work, WorkError};
use bytefit::job::{Answer, Job, JobError};
use testkit::answers::echo;

use crate::seal;

/// Work whose input says what goes wrong.
pub(crate) struct Faults;

impl Work for Faults {
    fn memory_needed(&self, job: &Job, header: &Header<'_>, available: u64) -> Result<u64, JobError> {
        match std::str::from_utf8(header.input) {
            Ok("large") => Ok(1 << 30),
            Ok(_) => Ok(1 << 20),
            Err(_) if header.input.ends_with(b"abort") => Ok(1 << 20),
            Err(_) => Codecs.memory_needed(job, header, available),
        }
    }

    fn run(&self, job: &Job, input: &[u8], bounds: &Bounds<'_>) -> Result<Answer, WorkError> {
        if input.ends_with(b"abort") {
            std::process::abort();
        }
        match std::str::from_utf8(input) {
            Ok(text) if text.starts_with("work") => busy(Duration::from_millis(3)),
            Ok(text) if text.starts_with("loop") => busy(Duration::MAX),
            Ok(text) if text.starts_with("abort") => std::process::abort(),
            Ok("overflow") => drop(black_box(overflow(0))),
            Ok("overflow in c") => overflow_in_c(),
            Ok("allocate 4 GB") => drop(black_box(vec![1_u8; 4 << 30])),
            // SAFETY: it is not safe; that is the fault.
            Ok("segfault") => unsafe { std::ptr::null_mut::<u8>().write_volatile(1) },
            // SAFETY: ends the process, as the kernel does when memory is short.
            Ok("kill") => drop(unsafe { libc::raise(libc::SIGKILL) }),
            // SAFETY: ends the process.
            Ok("exit") => unsafe { libc::_exit(3) },
            Ok("close all") => close_all(),
            Ok("answer nonsense") => answer_nonsense(),
            Ok("panic") => panic!("a bug"),
            Ok(text) if text.starts_with("count") => return Ok(echo(job, text.len().to_string().as_bytes())),
            Ok("attempts") => return Ok(echo(job, seal::attempts().as_bytes())),
            Ok(_) => {}
            Err(_) => return Codecs.run(job, input, bounds),
        }
        Ok(echo(job, input))
    }

    fn run_set(
        &self,
        jobs: &[SetJob<'_>],
        input: &[u8],
        bounds: &Bounds<'_>,
        done: &mut dyn FnMut(Result<Answer, WorkError>),
    ) {
        if std::str::from_utf8(input).is_err() && !input.ends_with(b"abort") {
            return Codecs.run_set(jobs, input, bounds, done);
        }
        for SetJob { job, stop } in jobs {
            let run = || self.run(job, input, &Bounds { stop, ..*bounds });
            let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
            done(ran.unwrap_or_else(|_| Err(WorkError::Panicked("a panic".to_owned()))));
        }
    }
}

fn busy(time: Duration) {
    let started = Instant::now();
    while started.elapsed() < time {
        std::hint::spin_loop();
    }
}

#[expect(unconditional_recursion, reason = "that is the fault")]
fn overflow(depth: u64) -> [u64; 64] {
    let below = overflow(black_box(depth + 1));
    black_box(below.map(|number| number + depth))
}

/// Sorts within the comparison of a sort, without end.
extern "C" fn compare(_: *const libc::c_void, _: *const libc::c_void) -> libc::c_int {
    let mut numbers = black_box([2_u64, 1, 4, 3]);
    // SAFETY: four elements of eight bytes; the comparison has C's signature.
    unsafe { libc::qsort(numbers.as_mut_ptr().cast(), 4, 8, Some(compare)) };
    black_box(numbers[0]) as libc::c_int
}

fn overflow_in_c() {
    compare(std::ptr::null(), std::ptr::null());
}

/// Closes the stream to the server, so that the answer can't be written.
fn close_all() {
    for descriptor in 0..64 {
        // SAFETY: the worker owns them all, and only finds that they are closed.
        unsafe { libc::close(descriptor) };
    }
}

/// Writes what is no frame into the stream, as a codec that was taken over might.
fn answer_nonsense() {
    for descriptor in 3..64 {
        let bytes = [0xFF_u8; 64];
        // SAFETY: reads 64 bytes of an array of 64.
        unsafe { libc::write(descriptor, bytes.as_ptr().cast(), bytes.len()) };
    }
    busy(Duration::MAX);
}
