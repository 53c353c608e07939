//! The key by which two requests are identical.

use crate::codec::Limits;
use crate::job::{Formats, Job};

/// Raise it when the same job on the same input would give other bytes than before: a cache that outlives the process
/// must not serve answers of an older version.
const ENCODER_VERSION: u32 = 27;

/// What decides the bytes of an answer besides its input and its job: the version, and what of an input is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version(blake3::Hash);

impl Version {
    /// The version of a service that decodes within `limits`.
    pub(super) fn new(limits: &Limits) -> Version {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&ENCODER_VERSION.to_le_bytes());
        // Metadata that is dropped takes its colour profile with it. The other limits only refuse.
        hasher.update(&(limits.max_metadata_bytes as u64).to_le_bytes());
        hasher.update(&[u8::from(limits.heic), u8::from(cfg!(feature = "libaom"))]);
        Version(hasher.finalize())
    }
}

/// Identifies an answer: the hash of the input's hash, the canonical job and the version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(blake3::Hash);

impl Key {
    /// The key of `job` on the input with this content hash.
    pub(super) fn new(version: &Version, input: &blake3::Hash, job: &Job) -> Key {
        let mut hasher = blake3::Hasher::new();
        hasher.update(input.as_bytes());
        hasher.update(version.0.as_bytes());
        hasher.update(canonical(job).as_bytes());
        Key(hasher.finalize())
    }

    /// The keys of `jobs` on the input with this content hash, in this order, when they share `total`: each answer
    /// depends on all of them.
    pub(super) fn of_shares(version: &Version, input: &blake3::Hash, jobs: &[&Job], total: u64) -> Vec<Key> {
        let mut hasher = blake3::Hasher::new_derive_key("bytefit: shares of a total");
        hasher.update(input.as_bytes());
        hasher.update(version.0.as_bytes());
        hasher.update(&total.to_le_bytes());
        for job in jobs {
            hasher.update(Key::new(version, input, job).0.as_bytes());
        }
        let numbers = 0..jobs.len() as u64;
        numbers.map(|number| Key(hasher.clone().update(&number.to_le_bytes()).finalize())).collect()
    }

    /// The key as 32 bytes.
    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The key as 64 hex digits.
    pub(super) fn to_hex(self) -> String {
        self.0.to_hex().to_string()
    }

    /// Reads a key of 64 hex digits. Returns `None` for any other text.
    pub(super) fn from_hex(hex: &str) -> Option<Key> {
        blake3::Hash::from_hex(hex).ok().map(Key)
    }
}

/// Identifies `job` on any input within `limits`: as long as it is the same text, the same input gets the same answer.
pub(crate) fn identity(job: &Job, limits: &Limits) -> String {
    Key::new(&Version::new(limits), &blake3::hash(&[]), job).to_hex()
}

/// Every field of `job` in a fixed order, so that different jobs give different texts. JSON writes numbers with the
/// shortest digits that read back as the same number.
fn canonical(job: &Job) -> String {
    let mut job = job.clone();
    // The order of the formats does not matter.
    if let Formats::Among(formats) = &mut job.formats {
        formats.sort_unstable();
        formats.dedup();
    }
    serde_json::to_string(&job).expect("every field of a job can be written as JSON")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};

    use super::*;
    use crate::codec::{Format, MetadataPolicy};
    use crate::job::{Effort, Mode, OnMiss};
    use crate::picture::transform::{Crop, Flip, Gravity, Length, Resize, ResizeFit, Rotation};

    fn version() -> Version {
        Version::new(&Limits::default())
    }

    fn modes() -> impl Strategy<Value = Mode> {
        prop_oneof![
            option::of(0..4u64).prop_map(|min_bytes| Mode::Fit { min_bytes }),
            Just(Mode::Exact),
            (0..4u64).prop_map(|tolerance| Mode::Close { tolerance }),
        ]
    }

    fn formats() -> impl Strategy<Value = Formats> {
        let lists = subsequence(Format::OUTPUT.to_vec(), 1..4);
        prop_oneof![Just(Formats::Keep), lists.prop_map(Formats::Among)]
    }

    fn resizes() -> impl Strategy<Value = Resize> {
        let fits = select(ResizeFit::ALL);
        (option::of(1..4u32), option::of(1..4u32), fits, any::<bool>())
            .prop_map(|(width, height, fit, enlarge)| Resize { width, height, fit, enlarge })
    }

    fn crops() -> impl Strategy<Value = Crop> {
        let length = || prop_oneof![(1..3u32).prop_map(Length::Pixels), Just(Length::Percent(1.0))];
        (length(), length(), length(), length()).prop_map(|(left, top, width, height)| Crop {
            left,
            top,
            width,
            height,
        })
    }

    fn gravities() -> impl Strategy<Value = Gravity> {
        let share = || select(vec![0.0, 0.5, 1.0]);
        prop_oneof![Just(Gravity::Smart), (share(), share()).prop_map(|(x, y)| Gravity::Point { x, y })]
    }

    prop_compose! {
        /// Jobs with few different values per field, so that two of them often agree in most.
        fn jobs()(
            (target, mode, formats) in (1..4u64, modes(), formats()),
            (quality, resize) in (prop_oneof![Just(95.0), 1.0..=100.0f64], option::of(resizes())),
            (downscale, min_score) in (any::<bool>(), option::of(prop_oneof![Just(70.0), 0.0..=100.0f64])),
            (min_width, min_height) in (option::of(1..3u32), option::of(1..3u32)),
            (effort, progressive) in (select(vec![Effort::Fast, Effort::Balanced, Effort::Best]), any::<bool>()),
            (metadata, dpi) in (
                select(vec![MetadataPolicy::Strip, MetadataPolicy::Copyright, MetadataPolicy::Keep]),
                option::of(1..3u16),
            ),
            background in [0..2u8, 0..2u8, 0..2u8],
            on_miss in select(vec![OnMiss::Error, OnMiss::Smallest]),
            deadline in (1..4u64).prop_map(Duration::from_millis),
            (crop, rotate, flip) in (option::of(crops()), select(Rotation::ALL), select(Flip::ALL)),
            (gravity, blur, sharpen) in (gravities(), option::of(1..3u8), option::of(1..3u8)),
            grayscale in any::<bool>(),
        ) -> Job {
            let (blur, sharpen) = (blur.map(f64::from), sharpen.map(f64::from));
            Job {
                target, mode, formats, quality, resize, downscale, min_width, min_height, min_score, effort, progressive,
                metadata, dpi, background, on_miss, deadline, crop, rotate, flip, gravity, blur, sharpen, grayscale,
            }
        }
    }

    /// `job` with the field of this number taken from `other`.
    fn with_field(mut job: Job, other: Job, field: usize) -> Job {
        match field {
            0 => job.target = other.target,
            1 => job.mode = other.mode,
            2 => job.formats = other.formats,
            3 => job.quality = other.quality,
            4 => job.resize = other.resize,
            5 => job.downscale = other.downscale,
            6 => job.min_score = other.min_score,
            7 => job.effort = other.effort,
            8 => job.metadata = other.metadata,
            9 => job.background = other.background,
            10 => job.on_miss = other.on_miss,
            11 => job.min_width = other.min_width,
            12 => job.min_height = other.min_height,
            13 => job.progressive = other.progressive,
            14 => job.crop = other.crop,
            15 => job.rotate = other.rotate,
            16 => job.flip = other.flip,
            17 => job.gravity = other.gravity,
            18 => job.blur = other.blur,
            19 => job.sharpen = other.sharpen,
            20 => job.grayscale = other.grayscale,
            21 => job.dpi = other.dpi,
            _ => job.deadline = other.deadline,
        }
        job
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn jobs_that_differ_in_one_field_never_share_a_key(job in jobs(), other in jobs(), field in 0..23usize) {
            let changed = with_field(job.clone(), other, field);
            let input = blake3::hash(b"input");
            prop_assert_eq!(job == changed, Key::new(&version(), &input, &job) == Key::new(&version(), &input, &changed));
        }

        #[test]
        fn jobs_that_differ_never_share_a_key(job in jobs(), other in jobs()) {
            prop_assert_eq!(job == other, canonical(&job) == canonical(&other));
        }
    }

    #[test]
    fn the_order_of_formats_does_not_matter() {
        let among = |list: &[Format]| canonical(&Job::new(1, Formats::Among(list.to_vec())));
        assert_eq!(among(&[Format::Webp, Format::Jpeg]), among(&[Format::Jpeg, Format::Webp, Format::Jpeg]));
    }

    #[test]
    fn other_inputs_have_other_keys() {
        let job = super::super::tests::job();
        assert_ne!(Key::new(&version(), &blake3::hash(b"a"), &job), Key::new(&version(), &blake3::hash(b"b"), &job));
    }

    #[test]
    fn limits_that_change_what_is_read_have_other_keys() {
        let (input, job) = (blake3::hash(b"a"), super::super::tests::job());
        let key = |limits: Limits| Key::new(&Version::new(&limits), &input, &job);
        let default = Limits::default;
        assert_ne!(key(default()), key(Limits { max_metadata_bytes: 100, ..default() }));
        assert_ne!(key(default()), key(Limits { heic: false, ..default() }));
        assert_eq!(key(default()), key(Limits { max_pixels: 7, ..default() }));
    }

    #[test]
    fn shares_have_keys_that_tell_every_job_and_the_total() {
        let (input, other) = (blake3::hash(b"a"), blake3::hash(b"b"));
        let (one, two) = (Job::new(1, Formats::Keep), Job::new(2, Formats::Keep));
        let sets = [
            Key::of_shares(&version(), &input, &[&one, &two], 9),
            Key::of_shares(&version(), &input, &[&one, &one], 9),
            Key::of_shares(&version(), &input, &[&two, &one], 9),
            Key::of_shares(&version(), &input, &[&one, &two], 8),
            Key::of_shares(&version(), &input, &[&one], 9),
            Key::of_shares(&version(), &other, &[&one, &two], 9),
            vec![Key::new(&version(), &input, &one), Key::new(&version(), &input, &two)],
        ];
        let all: Vec<Key> = sets.concat();
        assert_eq!(all.iter().collect::<std::collections::HashSet<_>>().len(), all.len());
        assert_eq!(sets[0], Key::of_shares(&version(), &input, &[&one, &two], 9));
    }

    #[test]
    fn an_id_is_read_back_and_nothing_else_is() {
        let key = Key::new(&version(), &blake3::hash(b"a"), &super::super::tests::job());
        assert_eq!(key.to_hex().len(), 64);
        assert_eq!(Key::from_hex(&key.to_hex()), Some(key));
        for text in ["", "../../etc/passwd", &"g".repeat(64), &"a".repeat(63), &"é".repeat(32)] {
            assert_eq!(Key::from_hex(text), None, "{text}");
        }
    }
}
