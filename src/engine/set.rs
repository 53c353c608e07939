//! Sets: several jobs on one upload, which is decoded once.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, FutureExt, join_all};
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::admission::Need;
use super::cache::CachedAnswer;
use super::computation::FinishedWork;
use super::header::Header;
use super::work::SetJob;
use super::{
    Bounds, Computed, Engine, EngineError, FlightWaiter, Key, LONGEST_DEADLINE, PendingRequest, Served, Shared, Upload,
};
use crate::codec;
use crate::job::{Answer, Facts, Job, JobError, Stop};
use crate::metrics::CacheResult;

/// Jobs on one upload.
#[derive(Clone, Debug)]
pub struct JobSet {
    /// What each answer must be like.
    pub jobs: Vec<Job>,
    /// Bytes that all answers may have together. The target of a job is then the most that its share may be.
    pub total: Option<u64>,
    /// Time for all of them.
    pub deadline: Duration,
}

/// The results of a set, each with the index of its job, as they come.
pub type SetResults = FuturesUnordered<BoxFuture<'static, (usize, Result<Served, EngineError>)>>;

impl Engine {
    /// Answers each job of `set` on `upload`: those in the cache at once, those that other requests are computing when
    /// these are done. All others take one queue slot and one permit together, and are computed one after the other,
    /// the smallest first. The deadline of the set counts from the moment that the request was `received`, that of a
    /// job from the moment that its work begins.
    ///
    /// Shares of a total are in the cache under keys of their own. When one of them is missing all are computed, since
    /// each depends on those before it.
    ///
    /// # Cancel
    /// Dropping the results stops what nobody else waits for.
    pub async fn run_set(&self, received: Instant, upload: Upload, set: JobSet) -> SetResults {
        let JobSet { jobs, total, deadline } = set;
        let stop_at = received + deadline.min(LONGEST_DEADLINE);
        let results = SetResults::new();
        let mut missing = Vec::new();
        let mut jobs: Vec<(usize, Job)> = jobs.into_iter().enumerate().collect();
        jobs.sort_by_key(|(_, job)| order(job));
        let keys = self.shared.keys(&upload.hash, &jobs, total);
        for ((index, job), key) in jobs.into_iter().zip(keys) {
            let request = PendingRequest { key, job, received, stop_at, shares_total: total.is_some() };
            // A set with a total looks into the cache when it knows which of its outputs must be computed.
            let hit = if total.is_none() { self.hit_in_memory(&request.key).await } else { None };
            match hit {
                Some(served) => {
                    let engine = self.clone();
                    results.push(async move { (index, engine.published(Ok(served)).await) }.boxed());
                }
                None => missing.push((index, request)),
            }
        }
        for (index, request, waiter) in self.join_set(missing, &upload, total) {
            let engine = self.clone();
            let result = async move {
                let computed = engine.result_with_retry(&request, waiter).await;
                let served = computed.map(|computed| engine.shared.serve(request.key, computed));
                (index, engine.published(served).await)
            };
            results.push(result.boxed());
        }
        results
    }

    /// `served`, published if it is an answer: every report on a set has the ids of its answers.
    async fn published(&self, served: Result<Served, EngineError>) -> Result<Served, EngineError> {
        if let Ok(served) = &served {
            self.publish(served).await;
        }
        served
    }

    /// How many answers of `set` the cache lacks, on the input with this content hash. Counts as neither hits nor
    /// misses.
    pub async fn missing(&self, input: &blake3::Hash, set: &JobSet) -> usize {
        let mut jobs: Vec<(usize, Job)> = set.jobs.iter().cloned().enumerate().collect();
        jobs.sort_by_key(|(_, job)| order(job));
        let keys = self.shared.keys(input, &jobs, set.total);
        let kept = join_all(keys.iter().map(|key| self.shared.cache.has(key))).await;
        kept.iter().filter(|is_kept| !**is_kept).count()
    }

    /// What the header of `upload` says of its picture, within `deadline` from the moment that the request was
    /// `received`.
    ///
    /// # Errors
    /// [`EngineError::Job`] when it is no picture that is read or over a limit, [`EngineError::Overloaded`] when the
    /// deadline comes first.
    pub async fn facts(&self, received: Instant, upload: Upload, deadline: Duration) -> Result<Facts, EngineError> {
        let limits = self.shared.limits;
        let read = self.shared.in_header_turn(received + deadline.min(LONGEST_DEADLINE), move || {
            let probe = codec::probe(&upload.bytes, &limits).map_err(JobError::from)?;
            let (width, height) = probe.orientation.upright_size(probe.width, probe.height);
            Ok::<_, JobError>(Facts { bytes: upload.bytes.len() as u64, format: probe.format, width, height })
        });
        Ok(read.await??)
    }

    /// Joins the computations that are running, and starts one for all other `requests`.
    fn join_set(
        &self,
        requests: Vec<(usize, PendingRequest)>,
        upload: &Upload,
        total: Option<u64>,
    ) -> Vec<(usize, PendingRequest, FlightWaiter)> {
        let Some((received, stop_at)) = requests.first().map(|(_, first)| (first.received, first.stop_at)) else {
            return Vec::new();
        };
        let stop_set = Arc::new(StopOnDrop { stop: Stop::at(stop_at), task: OnceLock::new() });
        let mut outputs = VecDeque::new();
        let mut join = |(index, request): (usize, PendingRequest)| {
            let stop = Stop::at(stop_at);
            let mut reply = None;
            let waiter = self.flights.join(request.key, stop.clone(), upload.clone(), |_| {
                let (sender, result) = oneshot::channel();
                reply = Some(sender);
                let stop_set = Arc::clone(&stop_set);
                async move {
                    let result = result.await;
                    drop(stop_set);
                    result.unwrap_or_else(|_| Err(EngineError::task_died()))
                }
            });
            if reply.is_some() || total.is_some() {
                // Without one share the others would be larger: it is computed as long as anybody waits for any of
                // them.
                let stop = if total.is_some() { stop_set.stop.clone() } else { stop };
                outputs.push_back(Output {
                    key: request.key,
                    job: request.job.clone(),
                    is_lowered: false,
                    stop,
                    reply,
                });
            }
            (index, request, waiter)
        };
        let joined = requests.into_iter().map(&mut join).collect();
        if outputs.iter().any(Output::is_awaited) {
            let stop = stop_set.stop.clone();
            let set = SetTask { input: upload.clone(), outputs, total, received, stop_at, stop };
            let task = tokio::spawn(Arc::clone(&self.shared).compute_set(set));
            stop_set.task.get_or_init(|| task.abort_handle());
        }
        joined
    }
}

/// Small pictures come first, pictures of one size together, and of those the one with the smallest target.
fn order(job: &Job) -> (u64, Option<(u32, u32)>, u64) {
    let Some(resize) = &job.resize else { return (u64::MAX, None, job.target) };
    let (width, height) = (resize.width.unwrap_or(0), resize.height.unwrap_or(0));
    let area = u64::from(width.max(1)) * u64::from(height.max(1));
    let square = u64::from(width.max(height)).pow(2);
    let bound = if width == 0 || height == 0 { square } else { area };
    (bound, Some((width, height)), job.target)
}

/// Stops a set when it is dropped. Each output's computation holds it.
struct StopOnDrop {
    stop: Stop,
    task: OnceLock<AbortHandle>,
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

/// One computation of several outputs.
struct SetTask {
    input: Upload,
    outputs: VecDeque<Output>,
    /// Bytes that the answers of all outputs may have together.
    total: Option<u64>,
    /// When the body of the request was complete.
    received: Instant,
    stop_at: Instant,
    /// Stops the whole set.
    stop: Stop,
}

/// An output that is to be computed.
struct Output {
    key: Key,
    job: Job,
    /// Whether the job has less effort than was asked for, for lack of memory.
    is_lowered: bool,
    /// Stops this output alone.
    stop: Stop,
    /// `None` once it is answered, and for a share that another computation answers.
    reply: Option<oneshot::Sender<Result<Computed, EngineError>>>,
}

impl Output {
    fn is_awaited(&self) -> bool {
        self.reply.is_some()
    }

    /// Hands the result to those that wait for it. There may be none any more, which is fine.
    fn answer(&mut self, result: Result<Computed, EngineError>) {
        if let Some(reply) = self.reply.take() {
            let _ = reply.send(result);
        }
    }
}

impl Shared {
    /// The keys of `jobs`.
    fn keys(&self, input: &blake3::Hash, jobs: &[(usize, Job)], total: Option<u64>) -> Vec<Key> {
        let jobs: Vec<&Job> = jobs.iter().map(|(_, job)| job).collect();
        match total {
            Some(total) => Key::of_shares(&self.version, input, &jobs, total),
            None => jobs.iter().map(|job| self.key(input, job)).collect(),
        }
    }

    /// Computes every output of the set. What fails the whole set is the answer of those that have none yet.
    async fn compute_set(self: Arc<Shared>, mut set: SetTask) {
        if let Err(error) = self.work_on_set(&mut set).await {
            self.note_bug(&error, set.input.hash);
            set.outputs.iter_mut().for_each(|output| output.answer(Err(error.clone())));
        }
    }

    /// Answers the outputs of the set and removes them from it.
    async fn work_on_set(self: &Arc<Shared>, set: &mut SetTask) -> Result<(), EngineError> {
        self.answer_cached(set).await;
        if !set.outputs.iter().any(Output::is_awaited) {
            return Ok(());
        }
        self.deaths.check(&set.input.hash, &set.input.bytes)?;
        let slot = self.admission.take_queue_slot()?;
        let work = self.read_header_of_set(set).await?;
        if !set.outputs.iter().any(Output::is_awaited) {
            return Ok(());
        }
        let need = Need { work, body: set.input.lease.bytes() };
        let (permit, queued) = self.wait_for_permit(need, set.stop_at).await?;
        let (sender, mut results) = mpsc::unbounded_channel();
        let jobs: Vec<(Job, Stop)> =
            set.outputs.iter().map(|output| (output.job.clone(), output.stop.clone())).collect();
        let (shared, input, stop, total) = (Arc::clone(self), set.input.clone(), set.stop.clone(), set.total);
        let working = self.pool.run(move || {
            // Permit and input are released when the work is over, even if nobody waits for it any more.
            let _permit = permit;
            let input = input;
            let bounds = Bounds { limits: &shared.limits, stop: &stop, memory_bytes: work, total };
            shared.run_set_now(&jobs, &input.bytes, &bounds, &sender);
        });
        let answering = async {
            let (mut last, mut last_error) = (None, None);
            while let Some(result) = results.recv().await {
                let Some(mut output) = set.outputs.pop_front() else { break };
                let result = self.note(result, set.input.hash, &mut last_error);
                let computed = match result {
                    Ok(cached) => {
                        let work = FinishedWork { cached, queued, is_lowered: output.is_lowered };
                        Ok(self.keep(output.key, work, set.received).await)
                    }
                    Err(error) => Err(error),
                };
                match set.outputs.is_empty() {
                    true => last = Some((output, computed)),
                    false => output.answer(computed),
                }
            }
            last
        };
        let (worked, last) = tokio::join!(working, answering);
        // Whoever has the last answer finds the slot and the permit free.
        drop(slot);
        if let Some((mut output, computed)) = last {
            output.answer(computed);
        }
        worked?;
        if set.outputs.is_empty() { Ok(()) } else { Err(EngineError::task_died()) }
    }

    /// Answers the outputs that identical requests finished since the set looked into the cache.
    async fn answer_cached(&self, set: &mut SetTask) {
        let outputs = std::mem::take(&mut set.outputs);
        let hit = async |output: &Output| if output.is_awaited() { self.hit(&output.key).await } else { None };
        let hits = join_all(outputs.iter().map(hit)).await;
        for (mut output, hit) in outputs.into_iter().zip(hits) {
            match hit {
                Some(hit) => output.answer(Ok(hit)),
                None if output.is_awaited() => self.metrics.cache_request(CacheResult::Miss),
                None => {}
            }
            // The shares of the others depend on those that are answered too.
            if output.is_awaited() || set.total.is_some() {
                set.outputs.push_back(output);
            }
        }
    }

    /// Asks the input's header about each output, answers those that can't be done, and returns the memory of the
    /// largest.
    async fn read_header_of_set(self: &Arc<Shared>, set: &mut SetTask) -> Result<u64, EngineError> {
        let (shared, input) = (Arc::clone(self), set.input.clone());
        let mut jobs: Vec<Job> = set.outputs.iter().map(|output| output.job.clone()).collect();
        let read = self.in_header_turn(set.stop_at, move || {
            let header = Header::new(&input.bytes, &shared.limits);
            let need = |job: &mut Job| shared.fit_into_memory(job, &header, input.lease.bytes());
            let needs: Vec<Result<u64, JobError>> = jobs.iter_mut().map(need).collect();
            (jobs, needs)
        });
        let (jobs, needs) = read.await?;
        let mut largest = 0;
        for ((mut output, job), need) in std::mem::take(&mut set.outputs).into_iter().zip(jobs).zip(needs) {
            match need {
                Err(error) => output.answer(Err(error.into())),
                Ok(bytes) => {
                    largest = bytes.max(largest);
                    output.is_lowered = job.effort != output.job.effort;
                    output.job = job;
                    set.outputs.push_back(output);
                }
            }
        }
        // The shares of all depend on each.
        if set.total.is_some() && set.outputs.iter().any(|output| output.is_lowered) {
            set.outputs.iter_mut().for_each(|output| output.is_lowered = true);
        }
        Ok(largest)
    }

    /// Runs the jobs on this thread, and sends each result as soon as it is there.
    fn run_set_now(
        &self,
        jobs: &[(Job, Stop)],
        input: &[u8],
        bounds: &Bounds<'_>,
        results: &mpsc::UnboundedSender<Result<CachedAnswer, EngineError>>,
    ) {
        let started = Instant::now();
        let set: Vec<SetJob> = jobs.iter().map(|(job, stop)| SetJob { job, stop }).collect();
        let mut left = bounds.total.unwrap_or(u64::MAX);
        self.work.run_set(&set, input, bounds, &mut |result| {
            let result = result.and_then(|answer| Ok(within_total(answer, &mut left)?));
            // Sending fails when the set was stopped meanwhile, which is fine.
            let _ = results.send(result.map(CachedAnswer::new).map_err(EngineError::from));
        });
        self.note_work(started.elapsed(), bounds.memory_bytes);
    }

    /// Counts a result that is a bug of ours. An error that ended several outputs counts once.
    fn note(
        &self,
        result: Result<CachedAnswer, EngineError>,
        content: blake3::Hash,
        last_error: &mut Option<String>,
    ) -> Result<CachedAnswer, EngineError> {
        result.inspect_err(|error| {
            let text = error.to_string();
            if last_error.as_ref() != Some(&text) {
                self.note_bug(error, content);
            }
            *last_error = Some(text);
        })
    }
}

/// Takes `answer` from what is `left` of a total. The work keeps to it, and this is the last check.
fn within_total(answer: Answer, left: &mut u64) -> Result<Answer, JobError> {
    let bytes = answer.bytes.len() as u64;
    *left = left.checked_sub(bytes).ok_or(JobError::OverTarget { bytes, target: *left })?;
    Ok(answer)
}
