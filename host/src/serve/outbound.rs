//! Requests that the daemon sends of its own accord: heartbeats, and events for Sentry. They go out from a
//! thread and a runtime of their own, so that they tell of a runtime that stands still, and hold up no run.

use std::error::Error;
use std::net::{SocketAddr, ToSocketAddrs};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use tokio::runtime::Handle;
use tower_service::Service;

use crate::connection::system_roots;

/// How long one request may take, the looking up of the name included: the services answer within a second.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest answer that is read, so that the connection can be used again; it is of no interest.
const MAX_ANSWER: usize = 16 * 1024;
/// How long the rest of an answer may take after its head, for the same: what is small comes with it.
const REST: Duration = Duration::from_secs(1);

/// Sends requests. Clones are the same.
#[derive(Clone)]
pub struct Outbound(Arc<Inner>);

type HttpsClient = Client<HttpsConnector<HttpConnector<SystemNames>>, Full<Bytes>>;

struct Inner {
    runtime: Handle,
    /// Made for the first request: it needs the authorities that the system trusts.
    client: OnceLock<HttpsClient>,
    /// How many deliveries are under way.
    under_way: Arc<UnderWay>,
    /// The thread ends when this is dropped.
    _end: tokio::sync::oneshot::Sender<()>,
}

#[derive(Default)]
struct UnderWay {
    count: Mutex<usize>,
    changed: Condvar,
}

/// Why a request had no effect. Shows neither the URL nor anything of the answer but its status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// No connection, or a broken one.
    #[error("{0}")]
    Unreachable(String),
    /// No answer within 10 s.
    #[error("no answer in {TIMEOUT:?}")]
    TimedOut,
    /// Another answer than a success.
    #[error("it answered {status}")]
    Answered {
        /// The answer's status.
        status: StatusCode,
        /// For how long nothing more is wanted, if it says so (RFC 9110 section 10.2.3, in seconds).
        retry_after: Option<Duration>,
    },
}

impl OutboundError {
    /// Whether the same request may have success later: not when it is refused as such.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TimedOut => true,
            Self::Answered { status, .. } => {
                status.is_server_error()
                    || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(status)
            }
        }
    }
}

impl Outbound {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// When the thread or its runtime cannot be started.
    pub fn start() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        std::thread::Builder::new()
            .name("bedcheck-outbound".to_owned())
            .spawn(move || {
                // That the sender is gone is the sign.
                let _ = runtime.block_on(ended);
                runtime.shutdown_background();
            })?;
        Ok(Self(Arc::new(Inner {
            runtime: handle,
            client: OnceLock::new(),
            under_way: Arc::default(),
            _end: end,
        })))
    }

    /// Begins a delivery, which [`Outbound::flush`] waits for.
    pub(super) fn deliver(&self, delivery: impl Future<Output = ()> + Send + 'static) {
        let counted = Counted::new(&self.0.under_way);
        self.0.runtime.spawn(async move {
            let _counted = counted;
            delivery.await;
        });
    }

    /// Begins something that goes on until it is aborted.
    pub(super) fn keep(&self, task: impl Future<Output = ()> + Send + 'static) -> tokio::task::AbortHandle {
        self.0.runtime.spawn(task).abort_handle()
    }

    /// Sends a request; its URL is never shown.
    pub(super) async fn post(
        &self,
        url: Uri,
        headers: &[(&'static str, HeaderValue)],
        body: Bytes,
    ) -> Result<(), OutboundError> {
        let mut request = Request::post(url)
            .header(USER_AGENT, concat!("bedcheck/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "text/plain; charset=utf-8");
        if let Some(known) = request.headers_mut() {
            for (name, value) in headers {
                known.insert(*name, value.clone());
            }
        }
        let request = request
            .body(Full::new(body))
            .map_err(|error| OutboundError::Unreachable(error.to_string()))?;
        let head = tokio::time::timeout(TIMEOUT, survived(self.answer(request))).await;
        let (head, body) = head.unwrap_or(Err(OutboundError::TimedOut))?.into_parts();
        // Whatever becomes of the rest, the status is the answer.
        let rest = Limited::new(body, MAX_ANSWER).collect();
        let _ = tokio::time::timeout(REST, rest).await;
        if head.status.is_success() {
            return Ok(());
        }
        let seconds = head
            .headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        Err(OutboundError::Answered {
            status: head.status,
            retry_after: seconds.map(Duration::from_secs),
        })
    }

    async fn answer(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, OutboundError> {
        let client = match self.0.client.get() {
            Some(client) => client,
            None => {
                let made = client().map_err(|error| OutboundError::Unreachable(error.to_string()))?;
                self.0.client.get_or_init(|| made)
            }
        };
        let answer = client.request(request).await;
        answer.map_err(|error| OutboundError::Unreachable(innermost(&error)))
    }

    /// Waits until all that was to be delivered is, or was given up, for `bound` at most; whether it is. Blocks
    /// the thread.
    pub fn flush(&self, bound: Duration) -> bool {
        let UnderWay { count, changed } = &*self.0.under_way;
        let count = count.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(count, bound, |count| *count > 0);
        let (_count, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        !timeout.timed_out()
    }
}

/// Counts a delivery as long as it lives.
struct Counted(Arc<UnderWay>);

impl Counted {
    fn new(under_way: &Arc<UnderWay>) -> Self {
        *under_way.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Self(Arc::clone(under_way))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        *self.0.count.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.changed.notify_all();
    }
}

/// The request's answer; one that panics is a request that failed, and whoever sent it goes on.
async fn survived<T>(request: impl Future<Output = Result<T, OutboundError>>) -> Result<T, OutboundError> {
    let survived = AssertUnwindSafe(request).catch_unwind().await;
    survived.unwrap_or_else(|_| Err(OutboundError::Unreachable("sending it crashed".to_owned())))
}

fn client() -> Result<HttpsClient, rustls::Error> {
    let mut connector = HttpConnector::new_with_resolver(SystemNames);
    connector.enforce_http(false);
    // Otherwise the kernel holds the end of a request back until the start of it is acknowledged.
    connector.set_nodelay(true);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(system_roots())
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    // Requests are rare: a connection that is kept is mostly one that the other side has closed meanwhile.
    Ok(Client::builder(TokioExecutor::new())
        .pool_idle_timeout(Duration::from_secs(5))
        .build(connector))
}

/// The cause at the bottom, which is the one that says something: `connection refused`.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    crate::text::told(&cause.to_string(), 256)
}

/// Looks names up as the system does, each on a thread of its own. The runtime's own way panics where the system has no
/// thread to give; here that is a request that failed.
#[derive(Debug, Clone)]
struct SystemNames;

impl Service<Name> for SystemNames {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = std::io::Error;
    type Future = BoxFuture<'static, std::io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let look_up = async move {
            let (told, addresses) = tokio::sync::oneshot::channel();
            let look_up = move || {
                // Whoever asked may have given up.
                let _ = told.send((name.as_str(), 0).to_socket_addrs());
            };
            let thread = std::thread::Builder::new().name("bedcheck-names".to_owned());
            thread.spawn(look_up)?;
            addresses.await.map_err(std::io::Error::other)?
        };
        look_up.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_that_panics_has_failed() {
        let panicking = async { panic!("the test says so") };
        let survived = survived::<()>(panicking).await;
        assert_eq!(
            survived,
            Err(OutboundError::Unreachable("sending it crashed".to_owned()))
        );
    }
}
