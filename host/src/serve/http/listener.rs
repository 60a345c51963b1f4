//! Connections: taking them in, TLS, and the bounds within which none of them harms the others. What is
//! asked and answered does not live here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use super::direct::Answers;
use super::patience::Patient;
use super::tls::{Certificate, TlsError};
use crate::config::Http;

/// The other end of a connection, for whoever answers (as an extension of the request).
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// None while the daemon runs; when it stops, the moment by which every connection must be closed.
pub type Stop = watch::Receiver<Option<Instant>>;

/// What a connection may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Connections at once; further ones wait for one of them to end. Default 1,024: Prometheus opens one for
    /// every target of a probe, and each takes some 20 kB and a file descriptor. The daemon takes less where the
    /// limit of open files asks for it.
    pub connections: usize,
    /// The time for TLS, and for the head of a request, idle time before it included. Default 75 s: Prometheus
    /// keeps a connection from one scrape to the next, which are a minute apart by default.
    pub head_time: Duration,
    /// The time in which an answer must be read; a connection whose answer is not ends. Default 60 s.
    pub answer: Duration,
    /// The time of a connection as a whole; it is closed after the answer under way then. Default 10 min.
    pub life: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 1_024,
            head_time: Duration::from_secs(75),
            answer: Duration::from_secs(60),
            life: Duration::from_secs(600),
        }
    }
}

/// The largest head of a request, in bytes. hyper answers a larger one with 431.
const MAX_HEAD: usize = 16 * 1024;
/// How long an answer that is under way may go on when the time of its connection is over.
const LAST_ANSWER: Duration = Duration::from_secs(60);
/// The pause after a connection could not be taken in, for lack of file descriptors above all.
const PAUSE: Duration = Duration::from_millis(100);

/// Why the endpoints cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, not ours or not allowed.
    #[error("http.listen: cannot listen at `{address}`: {error}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// The certificate.
    #[error("http.tls: {0}")]
    Tls(#[from] TlsError),
}

/// A port that is listened at.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
    certificate: Option<Arc<Certificate>>,
    bounds: Bounds,
}

impl Listener {
    /// Finds out whether the certificate can be used, and listens nowhere.
    ///
    /// # Errors
    ///
    /// When it cannot.
    pub async fn verify(http: &Http) -> Result<(), StartError> {
        certificate(http).await.map(drop)
    }

    /// Listens; with the port 0, at one that is free.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened at, or the certificate not be used.
    pub async fn bind(http: &Http, bounds: Bounds) -> Result<Self, StartError> {
        let certificate = certificate(http).await?;
        let refused = |error| StartError::Bind {
            address: http.listen,
            error,
        };
        let listener = TcpListener::bind(http.listen).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Self {
            listener,
            address,
            certificate,
            bounds,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until told to stop. Then no connection is taken in any more, those that wait are closed at once
    /// and the others after their answer, at the latest when the time is over.
    pub async fn serve(&self, answers: Answers, mut stop: Stop) {
        let places = Arc::new(Semaphore::new(self.bounds.connections));
        let mut connections = JoinSet::new();
        while stop.borrow().is_none() {
            tokio::select! {
                accepted = self.accept(&places) => {
                    if let Some((stream, peer, place)) = accepted {
                        let connection = self.connection(stream, peer, answers.clone(), stop.clone());
                        connections.spawn(async move {
                            connection.await;
                            drop(place);
                        });
                    }
                }
                Some(_) = connections.join_next() => {}
                // The sender is gone: nobody is left to serve for.
                changed = stop.changed() => if changed.is_err() { return },
            }
        }
        let ended = async { while connections.join_next().await.is_some() {} };
        tokio::select! {
            () = ended => {}
            () = over(stop) => {}
        }
    }

    /// A connection, once there is a place for one.
    async fn accept(
        &self,
        places: &Arc<Semaphore>,
    ) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
        // The semaphore is never closed.
        let place = Arc::clone(places).acquire_owned().await.ok()?;
        match self.listener.accept().await {
            Ok((stream, peer)) => Some((stream, peer, place)),
            Err(error) => {
                tracing::warn!("http: a connection could not be taken in: {error}");
                sleep(PAUSE).await;
                None
            }
        }
    }

    fn connection(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        answers: Answers,
        stop: Stop,
    ) -> impl Future<Output = ()> + Send + 'static {
        let tls = self.certificate.clone();
        let bounds = self.bounds;
        async move {
            // Answers are written whole: waiting for more to send only delays them.
            let _ = stream.set_nodelay(true);
            match tls {
                None => converse(stream, peer, answers, bounds, stop).await,
                Some(certificate) => {
                    let handshake = async {
                        let config = certificate.config().await;
                        TlsAcceptor::from(config).accept(stream).await
                    };
                    let mut stopped = stop.clone();
                    let stream = tokio::select! {
                        stream = timeout(bounds.head_time, handshake) => stream,
                        _ = stopped.wait_for(Option::is_some) => return,
                    };
                    if let Ok(Ok(stream)) = stream {
                        converse(stream, peer, answers, bounds, stop).await;
                    }
                }
            }
        }
    }
}

async fn certificate(http: &Http) -> Result<Option<Arc<Certificate>>, StartError> {
    match &http.tls {
        Some(files) => Ok(Some(Certificate::read(files).await?)),
        None => Ok(None),
    }
}

/// Answers the requests of a connection. What goes wrong with it is the client's to notice.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    answers: Answers,
    bounds: Bounds,
    mut stop: Stop,
) {
    let service = service_fn(move |request| answers.answer(request, Peer(peer)));
    let stream = Patient::new(stream, bounds.answer);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head_time)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let is_stopped = tokio::select! {
        _ = connection.as_mut() => return,
        () = sleep(bounds.life) => false,
        _ = stop.wait_for(Option::is_some) => true,
    };
    connection.as_mut().graceful_shutdown();
    if is_stopped {
        // Whoever serves ends this when the time is over.
        let _ = connection.await;
    } else {
        let _ = timeout(LAST_ANSWER, connection).await;
    }
}

/// The moment by which all must be over.
async fn over(stop: Stop) {
    let moment = *stop.borrow();
    if let Some(moment) = moment {
        sleep_until(moment).await;
    }
}
