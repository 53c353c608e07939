//! Receives a batch: its description, and its files, each of which goes to the store as it comes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::HeaderName;
use http::request::Parts;
use hyper::body::Body as _;
use multer::{Field, Multipart};
use tokio::time::{Instant, Sleep, sleep_until};

use super::client::{Client, Identity};
use super::form::{SPEC, boundary, malformed};
use super::pieces::{Allowance, Pieces};
use super::upload::{UploadError, is_of_type};
use super::{json, query};
use crate::batch::{Batches, Incoming, Input, Item, Submission, SubmitError};
use crate::engine::MemoryLease;
use crate::excerpt::{excerpt, quoted};
use crate::http::AppState;
use crate::http::response::problem::{Kind, Problem};
use crate::params::{BatchItem, BatchSpec, Defaults, ParamError, Picture, Table};
use crate::source::SourceError;

/// The header with which a request may be repeated (draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Longest key, in bytes.
const MAX_KEY_BYTES: usize = 255;

/// Longest description of a batch, in bytes: 4 KB for each of 1,000 items.
const MAX_SPEC_BYTES: usize = 4 << 20;

/// Bytes of memory that a description takes while it is read, for each of its text: the text, and its values twice.
const SPEC_COPIES: u64 = 4;

/// Bytes that a form may have beside its files, for each file: its boundary and its head.
const FRAMING_BYTES: u64 = 16 << 10;

/// Bytes a second that a client has to send, as long as it is no further behind than the upload timeout: slow 3G
/// (400 kbit/s) is faster.
const MIN_UPLOAD_RATE: u64 = 32_000;

/// A batch that was received, and how it is to be worked on.
pub(crate) struct ReceivedBatch {
    pub incoming: Incoming,
    pub submission: Submission,
    /// The memory of the description, from the memory of bodies.
    pub memory: MemoryLease,
}

/// The text of a description while it comes.
struct SpecText {
    text: Vec<u8>,
    memory: MemoryLease,
}

impl SpecText {
    fn new(state: &AppState) -> Result<SpecText, Problem> {
        Ok(SpecText { text: Vec::new(), memory: state.engine.lease_for_answer(0)? })
    }

    fn push(&mut self, chunk: &[u8]) -> Result<(), UploadError> {
        if self.text.len() + chunk.len() > MAX_SPEC_BYTES {
            return Err(UploadError::Malformed(format!("the description has more than {MAX_SPEC_BYTES} bytes")));
        }
        self.memory.grow(SPEC_COPIES * chunk.len() as u64)?;
        self.text.extend_from_slice(chunk);
        Ok(())
    }

    fn read(&self) -> Result<BatchSpec, Problem> {
        let table: Table = serde_json::from_slice(&self.text).map_err(|error| {
            Problem::from(refuse(SPEC, &format!("is not a JSON object: {error}"), "the JSON of a batch"))
        })?;
        Ok(BatchSpec::read(&table)?)
    }
}

/// Receives the batch of a request.
///
/// # Errors
/// Those of a description that can't be used, of [`UploadError`] and of [`SubmitError`].
pub(crate) async fn receive(parts: &Parts, body: Body, state: &AppState) -> Result<ReceivedBatch, Problem> {
    check_query(parts)?;
    let idempotency_key = idempotency_key(parts, state)?;
    let incoming = state.batches.receive()?;
    let body = BoundedBody::new(body, state)?;
    let mut text = SpecText::new(state)?;
    let (incoming, spec, items) = if is_of_type(parts, "multipart/form-data") {
        Form::new(parts, body, incoming, state)?.read(&mut text).await?
    } else if json::is_declared(parts) {
        collect(body, &mut text).await?;
        let spec = text.read()?;
        let items = listed_items(&spec, &state.batches, &state.defaults)?;
        let items = items.into_iter().map(by_url).collect::<Result<Vec<Item>, Problem>>()?;
        (incoming, spec, items)
    } else {
        let detail = "a batch is JSON, or a form with the part spec and files";
        return Err(Problem::new(Kind::UnsupportedFormat, detail));
    };
    if items.is_empty() {
        return Err(refuse("items", "missing", "at least one item").into());
    }
    check_urls(&items, parts, state)?;
    let BatchSpec { max_concurrent, stop_on_error, total, .. } = spec;
    let submission = Submission { items, max_concurrent, stop_on_error, total, idempotency_key };
    Ok(ReceivedBatch { incoming, submission, memory: text.memory })
}

/// Refuses parameters in the query: what is said there would be said of no item.
fn check_query(parts: &Parts) -> Result<(), ParamError> {
    match query::pairs(parts.uri.query().unwrap_or_default())?.first() {
        Some((name, _)) => {
            Err(refuse(&excerpt(name), "given in the query", "parameters in the description, under defaults"))
        }
        None => Ok(()),
    }
}

/// Identifies the key of the request and whose it is: where the service has keys, those of different clients never
/// meet.
fn idempotency_key(parts: &Parts, state: &AppState) -> Result<Option<String>, Problem> {
    let Some(value) = parts.headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let bytes = value.as_bytes();
    if bytes.is_empty() || bytes.len() > MAX_KEY_BYTES {
        let allowed = format!("1 to {MAX_KEY_BYTES} bytes");
        return Err(refuse("Idempotency-Key", "not a usable key", &allowed).into());
    }
    let client = match Client::of(&parts.extensions).identity {
        Identity::Key(at) => state.auth.keys.get(at).map_or("", |key| key.id.as_str()),
        Identity::Address(_) => "",
    };
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(client.len() as u64).to_le_bytes()).update(client.as_bytes()).update(bytes);
    Ok(Some(hasher.finalize().to_hex().to_string()))
}

/// Refuses a batch by URL where nothing is fetched, and one that this service sends to itself.
fn check_urls(items: &[Item], parts: &Parts, state: &AppState) -> Result<(), SourceError> {
    let has_url = items.iter().any(|item| matches!(item.input, Input::Url(_)));
    if has_url { state.url_source.check_request(&parts.headers) } else { Ok(()) }
}

fn listed_items(spec: &BatchSpec, batches: &Batches, defaults: &Defaults) -> Result<Vec<BatchItem>, Problem> {
    check_count(spec.listed(), batches)?;
    Ok(spec.items(defaults)?)
}

fn check_count(items: usize, batches: &Batches) -> Result<(), SubmitError> {
    let limit = batches.config().max_items;
    if items > limit { Err(SubmitError::TooManyItems { limit }) } else { Ok(()) }
}

fn by_url(item: BatchItem) -> Result<Item, Problem> {
    match item.picture {
        Picture::Url(url) => Ok(Item { name: item.name, input: Input::Url(url), job: item.request.job }),
        Picture::Upload(_) => {
            Err(refuse("upload", "given without a form", "a form with the part spec and files").into())
        }
    }
}

fn refuse(name: &str, reason: &str, allowed: &str) -> ParamError {
    ParamError::new(name, None, reason, allowed)
}

/// Reads the whole body, which is a description.
async fn collect(mut body: BoundedBody, spec: &mut SpecText) -> Result<(), UploadError> {
    while let Some(chunk) = body.next().await {
        spec.push(&chunk?)?;
    }
    if spec.text.is_empty() { Err(UploadError::Empty) } else { Ok(()) }
}

/// A form while it is read.
struct Form<'a> {
    form: Multipart<'static>,
    allowance: Allowance,
    incoming: Incoming,
    max_file_bytes: u64,
    batches: &'a Batches,
    defaults: &'a Defaults,
}

/// The items of a form, some of which wait for their file.
struct Slots {
    items: Vec<(BatchItem, Option<Input>)>,
    takes_every_file: bool,
}

impl Form<'_> {
    fn new<'a>(parts: &Parts, body: BoundedBody, incoming: Incoming, state: &'a AppState) -> Result<Form<'a>, Problem> {
        let allowance = Allowance::new();
        let form = Multipart::new(Pieces::new(body, allowance.clone()), boundary(parts)?);
        let max_file_bytes = state.config.max_body_bytes;
        Ok(Form { form, allowance, incoming, max_file_bytes, batches: &state.batches, defaults: &state.defaults })
    }

    /// Reads the description, and then each file into the store.
    async fn read(mut self, text: &mut SpecText) -> Result<(Incoming, BatchSpec, Vec<Item>), Problem> {
        let spec = self.spec(text).await?;
        let items = listed_items(&spec, self.batches, self.defaults)?;
        let items = items.into_iter().map(|item| {
            let input = match &item.picture {
                Picture::Url(url) => Some(Input::Url(url.clone())),
                Picture::Upload(_) => None,
            };
            (item, input)
        });
        let mut slots = Slots { items: items.collect(), takes_every_file: spec.takes_every_file() };
        loop {
            self.allowance.framing_follows();
            let Some(part) = self.form.next_field().await.map_err(malformed)? else { break };
            self.allowance.data_follows();
            let places = slots.places(&part, &spec, self.defaults)?;
            check_count(slots.items.len(), self.batches)?;
            let input = store(part, &mut self.incoming, self.max_file_bytes).await?;
            places.into_iter().for_each(|place| slots.items[place].1 = Some(input.clone()));
        }
        Ok((self.incoming, spec, slots.finish()?))
    }

    async fn spec(&mut self, spec: &mut SpecText) -> Result<BatchSpec, Problem> {
        let first = self.form.next_field().await.map_err(malformed)?;
        let Some(mut part) = first.filter(|part| part.name() == Some(SPEC)) else {
            let detail = r#"the first part of the form has to be spec, the description of the batch as JSON, such as {"defaults": {"target": "200KB"}}"#;
            return Err(UploadError::Malformed(detail.to_owned()).into());
        };
        self.allowance.data_follows();
        while let Some(chunk) = part.chunk().await.map_err(malformed)? {
            spec.push(&chunk)?;
        }
        spec.read()
    }
}

/// Writes a file of the form to the store.
async fn store(mut part: Field<'_>, incoming: &mut Incoming, max_bytes: u64) -> Result<Input, Problem> {
    let mut file = incoming.file().await?;
    while let Some(chunk) = part.chunk().await.map_err(malformed)? {
        if file.bytes() + chunk.len() as u64 > max_bytes {
            return Err(Problem::new(Kind::BodyTooLarge, format!("a file has more than {max_bytes} bytes"))
                .with("limit_bytes", max_bytes));
        }
        incoming.push(&mut file, &chunk).await?;
    }
    if file.bytes() == 0 {
        let name = part.file_name().or(part.name()).unwrap_or_default();
        return Err(Problem::new(
            Kind::EmptyBody,
            format!("the file {} is empty: send the image's bytes", quoted(name)),
        ));
    }
    Ok(file.finish().await?)
}

impl Slots {
    /// The items that this file is for: those that name the file, else those that name its part. Where no items are
    /// listed the file is a new one.
    fn places(&mut self, part: &Field<'_>, spec: &BatchSpec, defaults: &Defaults) -> Result<Vec<usize>, Problem> {
        let names = [part.file_name(), part.name()];
        if self.takes_every_file {
            let name = names.into_iter().flatten().find(|name| !name.is_empty()).unwrap_or_default();
            let item = spec.item_of_file(name, defaults)?;
            self.items.push((item, None));
            return Ok(vec![self.items.len() - 1]);
        }
        for name in names.into_iter().flatten() {
            let waits = |(item, input): &(BatchItem, Option<Input>)| {
                input.is_none() && matches!(&item.picture, Picture::Upload(upload) if upload == name)
            };
            let places: Vec<usize> =
                self.items.iter().enumerate().filter(|(_, slot)| waits(slot)).map(|(place, _)| place).collect();
            if !places.is_empty() {
                return Ok(places);
            }
        }
        let name = names.into_iter().flatten().next().unwrap_or_default();
        Err(UploadError::Malformed(format!("no item waits for the file {}", quoted(name))).into())
    }

    fn finish(self) -> Result<Vec<Item>, Problem> {
        let item = |(item, input): (BatchItem, Option<Input>)| match (input, &item.picture) {
            (Some(input), _) => Ok(Item { name: item.name, input, job: item.request.job }),
            (None, Picture::Upload(name) | Picture::Url(name)) => {
                Err(UploadError::Malformed(format!("the form has no file {}", excerpt(name))).into())
            }
        };
        self.items.into_iter().map(item).collect()
    }
}

/// A body that fails at the first byte over its limit, and when the client sends too slowly.
struct BoundedBody {
    stream: BodyDataStream,
    taken: u64,
    limit: u64,
    timeout: Duration,
    /// When the client was no further behind than it may be.
    on_time: Instant,
    late: Pin<Box<Sleep>>,
}

impl BoundedBody {
    fn new(body: Body, state: &AppState) -> Result<BoundedBody, UploadError> {
        let files = state.batches.config().max_items as u64;
        let limit = state.batches.max_bytes().saturating_add(MAX_SPEC_BYTES as u64 + files * FRAMING_BYTES);
        if body.size_hint().lower() > limit {
            return Err(UploadError::TooLarge { limit: state.batches.max_bytes() });
        }
        let (timeout, on_time) = (state.config.upload_timeout, Instant::now());
        let late = Box::pin(sleep_until(on_time + timeout));
        Ok(BoundedBody { stream: body.into_data_stream(), taken: 0, limit, timeout, on_time, late })
    }

    /// Gives the client the time that `bytes` take at the least rate. It saves none up.
    fn credit(&mut self, bytes: usize) {
        let earned = Duration::from_secs_f64(bytes as f64 / MIN_UPLOAD_RATE as f64);
        self.on_time = (self.on_time + earned).min(Instant::now());
        let until = self.on_time + self.timeout;
        self.late.as_mut().reset(until);
    }
}

impl Stream for BoundedBody {
    type Item = Result<Bytes, UploadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Poll::Ready(item) = self.stream.poll_next_unpin(cx) else {
            ready!(self.late.as_mut().poll(cx));
            return Poll::Ready(Some(Err(UploadError::TooSlow { limit: self.timeout })));
        };
        let Some(item) = item else { return Poll::Ready(None) };
        let Ok(chunk) = item else {
            return Poll::Ready(Some(Err(UploadError::Malformed("the body breaks off".to_owned()))));
        };
        self.credit(chunk.len());
        self.taken = self.taken.saturating_add(chunk.len() as u64);
        let limit = self.limit;
        Poll::Ready(Some(if self.taken > limit { Err(UploadError::TooLarge { limit }) } else { Ok(chunk) }))
    }
}
