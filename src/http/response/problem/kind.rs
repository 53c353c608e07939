//! The table of problems: one line per kind.

use http::StatusCode;

/// Declares [`Kind`] from the rows of the table.
macro_rules! kinds {
    ($($variant:ident = $status:ident, $code:literal, $title:literal;)*) => {
        /// A kind of problem.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Kind {
            $(#[doc = $title] $variant,)*
        }

        impl Kind {
            /// Every kind, ordered by status.
            pub(crate) const ALL: &'static [Kind] = &[$(Kind::$variant),*];

            /// The status of the answer.
            pub(crate) const fn status(self) -> StatusCode {
                match self {
                    $(Kind::$variant => StatusCode::$status,)*
                }
            }

            /// The name for programs.
            pub(crate) const fn code(self) -> &'static str {
                match self {
                    $(Kind::$variant => $code,)*
                }
            }

            /// The name for people.
            pub(crate) const fn title(self) -> &'static str {
                match self {
                    $(Kind::$variant => $title,)*
                }
            }
        }
    };
}

kinds! {
    InvalidParameter = BAD_REQUEST, "invalid_parameter", "A parameter can't be used";
    EmptyBody = BAD_REQUEST, "empty_body", "The request has no image";
    MalformedRequest = BAD_REQUEST, "malformed_request", "The request can't be read";
    MissingKey = UNAUTHORIZED, "missing_key", "The request has no key";
    InvalidKey = UNAUTHORIZED, "invalid_key", "The key is not valid";
    BadSignature = FORBIDDEN, "bad_signature", "The link is not signed";
    SourceNotAllowed = FORBIDDEN, "source_not_allowed", "The picture may not be fetched";
    NotFound = NOT_FOUND, "not_found", "There is nothing here";
    SourceNotFound = NOT_FOUND, "source_not_found", "There is no picture at the URL";
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method_not_allowed", "The method is not answered here";
    NotAcceptable = NOT_ACCEPTABLE, "not_acceptable", "No format that the client accepts can be written";
    UploadTooSlow = REQUEST_TIMEOUT, "upload_too_slow", "The upload took too long";
    BatchUnfinished = CONFLICT, "batch_unfinished", "The batch has not ended";
    LinkExpired = GONE, "link_expired", "The link is not valid any more";
    BodyTooLarge = PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large";
    SourceTooLarge = PAYLOAD_TOO_LARGE, "source_too_large", "The picture at the URL is too large";
    UnsupportedFormat = UNSUPPORTED_MEDIA_TYPE, "unsupported_format", "The bytes are in no format that is read";
    Undecodable = UNPROCESSABLE_ENTITY, "undecodable", "The image is damaged";
    TooManyPixels = UNPROCESSABLE_ENTITY, "too_many_pixels", "The image is too large";
    TargetUnreachable = UNPROCESSABLE_ENTITY, "target_unreachable", "The target can't be met";
    TotalUnreachable = UNPROCESSABLE_ENTITY, "total_unreachable", "The total can't be met";
    ScoreUnreachable = UNPROCESSABLE_ENTITY, "score_unreachable", "The look asked for can't be met within the target";
    KeyReused = UNPROCESSABLE_ENTITY, "idempotency_key_reused", "The key was sent with another request";
    RateLimited = TOO_MANY_REQUESTS, "rate_limited", "The client asks too often";
    Internal = INTERNAL_SERVER_ERROR, "internal", "The service made a mistake";
    SourceFailed = BAD_GATEWAY, "source_failed", "The host of the picture failed";
    Overloaded = SERVICE_UNAVAILABLE, "overloaded", "The service is busy";
    BatchFull = SERVICE_UNAVAILABLE, "batch_full", "There is no room for another batch";
    ShuttingDown = SERVICE_UNAVAILABLE, "shutting_down", "The service is going down";
    SourceUnavailable = SERVICE_UNAVAILABLE, "source_unavailable", "The host of the picture can't be asked now";
    SourceTimeout = GATEWAY_TIMEOUT, "source_timeout", "The picture took too long to arrive";
    DeadlineExceeded = GATEWAY_TIMEOUT, "deadline_exceeded", "The deadline passed before there was an answer";
}

impl Kind {
    /// The URI reference that names the kind.
    pub(crate) fn type_uri(self) -> String {
        format!("/problems/{}", self.code().replace('_', "-"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Status;

    #[test]
    fn every_status_of_a_problem_has_its_label_in_the_metrics() {
        for kind in Kind::ALL {
            let status = kind.status().as_u16().to_string();
            assert!(Status::ALL.iter().any(|label| label.name() == status), "{status} of {}", kind.code());
        }
    }

    #[test]
    fn codes_are_unique() {
        let codes: std::collections::HashSet<&str> = Kind::ALL.iter().map(|kind| kind.code()).collect();
        assert_eq!(codes.len(), Kind::ALL.len());
    }
}
