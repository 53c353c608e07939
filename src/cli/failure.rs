//! Why a file has no answer: as text, and as an object with the members of the problem that POST /compress returns.

use std::io;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::engine::WorkError;
use crate::http::response::problem::{Kind, Problem};
use crate::job::JobError;
use crate::panics::Panicked;

/// Why a file has no answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failure {
    detail: String,
    /// The members of the problem, without `detail`.
    members: Map<String, Value>,
}

impl Failure {
    /// The input can't be read.
    pub(super) fn unreadable(error: &io::Error) -> Failure {
        Failure::local("unreadable", error.to_string())
    }

    /// The answer can't be written.
    pub(super) fn unwritable(reason: impl Into<String>) -> Failure {
        Failure::local("unwritable", reason.into())
    }

    /// A file exists at the path of the answer.
    pub(super) fn exists(path: &Path) -> Failure {
        Failure::local("output_exists", format!("{} exists already; --force overwrites it", path.display()))
    }

    /// The input has more bytes than `server.max_body` allows.
    pub(super) fn too_large(limit: u64) -> Failure {
        let detail = format!("more than {limit} bytes, the limit that server.max_body sets");
        Failure::of(Problem::body_too_large(limit), detail)
    }

    /// The input has no bytes.
    pub(super) fn empty() -> Failure {
        let detail = "no bytes";
        Failure::of(Problem::new(Kind::EmptyBody, detail), detail.to_owned())
    }

    /// A failure that only the command line has.
    fn local(code: &str, detail: String) -> Failure {
        Failure { detail, members: Map::from_iter([("code".to_owned(), code.into())]) }
    }

    /// A failure that a request has too. `detail` may say more here than an HTTP client is shown.
    fn of(problem: Problem, detail: String) -> Failure {
        Failure { detail, members: problem.members() }
    }

    /// The reason, as text for the user.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// The JSON object, which names `file`.
    pub(super) fn json(&self, file: &Path) -> Value {
        let mut value = json!({ "file": file.display().to_string() });
        for (name, member) in self.object() {
            value[name] = member;
        }
        value
    }

    /// The JSON object without a file.
    pub(super) fn object(&self) -> Map<String, Value> {
        let mut object = self.members.clone();
        object.insert("detail".to_owned(), self.detail.clone().into());
        object
    }
}

impl From<JobError> for Failure {
    fn from(error: JobError) -> Failure {
        Failure::of(Problem::from(&error), error.to_string())
    }
}

impl From<Panicked> for Failure {
    fn from(Panicked(message): Panicked) -> Failure {
        let detail = format!("the codec panicked: {message}");
        Failure::of(Problem::internal(message), detail)
    }
}

impl From<WorkError> for Failure {
    fn from(error: WorkError) -> Failure {
        match error {
            WorkError::Job(error) => error.into(),
            WorkError::Panicked(message) => Panicked(message).into(),
            error @ (WorkError::Died(_) | WorkError::NoWorker(_)) => {
                let detail = error.to_string();
                Failure::of(Problem::internal(detail.clone()), detail)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_failure_has_the_members_of_a_problem_and_the_file() {
        let failure = Failure::from(JobError::DeadlineExceeded { deadline: Duration::from_millis(5) });
        let object = failure.json(Path::new("a.jpg"));
        assert_eq!((&object["code"], &object["file"]), (&"deadline_exceeded".into(), &"a.jpg".into()));
        assert_eq!((&object["deadline_ms"], &object["status"]), (&5.into(), &504.into()));
        assert_eq!(object["detail"], failure.detail());
    }

    #[test]
    fn the_message_of_a_panic_is_shown() {
        let object = Failure::from(Panicked("index 9 out of 3".to_owned())).json(Path::new("a.jpg"));
        assert_eq!(object["code"], "internal");
        assert_eq!(object["detail"], "the codec panicked: index 9 out of 3");
    }
}
