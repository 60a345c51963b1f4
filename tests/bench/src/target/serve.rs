//! The process with the servers: one task for each connection.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use bedcheck_tests::certificates::Certificates;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{Addresses, allow_many_files, http, imap, otlp};

/// How many connections may wait to be accepted: as many as the kernel lets wait by default, for thousands come at
/// once.
const BACKLOG: u32 = 4096;

/// Serves until the input ends. Where, is said in one line of JSON on the output.
///
/// # Errors
///
/// When there is no runtime, or no port.
pub fn serve() -> std::io::Result<()> {
    let _ = allow_many_files();
    let certificates = Certificates::new();
    let acceptor = TlsAcceptor::from(certificates.valid().server_config());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let addresses = Addresses {
            http: listen(None, http::answer)?,
            https: listen(Some(acceptor.clone()), http::answer)?,
            imap: listen(None, imap::converse)?,
            imaps: listen(Some(acceptor), imap::converse)?,
            silent: listen(None, stay_silent)?,
            otlp: listen(None, otlp::receive)?,
            authority: certificates.authority_file(),
        };
        let mut output = std::io::stdout();
        writeln!(output, "{}", serde_json::to_string(&addresses)?)?;
        output.flush()?;
        // Blocking: what is read on the runtime could keep it from ending.
        let ended =
            tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
        ended.await.map_err(std::io::Error::other)?.map(drop)
    })
}

/// Any stream that bytes come and go by.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Listens on loopback and has each connection served.
fn listen<F>(
    tls: Option<TlsAcceptor>,
    serve: impl Fn(Box<dyn Stream>) -> F + Send + Sync + 'static,
) -> std::io::Result<SocketAddr>
where
    F: Future<Output = std::io::Result<()>> + Send,
{
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let listener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    let serve = Arc::new(serve);
    tokio::spawn(async move {
        loop {
            let stream = accept(&listener).await;
            let (tls, serve) = (tls.clone(), Arc::clone(&serve));
            tokio::spawn(async move {
                // A client may leave whenever it likes.
                let _ = match tls {
                    None => serve(Box::new(stream)).await,
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => serve(Box::new(stream)).await,
                        Err(error) => Err(error),
                    },
                };
            });
        }
    });
    Ok(address)
}

/// The next connection. Without files left there is none until another one is closed.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are written whole; without this they would only come late.
                let _ = stream.set_nodelay(true);
                return stream;
            }
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

/// Reads whatever comes, until the client leaves.
async fn stay_silent(mut stream: Box<dyn Stream>) -> std::io::Result<()> {
    let mut heard = [0; 256];
    while stream.read(&mut heard).await? > 0 {}
    Ok(())
}
