//! What answers requests: the router, and before it a path that is asked for so often that the way through the router
//! would be much of what its answers cost.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::HttpBody;
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use axum::http::{Method, Request};
use axum::response::Response;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either};
use hyper::body::Incoming;
use tower_service::Service;

use super::{Endpoints, Peer, guard};

/// Answers at a path, and knows nothing of who may ask.
pub type Answer = dyn Fn(Parts) -> BoxFuture<'static, Response> + Send + Sync;

/// What answers all requests. Clones are the same.
#[derive(Clone)]
pub struct Answers {
    router: Router,
    direct: Option<Arc<Direct>>,
}

/// A path that is answered without the router.
struct Direct {
    path: &'static str,
    endpoints: Endpoints,
    answer: Box<Answer>,
}

impl Answers {
    /// The same, but `GET` of this path is answered by this, for whom the endpoints let through. What else is asked of
    /// the path is the router's.
    #[must_use]
    pub fn with_direct(self, path: &'static str, endpoints: Endpoints, answer: Box<Answer>) -> Self {
        let direct = Direct {
            path,
            endpoints,
            answer,
        };
        Self {
            direct: Some(Arc::new(direct)),
            ..self
        }
    }

    /// Answers a request of this peer.
    pub(super) fn answer(
        &self,
        mut request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Result<Response, Infallible>> + Send + use<> {
        match &self.direct {
            Some(direct) if direct.takes(&request) => {
                Either::Left(direct.answer(request).map(|answer| Ok(with_length(answer))))
            }
            _ => {
                // Whoever answers is told who asks.
                request.extensions_mut().insert(peer);
                Either::Right(self.router.clone().call(request))
            }
        }
    }
}

impl From<Router> for Answers {
    fn from(router: Router) -> Self {
        Self { router, direct: None }
    }
}

impl Direct {
    fn takes(&self, request: &Request<Incoming>) -> bool {
        *request.method() == Method::GET && request.uri().path() == self.path
    }

    fn answer(&self, request: Request<Incoming>) -> BoxFuture<'static, Response> {
        let (parts, _body) = request.into_parts();
        match guard::refusal(&self.endpoints, self.path, &parts.method, &parts.headers) {
            Some(refusal) => std::future::ready(refusal).boxed(),
            None => (self.answer)(parts),
        }
    }
}

/// The same with the length of its body, if that is known, where the router writes it.
fn with_length(mut answer: Response) -> Response {
    if let Some(length) = answer.body().size_hint().exact() {
        let headers = answer.headers_mut();
        headers.entry(CONTENT_LENGTH).or_insert_with(|| length.into());
    }
    answer
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::body::Body;
    use axum::routing::get;

    use super::super::tests::client::Server;
    use super::super::tests::{Daemon, endpoints};
    use super::super::{Bounds, router};
    use super::*;

    fn said() -> Response {
        let said = Response::builder()
            .header("content-type", "text/x")
            .header("x-own", "1");
        said.body(Body::from("said")).unwrap()
    }

    #[tokio::test]
    async fn a_path_is_answered_directly_as_the_router_would() {
        const TOKEN: [(&str, &str); 1] = [("authorization", "Bearer s3cret")];
        let answered = Arc::new(AtomicUsize::new(0));
        for token in [None, Some("s3cret")] {
            let endpoints = endpoints(Daemon::default(), token);
            let routes = router(
                endpoints.clone(),
                Router::new().route("/said", get(async || said())),
            );
            let counter = Arc::clone(&answered);
            let direct: Box<Answer> = Box::new(move |_| {
                counter.fetch_add(1, Ordering::Relaxed);
                Box::pin(async { said() })
            });
            let answers = Answers::from(routes.clone()).with_direct("/said", endpoints, direct);
            let routed = Server::start(routes, Bounds::default()).await;
            let direct = Server::start(answers, Bounds::default()).await;
            for method in ["GET", "HEAD", "POST", "OPTIONS", "DELETE", "get"] {
                for path in ["/said", "/said?a=%20b", "/said/", "/Said", "//said", "/"] {
                    for headers in [&[][..], &TOKEN, &[TOKEN[0], ("origin", "http://a.example")]] {
                        for body in ["", "more"] {
                            let mut told = Vec::new();
                            for server in [&routed, &direct] {
                                let mut answer = server.request(method, path, headers, body).await;
                                answer.headers.retain(|(name, _)| name != "date");
                                told.push((answer.status, answer.headers, answer.bytes));
                            }
                            assert_eq!(told[0], told[1], "{method} {path} {headers:?}");
                        }
                    }
                }
            }
        }
        // `GET` of both spellings of the path by those who may: by all without a token, by two of three with it.
        assert_eq!(answered.load(Ordering::Relaxed), 2 * 2 * 3 + 2 * 2 * 2);
    }
}
