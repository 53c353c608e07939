//! The trace that a request belongs to, by the header traceparent (W3C Trace Context).

use http::{HeaderMap, HeaderName};
use opentelemetry::trace::{SpanId, TraceId, TraceState};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

/// `00-TRACE-PARENT-FLAGS`, in hexadecimal.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What the services that a request went through add for themselves.
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Length of a traceparent of version 00 (W3C Trace Context s3.2.2).
const TRACEPARENT_BYTES: usize = 55;

/// Longest tracestate that is kept: as many bytes as have to be passed on (W3C Trace Context s3.3.1.5).
const MAX_STATE_BYTES: usize = 512;

/// The flag of a trace that is recorded.
const SAMPLED: u8 = 1;

/// The trace of one request.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceContext {
    trace_id: TraceId,
    /// The span of the caller, where there is one.
    parent: Option<SpanId>,
    state: TraceState,
    is_recorded: bool,
}

/// Which of the traces that begin here are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sampling {
    /// Those whose id is below this, by its last 63 bits: every service with the same share takes the same ones.
    below: u64,
}

impl Sampling {
    /// This share of all, 0 to 1.
    pub(super) fn of(share: f64) -> Sampling {
        Sampling { below: (share * (1u64 << 63) as f64) as u64 }
    }

    fn takes(self, trace_id: TraceId) -> bool {
        let [.., a, b, c, d, e, f, g, h] = trace_id.to_bytes();
        u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1 < self.below
    }
}

impl TraceContext {
    /// The trace that `headers` name. Returns `None` for no traceparent, several, or one that is not as the standard
    /// says.
    pub(super) fn of(headers: &HeaderMap) -> Option<TraceContext> {
        let mut values = headers.get_all(TRACEPARENT).iter();
        let (value, None) = (values.next()?, values.next()) else { return None };
        let (trace_id, parent, is_recorded) = parse(value.to_str().ok()?)?;
        let state = headers.get(TRACESTATE).and_then(|value| value.to_str().ok());
        let state = state.filter(|state| state.len() <= MAX_STATE_BYTES).and_then(|state| state.parse().ok());
        Some(TraceContext { trace_id, parent: Some(parent), state: state.unwrap_or_default(), is_recorded })
    }

    /// A trace that begins here.
    pub(super) fn new(sampling: Sampling) -> TraceContext {
        let trace_id = RandomIdGenerator::default().new_trace_id();
        TraceContext { trace_id, parent: None, state: TraceState::NONE, is_recorded: sampling.takes(trace_id) }
    }

    /// The same trace, where no span is recorded.
    pub(super) fn unrecorded(self) -> TraceContext {
        TraceContext { is_recorded: false, ..self }
    }

    /// The id, which is printed as 32 hex digits.
    pub(crate) fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// Whether the request's spans are sent.
    pub(crate) fn is_recorded(&self) -> bool {
        self.is_recorded
    }

    pub(super) fn parent(&self) -> Option<SpanId> {
        self.parent
    }

    pub(super) fn state(&self) -> &TraceState {
        &self.state
    }

    /// The id of another span.
    pub(super) fn new_span(&self) -> SpanId {
        RandomIdGenerator::default().new_span_id()
    }
}

/// The trace, the caller's span and whether they are recorded. A later version may have more behind a further hyphen.
fn parse(text: &str) -> Option<(TraceId, SpanId, bool)> {
    let (known, more) = text.split_at_checked(TRACEPARENT_BYTES)?;
    let [version, trace, parent, flags] = pieces(known)?;
    let version = number(version, 2)?;
    let is_cut_well = more.is_empty() || (version > 0 && more.starts_with('-'));
    if version == 0xff || !is_cut_well {
        return None;
    }
    let trace_id = TraceId::from(number(trace, 32)?);
    let parent = SpanId::from(u64::try_from(number(parent, 16)?).ok()?);
    let flags = number(flags, 2)?;
    let is_valid = trace_id != TraceId::INVALID && parent != SpanId::INVALID;
    is_valid.then_some((trace_id, parent, flags & u128::from(SAMPLED) != 0))
}

fn pieces(text: &str) -> Option<[&str; 4]> {
    text.split('-').collect::<Vec<&str>>().try_into().ok()
}

/// A number of exactly so many hex digits. Capital ones are not valid.
fn number(text: &str, digits: usize) -> Option<u128> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_number = text.len() == digits && text.bytes().all(is_hex);
    is_number.then(|| u128::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    fn of(traceparent: &[&str]) -> Option<TraceContext> {
        let values = traceparent.iter().map(|value| (TRACEPARENT, HeaderValue::from_str(value).unwrap()));
        let mut headers = HeaderMap::new();
        values.for_each(|(name, value)| {
            headers.append(name, value);
        });
        TraceContext::of(&headers)
    }

    #[test]
    fn a_traceparent_names_the_trace_the_caller_and_whether_it_is_recorded() {
        for (flags, is_recorded) in [("01", true), ("00", false), ("03", true), ("fe", false)] {
            let context = of(&[&format!("00-{TRACE}-{PARENT}-{flags}")]).unwrap();
            assert_eq!(context.trace_id().to_string(), TRACE);
            assert_eq!(context.parent().unwrap().to_string(), PARENT);
            assert_eq!(context.is_recorded(), is_recorded, "{flags}");
        }
    }

    #[test]
    fn a_later_version_may_say_more() {
        assert!(of(&[&format!("cc-{TRACE}-{PARENT}-01-what-comes")]).is_some());
        assert!(of(&[&format!("cc-{TRACE}-{PARENT}-01")]).is_some());
        assert!(of(&[&format!("cc-{TRACE}-{PARENT}-01.what")]).is_none());
    }

    #[test]
    fn what_is_no_traceparent_is_ignored() {
        let good = format!("00-{TRACE}-{PARENT}-01");
        for bad in [
            "",
            "00",
            &good[..54],
            &format!("{good}-more"),
            &format!("ff-{TRACE}-{PARENT}-01"),
            &format!("00-{}-{PARENT}-01", "0".repeat(32)),
            &format!("00-{TRACE}-{}-01", "0".repeat(16)),
            &format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
            &format!("00-{TRACE}-{PARENT}-+1"),
            &good.replace('-', "_"),
        ] {
            assert_eq!(of(&[bad]), None, "{bad}");
        }
        assert_eq!(of(&[&good, &good]), None);
        assert_eq!(
            TraceContext::of(&HeaderMap::from_iter([(TRACEPARENT, HeaderValue::from_bytes(&[0xe9; 55]).unwrap())])),
            None
        );
    }

    #[test]
    fn a_share_of_the_traces_that_begin_here_is_recorded() {
        let recorded = |share| (0..4000).filter(|_| TraceContext::new(Sampling::of(share)).is_recorded()).count();
        assert_eq!((recorded(0.0), recorded(1.0)), (0, 4000));
        // Twelve standard deviations.
        assert!((700..=1300).contains(&recorded(0.25)));
    }
}
