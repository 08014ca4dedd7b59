//! The layers around every request that know no policy: a span that carries its id, and an answer
//! where the guard itself fails.

use std::any::Any;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use tower_http::catch_panic::{CatchPanicLayer, ResponseForPanic};
use tower_http::classify::{ServerErrorsAsFailures, SharedClassifier};
use tower_http::trace::{MakeSpan, TraceLayer};
use tracing::{Span, error, info_span};

use crate::ledger::RequestId;
use crate::upstream::{Body, full};

const PANIC_ANSWER: &str = r#"{"type":"about:blank","title":"the guard failed","status":500,"detail":"the guard failed on this request; ask its operator, and check what it has done before sending it again","message":"the guard failed on this request; ask its operator, and check what it has done before sending it again"}"#;

/// Everything logged about a request carries its id. The query is left out: keys travel in it.
pub(super) fn trace()
-> TraceLayer<SharedClassifier<ServerErrorsAsFailures>, RequestSpan, (), (), (), (), ()> {
    TraceLayer::new_for_http()
        .make_span_with(RequestSpan)
        .on_request(())
        .on_response(())
        .on_body_chunk(())
        .on_eos(())
        .on_failure(())
}

#[derive(Clone, Copy, Debug)]
pub(super) struct RequestSpan;

impl<B> MakeSpan<B> for RequestSpan {
    fn make_span(&mut self, request: &Request<B>) -> Span {
        let id = request.extensions().get::<RequestId>();
        info_span!(
            "request",
            request.id = id.map(tracing::field::display),
            http.method = %request.method(),
            http.path = request.uri().path(),
        )
    }
}

/// A panic ends its request, not the guard.
pub(super) fn catch_panic() -> CatchPanicLayer<Apology> {
    CatchPanicLayer::custom(Apology)
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Apology;

impl ResponseForPanic for Apology {
    type ResponseBody = Body;

    fn response_for_panic(&mut self, panic: Box<dyn Any + Send>) -> Response<Body> {
        let what = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        error!(panic = what, "the guard failed on a request");
        let mut response = Response::new(full(PANIC_ANSWER));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        let problem = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, problem);
        response
    }
}
