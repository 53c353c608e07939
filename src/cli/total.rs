//! `bytefit fit --total`: many files within one size, all at the same quality.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::failure::Failure;
use super::fit::{Fitted, Opened, Task};
use super::selection::InputFile;
use super::{input, parallel};
use crate::engine::WorkersMode;
use crate::job::{JobError, OnMiss, Shares, SizeCurve};

/// Bytes of memory for pictures that are kept from the plan until they are fitted: ten of 12 megapixels. Other files
/// are decoded twice.
const KEPT_BYTES: u64 = 512 << 20;

/// What all files together may have, and have so far.
pub(super) struct Total {
    bytes: u64,
    /// The pictures of the files that are kept.
    opened: Vec<Mutex<Option<Opened>>>,
    state: Mutex<State>,
}

struct State {
    shares: Shares,
    written: u64,
    files: usize,
    /// The lowest and the highest quality of the answers that have one.
    qualities: Option<(f64, f64)>,
}

impl Total {
    /// Plans the share of each of `files`. A file that can't be read gets none; fitting it says why.
    ///
    /// # Errors
    /// [`Failure`] when even the smallest answers have more than `bytes` together.
    pub(super) fn plan(task: &Task, files: &[InputFile], bytes: u64) -> Result<Total, Failure> {
        let kept = AtomicU64::new(0);
        let open = |index: usize| {
            let Ok((opened, curve)) = task.open(&files[index].path) else { return (None, None) };
            let with_it = |kept: u64| kept.checked_add(opened.source.memory_bytes()).filter(|sum| *sum <= KEPT_BYTES);
            let is_kept = kept.fetch_update(Ordering::Relaxed, Ordering::Relaxed, with_it).is_ok();
            (is_kept.then_some(opened), Some(curve))
        };
        let opened = parallel::run(task.jobs, files.len(), open).map_err(|error| Failure::unreadable(&error))?;
        let (opened, curves): (Vec<Option<Opened>>, Vec<Option<SizeCurve>>) = opened.into_iter().unzip();
        let mut shares = Shares::new(bytes, curves);
        let all = shares.waiting();
        let uncertain = if shares.is_tight() { all.clone() } else { shares.uncertain() };
        let mut smallest_total = keep_the_smallest(task, files, &mut shares, &uncertain)?;
        if smallest_total > bytes && uncertain.len() < all.len() {
            smallest_total = keep_the_smallest(task, files, &mut shares, &all)?;
        }
        if smallest_total > bytes && task.on_miss() == OnMiss::Error {
            return Err(JobError::TotalUnreachable { total: bytes, smallest_total }.into());
        }
        let opened = opened.into_iter().map(Mutex::new).collect();
        Ok(Total { bytes, opened, state: Mutex::new(State { shares, written: 0, files: 0, qualities: None }) })
    }

    /// Fits `file`, the one at `index`, into its share.
    pub(super) fn fit(&self, task: &Task, index: usize, file: &Path) -> Result<Fitted, Failure> {
        let mut share = self.state().shares.take(index);
        let opened = self.opened[index].lock().unwrap_or_else(PoisonError::into_inner).take();
        let fitted = task.fit_opened(index, file, opened, |source, job, stop| {
            let fitted = source.fit_share(job, share, stop);
            match &fitted {
                Err(error) if self.state().shares.stretch(&mut share, error, job.target) => {
                    source.fit_share(job, share, stop)
                }
                _ => fitted,
            }
        });
        let mut state = self.state();
        let used = fitted.as_ref().map_or(0, |fitted| fitted.answer.report.output.bytes);
        state.shares.give_back(share, used);
        state.written += used;
        if let Ok(fitted) = &fitted {
            state.files += 1;
            if let Some(quality) = fitted.answer.report.quality {
                let (low, high) = state.qualities.unwrap_or((quality, quality));
                state.qualities = Some((low.min(quality), high.max(quality)));
            }
        }
        fitted
    }

    /// Whether the answers have more bytes than the total.
    pub(super) fn is_exceeded(&self) -> bool {
        self.state().written > self.bytes
    }

    /// One line on all files.
    pub(super) fn summary(&self) -> String {
        let State { written, files, qualities, .. } = &*self.state();
        let quality = qualities.map(|(low, high)| format!(", quality {low:.1} to {high:.1}")).unwrap_or_default();
        format!("total: {files} files, {written} of {} bytes{quality}", self.bytes)
    }

    /// The state is whole even if the lock is poisoned: nothing under it can panic halfway through a change.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps as many bytes for each of the `files` at `indices` as its smallest answer has. One that has none gets what is
/// left; fitting it says why. Returns the sum.
///
/// # Errors
/// [`Failure`] when no thread can be started.
fn keep_the_smallest(task: &Task, files: &[InputFile], shares: &mut Shares, indices: &[usize]) -> Result<u64, Failure> {
    let smallest = |number: usize| task.smallest_bytes(&files[indices[number]].path);
    let sizes = parallel::run(task.jobs, indices.len(), smallest).map_err(|error| Failure::unreadable(&error))?;
    let mut sum = 0_u64;
    for (index, bytes) in indices.iter().zip(sizes) {
        let Ok(bytes) = bytes else { continue };
        sum = sum.saturating_add(bytes);
        shares.reserve(*index, bytes);
    }
    Ok(sum)
}

/// Refuses what makes no sense with a total.
///
/// # Errors
/// A message for the user.
pub(super) fn check(files: &[InputFile], parameters: &[(String, String)], workers: WorkersMode) -> Result<(), String> {
    if workers == WorkersMode::Processes {
        return Err("--total looks at every file before it fits one, which worker processes can't do yet".to_owned());
    }
    if files.iter().any(|file| input::is_stdin(&file.path)) {
        return Err("--total reads each file twice, which standard input can't be".to_owned());
    }
    let says_how_one_is_met = |(name, value): &&(String, String)| match name.as_str() {
        "mode" => value != "fit",
        name => ["tolerance", "min_bytes"].contains(&name),
    };
    match parameters.iter().find(says_how_one_is_met) {
        Some((name, _)) => Err(format!("--{} says how one target is met: --total has none", name.replace('_', "-"))),
        None => Ok(()),
    }
}
