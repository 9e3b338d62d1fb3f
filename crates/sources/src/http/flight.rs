//! Many combinations in flight on a thread of their own, handed over in order.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::channel::mpsc::{Receiver, Sender, channel};
use futures::{SinkExt, StreamExt};
use reqwest::Url;
use spec::{Error, Result};
use tokio::runtime::Handle;

use super::HttpSpec;
use super::exchange::Client;
use super::paging::{Items, walk};
use super::proof::Proof;
use super::ranges::Combination;
use crate::ending::Doubts;
use demo::apartments::Server;

/// Pages that may wait, for each combination and in all.
const WAITING: usize = 1;

/// The pages of all combinations, in order.
pub(crate) struct Flight {
    pages: Receiver<Result<Items>>,
    handle: Handle,
}

impl Flight {
    /// Begins to read. `server` lives as long as the flight.
    pub(crate) fn start(
        spec: &HttpSpec,
        base: Url,
        combinations: Vec<Combination>,
        server: Option<Server>,
        doubts: Doubts,
    ) -> Result<Flight> {
        let cannot =
            |error: std::io::Error| Error::cannot_run(format!("cannot start the thread for requests: {error}"));
        let client = Arc::new(Client::new(spec)?);
        let spec = Arc::new(spec.clone());
        let runtime = net::runtime()?;
        let handle = runtime.handle().clone();
        let (out, pages) = channel(WAITING);
        let thread = std::thread::Builder::new().name("http".to_owned());
        thread
            .spawn(move || {
                runtime.block_on(drive(client, spec, base, combinations, doubts, out));
                drop(server);
            })
            .map_err(cannot)?;
        Ok(Flight { pages, handle })
    }

    /// The next page; none at the end, or after an error.
    pub(crate) fn next(&mut self) -> Option<Result<Items>> {
        self.handle.block_on(self.pages.next())
    }
}

/// Keeps as many combinations in flight as the source says, and hands on the pages of the first.
async fn drive(
    client: Arc<Client>,
    spec: Arc<HttpSpec>,
    base: Url,
    combinations: Vec<Combination>,
    doubts: Doubts,
    mut out: Sender<Result<Items>>,
) {
    let mut waiting = combinations.into_iter();
    let mut open = VecDeque::new();
    let proof = Arc::new(Proof::default());
    loop {
        let free = spec.parallel.saturating_sub(open.len());
        for combination in waiting.by_ref().take(free) {
            let (sender, receiver) = channel(WAITING);
            let walk = walk(client.clone(), spec.clone(), base.clone(), combination, proof.clone(), sender);
            open.push_back((receiver, tokio::spawn(walk)));
        }
        let Some((mut pages, task)) = open.pop_front() else {
            match proof.judge() {
                Ok(()) => {
                    proof.doubts().into_iter().chain(client.without_budget()).for_each(|doubt| doubts.add(doubt));
                }
                Err(error) => drop(out.send(Err(error)).await),
            }
            return;
        };
        while let Some(page) = pages.next().await {
            let failed = page.is_err();
            if out.send(page).await.is_err() || failed {
                return;
            }
        }
        if task.await.is_err() {
            let panicked =
                Error::cannot_run("reading pages panicked").hint("this is a defect of the tool; please report it");
            let _ = out.send(Err(panicked)).await;
            return;
        }
    }
}
