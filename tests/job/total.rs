//! Several answers within one total.

use std::time::{Duration, Instant};

use bytefit::codec::{EncodeError, Format, Limits};
use bytefit::job::{Answer, Formats, Job, JobError, Outcome, SharedTotal, Shares, Source, Stop, run_share, size_curve};
use bytefit::picture::transform::{Crop, Length, Resize, ResizeFit};
use proptest::prelude::*;
use testkit::drawing::{Content, file};

use super::{job, run};

fn stop() -> Stop {
    Stop::at(Instant::now() + Duration::from_secs(120))
}

/// A job at this width within `total`.
fn sized(width: u32, format: Format, total: u64) -> Job {
    let resize = Resize { width: Some(width), height: None, fit: ResizeFit::Inside, enlarge: false };
    Job { resize: Some(resize), ..job(format, total) }
}

/// Three widths in three formats.
fn nine(total: u64) -> Vec<Job> {
    let formats = [Format::Jpeg, Format::Webp, Format::Avif];
    [128, 200, 320].into_iter().flat_map(|width| formats.map(|format| sized(width, format, total))).collect()
}

fn share(input: &[u8], jobs: &[Job], total: u64) -> Result<Vec<Result<Answer, JobError>>, JobError> {
    let mut source = Source::open(input, &Limits::default(), &stop())?;
    let mut plan = SharedTotal::plan(&mut source, &jobs.iter().collect::<Vec<_>>(), total, &stop())?;
    let fit = |(index, job)| plan.fit(index, &mut source, job, &stop());
    Ok(jobs.iter().enumerate().map(fit).collect())
}

fn bytes(results: &[Result<Answer, JobError>]) -> u64 {
    results.iter().flatten().map(|answer| answer.bytes.len() as u64).sum()
}

#[test]
fn answers_with_a_total_look_alike_and_use_it_up() {
    let input = file(Content::Photo, 400, 300);
    for total in [40_000, 80_000] {
        let results = share(&input, &nine(total), total).unwrap();
        let sum = bytes(&results);
        assert!(sum <= total && sum * 100 >= total * 95, "{sum} of {total}");
        let qualities: Vec<f64> =
            results.iter().map(|result| result.as_ref().unwrap().report.quality.unwrap()).collect();
        let (low, high) = qualities.iter().fold((100.0_f64, 0.0_f64), |(low, high), q| (low.min(*q), high.max(*q)));
        assert!(high - low <= 12.0, "{qualities:?}");
        let again = share(&input, &nine(total), total).unwrap();
        let is_same = |(one, other): (&Result<Answer, JobError>, &Result<Answer, JobError>)| {
            one.as_ref().unwrap().bytes == other.as_ref().unwrap().bytes
        };
        assert!(results.iter().zip(&again).all(is_same));
    }
}

#[test]
fn an_input_that_fits_into_its_share_is_encoded_at_the_quality_of_all() {
    let drawn = file(Content::Photo, 800, 600);
    let [fine, poor] = [150_000, 15_000].map(|target| run(&job(Format::Jpeg, target), &drawn).unwrap().bytes);
    let jpeg = job(Format::Jpeg, 1_000_000);
    let curves = [&fine, &poor].map(|input| size_curve(&jpeg, input, &Limits::default(), &stop()).unwrap());
    let shares = Shares::new(95_000, curves);
    let answer = |input: &[u8], index: usize| {
        let share = shares.trial(index).unwrap();
        assert!(share.bytes >= input.len() as u64);
        run_share(&jpeg, share, input, &Limits::default(), &stop()).unwrap().report
    };
    let of_fine = answer(&fine, 0);
    assert!(of_fine.outcome == Outcome::Quality && of_fine.output.bytes < fine.len() as u64, "{of_fine:?}");
    assert_eq!(answer(&poor, 1).outcome, Outcome::Passthrough, "it is poorer than the others");
}

#[test]
fn a_format_that_cannot_hold_the_picture_is_not_planned_with() {
    let job = Job { formats: Formats::Among(vec![Format::Webp, Format::Jpeg]), ..job(Format::Webp, 100_000) };
    let input = file(Content::Flat, 16_400, 20);
    let curve = size_curve(&job, &input, &Limits::default(), &stop()).unwrap();
    assert!(curve.bytes(50.0) > 100.0);
    let only_webp = Job { downscale: false, ..self::job(Format::Webp, 100_000) };
    let refused = size_curve(&only_webp, &input, &Limits::default(), &stop()).unwrap_err();
    assert!(matches!(refused, JobError::Encode(EncodeError::TooLarge { width: 16_400, .. })), "{refused:?}");
}

#[test]
fn a_small_input_bounds_only_answers_in_its_own_format() {
    let photo = file(Content::Photo, 400, 300);
    let small = run(&job(Format::Webp, 4_000), &photo).unwrap().bytes;
    let mut source = Source::open(&small, &Limits::default(), &stop()).unwrap();
    let mut best = |format| source.size_curve(&job(format, 100_000), &stop()).unwrap().bytes(95.0);
    let (as_jpeg, as_webp) = (best(Format::Jpeg), best(Format::Webp));
    assert!(as_jpeg > 8_000.0, "{as_jpeg}");
    assert!(as_webp <= 4_001.0, "{as_webp}");
}

#[test]
fn what_lossless_answers_leave_goes_to_photographs() {
    let drawing = file(Content::Flat, 400, 300);
    let as_webp = job(Format::Webp, 1_000_000);
    let lossless = run(&as_webp, &drawing).unwrap();
    assert_eq!(lossless.report.outcome, Outcome::Lossless);
    let mut source = Source::open(&drawing, &Limits::default(), &stop()).unwrap();
    let planned = source.size_curve(&as_webp, &stop()).unwrap().bytes(95.0);
    assert!((planned - lossless.bytes.len() as f64).abs() < 1.0, "{planned} {}", lossless.bytes.len());
}

#[test]
fn a_total_that_is_too_low_names_the_smallest_which_can_be_met() {
    let input = file(Content::Photo, 400, 300);
    let refused = share(&input, &nine(900), 900).map(|results| bytes(&results)).unwrap_err();
    let JobError::TotalUnreachable { total: 900, smallest_total } = refused else { panic!("{refused:?}") };
    let results = share(&input, &nine(smallest_total), smallest_total).unwrap();
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert!(bytes(&results) <= smallest_total);
    let below = smallest_total - 1;
    assert!(matches!(share(&input, &nine(below), below), Err(JobError::TotalUnreachable { .. })));
}

#[test]
fn a_target_of_its_own_is_the_most_that_an_answer_takes() {
    let input = file(Content::Photo, 400, 300);
    let mut jobs = nine(60_000);
    jobs[8].target = 3_000;
    let results = share(&input, &jobs, 60_000).unwrap();
    let own = results[8].as_ref().unwrap().bytes.len();
    assert!(own <= 3_000, "{own}");
    assert!(bytes(&results) >= 57_000, "the others have what it leaves: {}", bytes(&results));
}

#[test]
fn a_job_that_can_not_be_done_has_no_share() {
    let input = file(Content::Photo, 400, 300);
    let [left, top, width, height] = [100, 0, 400, 300].map(Length::Pixels);
    let beyond = Crop { left, top, width, height };
    let mut jobs = nine(60_000);
    jobs[4].crop = Some(beyond);
    let results = share(&input, &jobs, 60_000).unwrap();
    assert!(matches!(results[4], Err(JobError::Crop(_))), "{:?}", results[4]);
    assert!(bytes(&results) >= 57_000 && bytes(&results) <= 60_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn answers_never_have_more_than_their_total(
        total in 200_u64..60_000,
        jobs in prop::collection::vec((8_u32..160, prop::sample::select(Format::OUTPUT.to_vec()), any::<bool>()), 1..6),
    ) {
        let input = file(Content::Alpha, 160, 120);
        let job = |(width, format, downscale): &(u32, Format, bool)| {
            Job { downscale: *downscale, ..sized(*width, *format, total) }
        };
        let jobs: Vec<Job> = jobs.iter().map(job).collect();
        match share(&input, &jobs, total) {
            Ok(results) => prop_assert!(bytes(&results) <= total),
            Err(error) => {
                let is_too_low = matches!(error, JobError::TotalUnreachable { smallest_total, .. } if smallest_total > total);
                prop_assert!(is_too_low, "{:?}", error);
            }
        }
    }
}
