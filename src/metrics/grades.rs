//! Grades from A+ to D for the last hour, for people who want to know at a glance whether the service does well.

use super::history::Interval;
use crate::named::named;

named! {
    /// A grade, the best first.
    #[derive(PartialOrd, Ord)]
    pub(crate) enum Grade {
        APlus = "A+",
        A = "A",
        B = "B",
        C = "C",
        D = "D",
    }
}

/// A subject that is graded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    pub name: &'static str,
    /// What is measured, and in which unit.
    pub meaning: &'static str,
    /// The bounds of A+, A, B and C. What is beyond the last is a D.
    pub bounds: [f64; 4],
    /// Whether more is better: then the bounds are the least that a grade takes, and otherwise the most.
    more_is_better: bool,
    measure: fn(&Interval) -> Option<f64>,
}

/// A subject's figure and grade.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub subject: &'static Subject,
    /// `None` when nothing happened in the hour that could be measured.
    pub value: Option<f64>,
    pub grade: Grade,
}

/// What is graded. The bounds are shares of requests as service levels have them (99.99 %, 99.9 %, 99 %, 95 %), times
/// that people notice (Nielsen, "Response Times": 1 s keeps a train of thought), and shares of work that the cache
/// saves.
const SUBJECTS: &[Subject] = &[
    Subject {
        name: "errors",
        meaning: "share of requests that failed by a fault of the service",
        bounds: [0.0001, 0.001, 0.01, 0.05],
        more_is_better: false,
        measure: |hour| (hour.requests > 0).then(|| hour.error_ratio()),
    },
    Subject {
        name: "latency",
        meaning: "milliseconds in which 95 of 100 requests were answered, refusals left out",
        bounds: [500.0, 1000.0, 2500.0, 5000.0],
        more_is_better: false,
        measure: |hour| Some(hour.latency(95).as_secs_f64() * 1e3).filter(|ms| *ms > 0.0),
    },
    Subject {
        name: "cache",
        meaning: "share of requests answered without computing; the overall grade leaves it out, because it follows from what clients send",
        bounds: [0.7, 0.4, 0.2, 0.05],
        more_is_better: true,
        measure: Interval::hit_ratio,
    },
    Subject {
        name: "shedding",
        meaning: "share of requests and connections that were turned away",
        bounds: [0.0001, 0.001, 0.01, 0.05],
        more_is_better: false,
        measure: |hour| (hour.requests + hour.shed > 0).then(|| hour.shed_ratio()),
    },
];

impl Subject {
    fn grade(&self, value: f64) -> Grade {
        let is_met = |bound: &f64| if self.more_is_better { value >= *bound } else { value <= *bound };
        let met = self.bounds.iter().position(is_met);
        met.map_or(Grade::D, |at| Grade::ALL[at])
    }
}

/// The marks of an hour. Where nothing happened, nothing was wrong: A+.
pub(crate) fn marks(hour: &Interval) -> Vec<Mark> {
    let mark = |subject: &'static Subject| {
        let value = (subject.measure)(hour);
        Mark { subject, value, grade: value.map_or(Grade::APlus, |value| subject.grade(value)) }
    };
    SUBJECTS.iter().map(mark).collect()
}

/// The worst grade, that of the cache left out.
pub(crate) fn overall(marks: &[Mark]) -> Grade {
    let counted = marks.iter().filter(|mark| mark.subject.name != "cache");
    counted.map(|mark| mark.grade).max().unwrap_or(Grade::APlus)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grades(hour: &Interval) -> Vec<(&'static str, Grade)> {
        marks(hour).iter().map(|mark| (mark.subject.name, mark.grade)).collect()
    }

    #[test]
    fn an_hour_without_requests_has_the_best_grades() {
        assert!(grades(&Interval::default()).iter().all(|(_, grade)| *grade == Grade::APlus));
        assert_eq!(overall(&marks(&Interval::default())), Grade::APlus);
    }

    #[test]
    fn bounds_belong_to_the_better_grade() {
        let errors = &SUBJECTS[0];
        let cache = &SUBJECTS[2];
        for (index, grade) in Grade::ALL[..4].iter().enumerate() {
            assert_eq!(errors.grade(errors.bounds[index]), *grade);
            assert_eq!(cache.grade(cache.bounds[index]), *grade);
        }
        assert_eq!((errors.grade(0.051), cache.grade(0.049)), (Grade::D, Grade::D));
    }

    #[test]
    fn the_worst_subject_but_the_cache_is_the_overall_grade() {
        let hour = Interval { requests: 1000, server_errors: 5, lookups: 1000, ..Interval::default() };
        assert_eq!(
            grades(&hour),
            [("errors", Grade::B), ("latency", Grade::APlus), ("cache", Grade::D), ("shedding", Grade::APlus)]
        );
        assert_eq!(overall(&marks(&hour)), Grade::B);
    }

    #[test]
    fn a_service_that_turns_away_everything_fails() {
        let hour = Interval { shed: 3, ..Interval::default() };
        assert_eq!(overall(&marks(&hour)), Grade::D);
    }

    #[test]
    fn bounds_go_from_the_best_to_the_worst() {
        for subject in SUBJECTS {
            let ordered = |pair: &[f64]| if subject.more_is_better { pair[0] > pair[1] } else { pair[0] < pair[1] };
            assert!(subject.bounds.windows(2).all(ordered), "{}", subject.name);
        }
    }
}
