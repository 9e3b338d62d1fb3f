//! Connections: accepted, limited, served, and drained at the end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use spec::{Error, Result};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

use crate::access::Peer;
use crate::app::{App, LOOK_EVERY};
use crate::clients::Clients;
use crate::tls::Certificates;
use crate::{refusal, routes, seal};

/// Largest head of a request, in bytes.
const HEAD: usize = 32 << 10;

/// Listens on the address of the options.
///
/// Errors: the address is in use, or is not one of this machine.
pub fn listen(address: SocketAddr) -> Result<std::net::TcpListener> {
    let failed = |error: std::io::Error| {
        Error::cannot_run(format!("{address}: cannot listen: {}", spec::text::root_cause(&error)))
            .hint("stop the program that listens there, or choose another address with --listen")
    };
    let listener = std::net::TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// Serves until `stop` is done; then finishes the requests in progress, and seals the journals.
pub async fn serve(app: Arc<App>, listener: std::net::TcpListener, stop: impl Future<Output = ()>) -> Result<()> {
    let failed =
        |error: std::io::Error| Error::cannot_run(format!("cannot listen: {}", spec::text::root_cause(&error)));
    let listener = TcpListener::from_std(listener).map_err(failed)?;
    let tls = app.certificates.as_ref().map(Certificates::acceptor).transpose()?;
    let router = routes::router(app.clone()).layer(ServiceBuilder::new().layer(CatchPanicLayer::custom(panicked)));
    let watching = Watching::start(&app)?;
    let connections = Arc::new(Semaphore::new(app.options.connections));
    let clients = Arc::new(Clients::new(&app.options));
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let permit = connections.clone().acquire_owned();
        let accepted = tokio::select! {
            accepted = async { (permit.await, listener.accept().await) } => accepted,
            () = &mut stop => break,
        };
        let (permit, stream, peer) = match accepted {
            (Ok(permit), Ok((stream, peer))) => (permit, stream, Peer(peer)),
            (_, Err(error)) => {
                // Too many files are open, or the client disconnected: go on with the next one.
                tracing::debug!("a connection failed: {error}");
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
            (Err(_), _) => break,
        };
        // Dropped, and so closed.
        let Some(admitted) = clients.admit(peer.0.ip()) else { continue };
        let (app, router, tls, watcher) = (app.clone(), router.clone(), tls.clone(), graceful.watcher());
        tokio::spawn(async move {
            let _places = (permit, admitted);
            // A request and its answer are a few packets, which Nagle's algorithm would only delay.
            let _ = stream.set_nodelay(true);
            match tls {
                None => connection(app, router, peer, stream, watcher).await,
                Some(tls) => {
                    let greeted = tokio::time::timeout(app.options.idle, tls.accept(stream)).await;
                    if let Ok(Ok(stream)) = greeted {
                        connection(app, router, peer, stream, watcher).await;
                    }
                }
            }
        });
    }
    app.draining.store(true, Ordering::Release);
    drop(listener);
    tracing::info!("serve: stops once the requests in progress are answered");
    if tokio::time::timeout(app.options.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("serve: some requests were cut off: they took longer than {} s", app.options.drain.as_secs());
    }
    tokio::task::spawn_blocking(move || {
        watching.end();
        seal::all(&app);
    })
    .await
    .map_err(|_| Error::cannot_run("the journals could not be sealed"))
}

async fn connection<S>(
    app: Arc<App>,
    router: Router,
    peer: Peer,
    stream: S,
    watcher: hyper_util::server::graceful::Watcher,
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let stream = crate::timed::Timed::new(stream, app.options.idle);
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(app.options.idle)
        .max_buf_size(HEAD.max(8192))
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(app.options.idle)
        .keep_alive_timeout(app.options.idle)
        .max_concurrent_streams(app.options.in_flight as u32)
        .max_header_list_size(HEAD as u32);
    let service = TowerToHyperService::new(tower::Layer::layer(&axum::Extension(peer), router));
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    if let Err(error) = watcher.watch(connection).await {
        // A client that disconnects or is too slow is not an error of the server.
        let slow = error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_timeout);
        tracing::debug!(slow, "a connection was cut off: {error}");
    }
}

fn panicked(payload: Box<dyn std::any::Any + Send>) -> axum::response::Response {
    axum::response::IntoResponse::into_response(refusal::panicked(payload.as_ref()))
}

/// The threads that look for changes and seal what is due.
struct Watching {
    stop: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Watching {
    fn start(app: &Arc<App>) -> Result<Watching> {
        let stop = Arc::new(AtomicBool::new(false));
        let spawn = |name: &str, mut work: Box<dyn FnMut(&App) + Send>| {
            let (app, stopped) = (app.clone(), stop.clone());
            let work = move || {
                while !stopped.load(Ordering::Acquire) {
                    work(&app);
                    std::thread::park_timeout(LOOK_EVERY);
                }
            };
            let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
            thread.map_err(|error| Error::cannot_run(format!("cannot start a thread: {error}")))
        };
        let watch = |app: &App| {
            app.refresh();
            if let Some(certificates) = &app.certificates {
                certificates.refresh();
            }
        };
        let mut due = seal::Due::default();
        // Sealing a journal and reading the clean tables may take long; a swap of versions does not wait for them.
        let threads = vec![
            spawn("watch", Box::new(watch))?,
            spawn("seal", Box::new(move |app| due.seal(app)))?,
            spawn("tables", Box::new(App::refresh_raw))?,
        ];
        Ok(Watching { stop, threads })
    }

    fn end(self) {
        self.stop.store(true, Ordering::Release);
        for thread in self.threads {
            thread.thread().unpark();
            // A panic there was reported by the hook.
            let _ = thread.join();
        }
    }
}
