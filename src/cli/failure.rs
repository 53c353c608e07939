//! Why a file has no answer, in words and as an object with the members that POST /compress would answer with.

use std::io;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::http::response::problem::{Kind, Problem};
use crate::job::JobError;
use crate::panics::Panicked;

/// Why a file has no answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    detail: String,
    /// The members of a problem, `detail` left out.
    members: Map<String, Value>,
}

impl Failure {
    /// An input that can't be read.
    pub fn unreadable(error: &io::Error) -> Failure {
        Failure::local("unreadable", error.to_string())
    }

    /// An answer that can't be written.
    pub fn unwritable(reason: impl Into<String>) -> Failure {
        Failure::local("unwritable", reason.into())
    }

    /// A file that stands where the answer would go.
    pub fn exists(path: &Path) -> Failure {
        Failure::local("output_exists", format!("{} is there already; --force writes over it", path.display()))
    }

    /// An input with more bytes than `server.max_body` allows.
    pub fn too_large(limit: u64) -> Failure {
        let detail = format!("more than {limit} bytes, the limit that server.max_body sets");
        Failure::of(Problem::body_too_large(limit), detail)
    }

    /// An input without a byte.
    pub fn empty() -> Failure {
        let detail = "no bytes";
        Failure::of(Problem::new(Kind::EmptyBody, detail), detail.to_owned())
    }

    /// A kind of failure that a request can't have.
    fn local(code: &str, detail: String) -> Failure {
        Failure { detail, members: Map::from_iter([("code".to_owned(), code.into())]) }
    }

    /// `detail` also says what a stranger would not be told.
    fn of(problem: Problem, detail: String) -> Failure {
        Failure { detail, members: problem.members() }
    }

    /// The reason, for a person.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The object, with the name of `file`.
    pub fn json(&self, file: &Path) -> Value {
        let mut value = json!({ "file": file.display().to_string() });
        for (name, member) in &self.members {
            value[name] = member.clone();
        }
        value["detail"] = self.detail.clone().into();
        value
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
    fn what_the_codec_said_in_its_panic_is_told_on_this_machine() {
        let object = Failure::from(Panicked("index 9 out of 3".to_owned())).json(Path::new("a.jpg"));
        assert_eq!(object["code"], "internal");
        assert_eq!(object["detail"], "the codec panicked: index 9 out of 3");
    }
}
