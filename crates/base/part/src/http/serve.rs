//! Accepting, serving and draining connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::body::Upload;
use super::socket::{Exempt, Socket};
use super::{Limits, Listeners, Refusal, Routes};

/// How long to wait after the system refused a connection, most often for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

impl Listeners {
    /// Serves every listener, also those opened later, until `drain` is cancelled; then lets each
    /// connection finish the request it is in. Dropping the future closes what is left.
    pub async fn serve(self, drain: CancellationToken) {
        let mut accepting = JoinSet::new();
        loop {
            for listener in self.lock().values_mut() {
                let Some(socket) = listener.socket.take() else { continue };
                let server =
                    Server { listeners: self.clone(), routes: listener.routes.clone(), drain: drain.clone() };
                let local = listener.local;
                match TcpListener::from_std(socket) {
                    Ok(socket) => drop(accepting.spawn(server.accept(socket))),
                    Err(error) => tracing::error!(target: "http", %local, %error, "cannot listen"),
                }
            }
            tokio::select! {
                () = self.node.opened.notified() => {}
                () = drain.cancelled() => break,
            }
        }
        while accepting.join_next().await.is_some() {}
    }
}

/// What every connection of one listener shares.
#[derive(Clone)]
struct Server {
    listeners: Listeners,
    routes: Routes,
    drain: CancellationToken,
}

impl Server {
    async fn accept(self, socket: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = socket.accept() => accepted,
                Some(_) = connections.join_next() => continue,
                () = self.drain.cancelled() => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    if let Ok(place) = Arc::clone(&self.listeners.node.places).try_acquire_owned() {
                        connections.spawn(self.clone().converse(stream, peer, place));
                    } else {
                        tracing::warn!(target: "http", %peer, "refused: as many connections as are allowed");
                        let _ = stream.try_write(FULL);
                    }
                }
                Err(error) => {
                    tracing::warn!(target: "http", %error, "cannot accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(socket);
        while connections.join_next().await.is_some() {}
    }

    async fn converse(self, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) {
        // Live values are small and should leave at once.
        let _ = stream.set_nodelay(true);
        let limits = self.listeners.node.limits.clone();
        let exempt = Exempt::default();
        let socket = Socket::new(stream, limits.write_timeout, limits.stream_timeout, exempt.clone(), place);
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(limits.read_timeout)
            .max_buf_size(limits.header_octets.max(8 * 1024));
        let routes = self.routes;
        let service = service_fn(move |request| {
            let answer = answer(routes.clone(), request, peer, limits.clone(), exempt.clone());
            async move { Ok::<_, std::convert::Infallible>(answer.await) }
        });
        let connection = http.serve_connection(TokioIo::new(socket), service).with_upgrades();
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.drain.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(target: "http", %peer, %error, "connection ended");
        }
    }
}

async fn answer(
    routes: Routes,
    request: Request<Incoming>,
    peer: SocketAddr,
    limits: Limits,
    exempt: Exempt,
) -> Response {
    let mut request = request.map(|body| Upload::new(body, limits.read_timeout, limits.body_octets));
    request.extensions_mut().insert(ConnectInfo(peer));
    let answered = tokio::time::timeout(limits.write_timeout, routes.current().oneshot(request)).await;
    let Ok(answered) = answered else {
        return Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", "no answer was ready in time")
            .into_response();
    };
    let Ok(response) = answered;
    if is_stream(&response) {
        exempt.grant();
    }
    response
}

/// Whether the response goes on for as long as both sides like.
fn is_stream(response: &Response) -> bool {
    response.status() == StatusCode::SWITCHING_PROTOCOLS
        || response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}
