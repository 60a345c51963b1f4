//! Who may ask: the bearer token (RFC 6750), and no web page on the side.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use subtle::ConstantTimeEq;

use super::{Endpoints, Peer, answer};

/// Paths that the token is not asked for: what asks them has often no place for one, and learns one bit.
const OPEN: [&str; 2] = ["/-/healthy", "/-/ready"];

/// Lets through what may pass.
pub(super) async fn guard(State(endpoints): State<Endpoints>, request: Request, next: Next) -> Response {
    match refusal(
        &endpoints,
        request.uri().path(),
        request.method(),
        request.headers(),
    ) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

/// The answer to a request that may not pass; none if it may.
pub(super) fn refusal(
    endpoints: &Endpoints,
    path: &str,
    method: &Method,
    headers: &HeaderMap,
) -> Option<Response> {
    if let Some(token) = endpoints.token()
        && !OPEN.contains(&path)
        && !is_token(headers.get(header::AUTHORIZATION), token.expose())
    {
        let mut response = answer::refusal(
            StatusCode::UNAUTHORIZED,
            "wanted the token of `[http]` as `Bearer`",
        );
        let challenge = HeaderValue::from_static("Bearer realm=\"bedcheck\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        return Some(response);
    }
    // Browsers send it with whatever a page makes them change, and nothing else does.
    let changes = ![Method::GET, Method::HEAD, Method::OPTIONS].contains(method);
    (changes && headers.contains_key(header::ORIGIN)).then(|| {
        answer::refusal(
            StatusCode::FORBIDDEN,
            "not from a web page: found the header `Origin`",
        )
    })
}

/// The answer to somebody elsewhere who wants to do what only this machine may while no token is asked for; none if
/// they may. `what` is a verb.
pub(super) fn refusal_from_afar(endpoints: &Endpoints, peer: Peer, what: &str) -> Option<Response> {
    let may = endpoints.token().is_some() || peer.0.ip().to_canonical().is_loopback();
    let message = || format!("without `token` in `[http]` only this machine may {what}");
    (!may).then(|| answer::refusal(StatusCode::FORBIDDEN, &message()))
}

/// In the time that it takes to compare, however much of it is right.
fn is_token(authorization: Option<&HeaderValue>, token: &[u8]) -> bool {
    let given = authorization.and_then(|value| {
        let (scheme, given) = value.as_bytes().split_at_checked(7)?;
        scheme
            .eq_ignore_ascii_case(b"bearer ")
            .then(|| given.trim_ascii())
    });
    given.is_some_and(|given| given.ct_eq(token.trim_ascii()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_the_whole_token_behind_any_spelling_of_the_scheme() {
        for (header, fits) in [
            ("Bearer secret", true),
            ("bearer  secret ", true),
            ("Bearer secre", false),
            ("Bearer secret1", false),
            ("Bearer", false),
            ("Basic secret", false),
            ("secret", false),
        ] {
            let value = HeaderValue::from_static(header);
            assert_eq!(is_token(Some(&value), b"secret"), fits, "{header}");
        }
        assert!(!is_token(None, b"secret"));
    }
}
