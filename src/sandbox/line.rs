//! The sandbox's connections: plain TCP that can be told to break.
//!
//! In come sockets, out go the same bytes, unless the request in hand was answered with a break: then the connection ends
//! at once, or in the middle of the answer, or the answer trickles. Without such a word nothing is changed.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep};

/// How the next answer leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Wire {
    /// As it is.
    #[default]
    Whole,
    /// The connection ends after so many bytes.
    CutAfter(usize),
    /// In pieces of so many bytes, with a pause before each.
    Trickle(usize, Duration),
}

/// The word to a connection: how its next answer leaves.
#[derive(Clone, Debug, Default)]
pub(super) struct WireControl(Arc<Mutex<Wire>>);

impl WireControl {
    /// Says how the next answer leaves; the word stays until another is given.
    pub(super) fn say(&self, wire: Wire) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = wire;
    }

    fn word(&self) -> Wire {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A listener whose connections can break.
pub(super) struct BreakableListener(pub(super) TcpListener);

impl Listener for BreakableListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        let connection = Connection {
            stream,
            line: WireControl::default(),
            pause: None,
        };
        (connection, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, BreakableListener>> for WireControl {
    fn connect_info(stream: IncomingStream<'_, BreakableListener>) -> Self {
        stream.io().line.clone()
    }
}

/// One connection.
pub(super) struct Connection {
    stream: TcpStream,
    line: WireControl,
    pause: Option<Pin<Box<Sleep>>>,
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let most = match self.line.word() {
            Wire::Whole => bytes.len(),
            Wire::CutAfter(0) => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            Wire::CutAfter(left) => left,
            Wire::Trickle(piece, pause) => {
                let waiting = self.pause.get_or_insert_with(|| Box::pin(sleep(pause)));
                ready!(waiting.as_mut().poll(context));
                self.pause = None;
                piece.max(1)
            }
        };
        let bytes = bytes.get(..most).unwrap_or(bytes);
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        if let Wire::CutAfter(left) = self.line.word() {
            self.line.say(Wire::CutAfter(left.saturating_sub(written)));
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
