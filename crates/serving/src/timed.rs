//! Limits on idle connections: a client that sends one byte a minute, or does not read, is disconnected.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A stream on which neither reading nor writing may wait longer than a given time.
pub struct Timed<S> {
    stream: S,
    limit: Duration,
    /// Expires at the limit after `since` at the latest. It is set again when it expires, not at each wait: most waits are short.
    timer: Pin<Box<Sleep>>,
    /// Since when a read or a write waits.
    since: Instant,
    reading: bool,
    writing: bool,
}

impl<S> Timed<S> {
    pub fn new(stream: S, limit: Duration) -> Timed<S> {
        Timed { stream, limit, timer: Box::pin(sleep(limit)), since: Instant::now(), reading: false, writing: false }
    }

    /// Data was read or written: restarts the time limit of both directions.
    fn restart(&mut self) {
        (self.reading, self.writing) = (false, false);
    }

    /// Whether no data was read or written for longer than the limit.
    fn waits(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        if !self.reading && !self.writing {
            self.since = Instant::now();
        }
        loop {
            ready!(self.timer.as_mut().poll(context));
            let deadline = self.since + self.limit;
            if Instant::now() >= deadline {
                break;
            }
            self.timer.as_mut().reset(deadline);
        }
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the other side was silent for too long"))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Timed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Ready(done) => {
                self.restart();
                Poll::Ready(done)
            }
            Poll::Pending => {
                let late = self.waits(context);
                self.reading = true;
                late.map(Err)
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> Timed<S> {
    fn written<T>(&mut self, context: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match done {
            Poll::Ready(done) => {
                self.restart();
                Poll::Ready(done)
            }
            Poll::Pending => {
                let late = self.waits(context);
                self.writing = true;
                late.map(Err)
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Timed<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.written(context, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.stream).poll_flush(context);
        self.written(context, done)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.stream).poll_shutdown(context);
        self.written(context, done)
    }
}
