//! A collector for tests that answers as a script says, over HTTP/1.1 or gRPC, and remembers what it was sent.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use prost::Message;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::telemetry::settings::{Destination, Headers, Protocol};

/// What it does with a request.
#[derive(Debug, Clone)]
pub(in crate::telemetry) enum Reply {
    /// A status, header fields (a line each, with its end) and a body; over gRPC that is what something else answers.
    Http(u16, &'static str, Vec<u8>),
    /// Over HTTP: these bytes, then the connection ends.
    Raw(Vec<u8>),
    /// Over gRPC: a message, or a status that is no success.
    Grpc(Result<Vec<u8>, tonic::Status>),
    /// Takes the request and says nothing more.
    Silent,
    /// Takes the request and ends the connection.
    Cut,
    /// Takes the request and replies when another one has come.
    AfterNext(Box<Self>),
}

/// How it speaks TLS at the moment.
pub(in crate::telemetry) type Tls = Arc<Mutex<TlsAcceptor>>;

/// Which reply to the request of this number, from 0.
type Script = Arc<dyn Fn(usize, &Request) -> Reply + Send + Sync>;

/// What was sent.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::telemetry) struct Request {
    /// The path.
    pub(in crate::telemetry) path: String,
    /// The header fields.
    pub(in crate::telemetry) headers: HeaderMap,
    /// The body; over gRPC the message without its frame.
    pub(in crate::telemetry) body: Vec<u8>,
    /// On which connection, from 0.
    pub(in crate::telemetry) connection: usize,
}

impl Request {
    /// The message that was sent.
    pub(in crate::telemetry) fn message<M: Message + Default>(&self) -> M {
        M::decode(self.body.as_slice()).expect("a message")
    }
}

/// The collector; it ends when this is dropped.
pub(in crate::telemetry) struct Scripted {
    address: SocketAddr,
    protocol: Protocol,
    received: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

impl Scripted {
    /// Starts one that speaks this protocol.
    pub(in crate::telemetry) async fn start(
        protocol: Protocol,
        script: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(protocol, usize::MAX, None, script).await
    }

    /// Starts one that speaks TLS.
    pub(in crate::telemetry) async fn start_tls(
        protocol: Protocol,
        tls: Tls,
        script: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(protocol, usize::MAX, Some(tls), script).await
    }

    /// Starts one that hangs up, over HTTP, where a body has more than so many bytes, without reading any of it.
    pub(in crate::telemetry) async fn start_with(
        protocol: Protocol,
        largest: usize,
        tls: Option<Tls>,
        script: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpSocket::new_v4().unwrap();
        if largest < usize::MAX {
            // The kernel takes little of what is not read.
            listener.set_recv_buffer_size(4096).unwrap();
        }
        listener.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let listener = listener.listen(64).unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::<Mutex<Vec<Request>>>::default();
        let serving = Serving {
            script: Arc::new(script),
            largest,
            received: Arc::clone(&received),
            count: watch::Sender::new(0),
        };
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            for connection in 0.. {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                let serving = serving.clone();
                let acceptor = tls.as_ref().map(|tls| lock(tls).clone());
                connections.spawn(async move {
                    let stream: Box<dyn Stream> = match acceptor {
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => Box::new(stream),
                            Err(_) => return,
                        },
                        None => Box::new(stream),
                    };
                    match protocol {
                        Protocol::Grpc => serving.grpc(stream, connection).await,
                        Protocol::HttpProtobuf => serving.http(stream, connection).await,
                    }
                });
            }
        });
        Self {
            address,
            protocol,
            received,
            task,
        }
    }

    /// How it is reached, with a timeout that no test has to wait for.
    pub(in crate::telemetry) fn destination(&self) -> Destination {
        Destination {
            url: format!("http://{}/v1/traces", self.address).parse().unwrap(),
            protocol: self.protocol,
            headers: Headers::new([("authorization".to_owned(), "Bearer hunter2".to_owned())]).unwrap(),
            timeout: Duration::from_secs(20),
            gzip: false,
            ca_file: None,
            client: None,
        }
    }

    /// What it was sent so far.
    pub(in crate::telemetry) fn received(&self) -> Vec<Request> {
        lock(&self.received).clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A connection, with TLS or without.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

#[derive(Clone)]
struct Serving {
    script: Script,
    /// The longest body that is read over HTTP.
    largest: usize,
    received: Arc<Mutex<Vec<Request>>>,
    /// How many were received.
    count: watch::Sender<usize>,
}

impl Serving {
    async fn reply(&self, request: Request) -> Reply {
        let (reply, number) = {
            let mut received = lock(&self.received);
            let number = received.len();
            let reply = (self.script)(number, &request);
            received.push(request);
            self.count.send_replace(received.len());
            (reply, number)
        };
        match reply {
            Reply::AfterNext(reply) => {
                let _ = self.count.subscribe().wait_for(|count| *count > number + 1).await;
                *reply
            }
            reply => reply,
        }
    }

    async fn http(self, mut stream: Box<dyn Stream>, connection: usize) {
        while let Some(request) = read_request(&mut *stream, connection, self.largest).await {
            let bytes = match self.reply(request).await {
                Reply::Http(status, headers, body) => {
                    let length = body.len();
                    let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n");
                    [head.into_bytes(), body].concat()
                }
                Reply::Raw(bytes) => {
                    let _ = stream.write_all(&bytes).await;
                    return;
                }
                Reply::Silent => std::future::pending().await,
                Reply::Cut => return,
                Reply::Grpc(_) | Reply::AfterNext(_) => panic!("no reply over HTTP"),
            };
            if stream.write_all(&bytes).await.is_err() {
                return;
            }
        }
    }

    async fn grpc(self, stream: Box<dyn Stream>, connection: usize) {
        let Ok(mut requests) = h2::server::handshake(stream).await else {
            return;
        };
        while let Some(Ok((request, mut respond))) = requests.accept().await {
            let (head, mut body) = request.into_parts();
            let serving = self.clone();
            let mut whole = BytesMut::new();
            // The connection has to be driven while the body comes.
            let read = async {
                while let Some(Ok(chunk)) = body.data().await {
                    let _ = body.flow_control().release_capacity(chunk.len());
                    whole.extend_from_slice(&chunk);
                }
            };
            tokio::select! {
                () = read => {}
                _ = std::future::poll_fn(|context| requests.poll_closed(context)) => return,
            }
            let replying = serving.reply(Request {
                path: head.uri.path().to_owned(),
                headers: head.headers,
                body: whole.get(5..).unwrap_or_default().to_vec(),
                connection,
            });
            let reply = tokio::select! {
                reply = replying => reply,
                _ = std::future::poll_fn(|context| requests.poll_closed(context)) => return,
            };
            let result = match reply {
                Reply::Grpc(result) => result,
                Reply::Http(status, headers, body) => {
                    let mut answer = http::Response::builder().status(status);
                    for (name, value) in fields(headers.split("\r\n")) {
                        answer = answer.header(name, value);
                    }
                    let mut send = respond
                        .send_response(answer.body(()).unwrap(), body.is_empty())
                        .unwrap();
                    if !body.is_empty() {
                        send.send_data(body.into(), true).unwrap();
                    }
                    continue;
                }
                Reply::Silent => {
                    let _held = respond;
                    let _ = std::future::poll_fn(|context| requests.poll_closed(context)).await;
                    return;
                }
                Reply::Cut => return,
                Reply::Raw(_) | Reply::AfterNext(_) => panic!("no reply over gRPC"),
            };
            let mut answer = http::Response::new(());
            let kind = HeaderValue::from_static("application/grpc");
            answer.headers_mut().insert("content-type", kind);
            match result {
                Ok(message) => {
                    let mut send = respond.send_response(answer, false).unwrap();
                    let mut frame = BytesMut::new();
                    frame.put_u8(0);
                    frame.put_u32(u32::try_from(message.len()).unwrap());
                    frame.put_slice(&message);
                    send.send_data(frame.freeze(), false).unwrap();
                    let mut trailers = HeaderMap::new();
                    trailers.insert("grpc-status", HeaderValue::from_static("0"));
                    send.send_trailers(trailers).unwrap();
                }
                Err(status) => {
                    status.add_header(answer.headers_mut()).unwrap();
                    respond.send_response(answer, true).unwrap();
                }
            }
        }
    }
}

/// A request with a `content-length`, if it has a body; none when the connection ends before it does, or where its body is
/// larger than this.
async fn read_request(stream: &mut dyn Stream, connection: usize, largest: usize) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.split("\r\n");
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: HeaderMap = fields(lines).collect();
    let length = headers
        .get("content-length")
        .map_or("0", |length| length.to_str().unwrap());
    let length: usize = length.parse().ok().filter(|length| *length <= largest)?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request {
        path,
        headers,
        body: Bytes::from(body).to_vec(),
        connection,
    })
}

/// The header fields in these lines.
fn fields<'l>(lines: impl Iterator<Item = &'l str>) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let pairs = lines.filter_map(|line| line.split_once(": "));
    pairs.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
