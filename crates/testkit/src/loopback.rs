//! What the servers share: connections on 127.0.0.1, each on a thread of its own, until the server is dropped.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Tells the connections of a server that it ends.
#[derive(Default)]
pub(crate) struct Ending {
    is_over: Mutex<bool>,
    changed: Condvar,
}

impl Ending {
    pub fn is_over(&self) -> bool {
        *lock(&self.is_over)
    }

    /// Returns when the server ends, or after a minute: for connections that hang.
    pub fn wait(&self) {
        drop(self.changed.wait_timeout_while(lock(&self.is_over), Duration::from_secs(60), |is_over| !*is_over));
    }
}

/// A listener on a free port. Dropping it ends it.
pub(crate) struct Loopback {
    address: SocketAddr,
    ending: Arc<Ending>,
    listener: Option<JoinHandle<()>>,
}

impl Loopback {
    /// Lets `serve` have each connection.
    pub fn start(ending: &Arc<Ending>, serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Loopback {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (serve, seen) = (Arc::new(serve), Arc::clone(ending));
        let listener = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if seen.is_over() {
                    return;
                }
                let (Ok(stream), serve) = (stream, Arc::clone(&serve)) else { continue };
                std::thread::spawn(move || serve(stream));
            }
        });
        Loopback { address, ending: Arc::clone(ending), listener: Some(listener) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        *lock(&self.ending.is_over) = true;
        self.ending.changed.notify_all();
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

/// A panic in a test must not hide behind a second one here.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
