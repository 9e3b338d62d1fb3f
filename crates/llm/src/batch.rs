//! OpenAI's Batch API: the same questions at half the price, answered within a day.
//!
//! One run does as much as it can and may end at any time: the manifest in the ledger (`batches`, `batch_items`)
//! says what was submitted, and the next run continues from there. One row travels in each line, whatever `batch_rows`
//! says. Only the task's first model is asked.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use spec::{Error, Result};

use crate::Input;
use crate::answer;
use crate::batch_api::{Api, BatchState, Ended};
use crate::canonical;
use crate::client;
use crate::engine;
use crate::ledger::{self, Batch, BatchKey, Entry, Item, Key, Ledger, Spend, owner};
use crate::outcome::{FailureKind, Outcome, Progress, RunReport, Stop, Watch};
use crate::settings::{Model, Settings};
use crate::task::TaskFile;
use crate::tokens;
use crate::worklist::Worklist;

/// Most requests of one batch, and most bytes of its file: OpenAI's limits are 50,000 and 200 MB.
const MOST_LINES: usize = 50_000;
const MOST_BYTES: usize = 190_000_000;
/// What expired is submitted again at most so often in one run.
const ROUNDS: usize = 3;
/// The first pause between two looks at a batch, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Asks by batch for what the ledger does not know, and collects what earlier batches brought.
///
/// `wait` is how long this run looks after its batches before it leaves them to the next run; then
/// [`RunReport::try_again`] says which batches are open.
///
/// # Errors
/// Cannot run: a key that is refused, a ledger that cannot be written, a file that the provider does not accept.
/// Try again: the provider cannot be reached.
pub fn batch(
    task: &TaskFile,
    inputs: &[Input],
    settings: &Settings,
    ledger: &Ledger,
    watch: &dyn Watch,
    wait: Duration,
) -> Result<RunReport> {
    let mut worklist = Worklist::new(task, inputs, settings, ledger)?;
    if worklist.open().is_empty() {
        return Ok(worklist.finish(None));
    }
    if !worklist.models[0].provider.is_configured() {
        let provider = worklist.models[0].provider.name.clone();
        return Ok(worklist.finish(Some(Stop::NotConfigured(format!("provider '{provider}' has no key")))));
    }
    engine::need_prices(&worklist.models[..1], settings)?;
    let model = worklist.models[0].clone();
    let batch_key = BatchKey {
        task: task.name().to_owned(),
        model: model.wire_name.clone(),
        provider: model.provider.name.clone(),
        prompt: task.prompt_hash().to_owned(),
    };
    let by_key = worklist.units.iter().enumerate().map(|(at, unit)| (unit.keys[0], at)).collect();
    let apis = HashMap::from([(batch_key.provider.clone(), Api::new(&model.provider, &settings.limits)?)]);
    let mut run = Run {
        task,
        settings,
        ledger,
        apis,
        model,
        batch_key,
        by_key,
        owner: owner(),
        failed: HashMap::new(),
        lost: HashSet::new(),
    };
    let stopped =
        net::block_on(run.all(&mut worklist, watch, wait)).map_err(|error| engine::redacted(error, settings))?;
    Ok(worklist.finish(stopped))
}

struct Run<'a> {
    task: &'a TaskFile,
    settings: &'a Settings,
    ledger: &'a Ledger,
    /// The servers that have batches, by the names of their providers.
    apis: HashMap<String, Api>,
    model: Model,
    batch_key: BatchKey,
    by_key: HashMap<Key, usize>,
    owner: String,
    failed: HashMap<Key, String>,
    lost: HashSet<Key>,
}

impl Run<'_> {
    async fn all(&mut self, worklist: &mut Worklist, watch: &dyn Watch, wait: Duration) -> Result<Option<Stop>> {
        let begun = Instant::now();
        let mut stop = None;
        self.find_providers(worklist).await?;
        self.find_intended(worklist).await?;
        for round in 0..ROUNDS {
            if round > 0 && (watch.cancelled() || stop.is_some()) {
                break;
            }
            stop = self.submit(worklist).await?;
            let open = self.look_after(worklist, watch, begun, wait).await?;
            if !open.is_empty() {
                let names: Vec<&str> = open.iter().map(|batch| batch.id.as_deref().unwrap_or(&batch.token)).collect();
                return Ok(Some(Stop::InBatch(format!("they wait in {}", names.join(", ")))));
            }
            if worklist.open().is_empty() {
                break;
            }
        }
        for unit in worklist.units.iter_mut().filter(|unit| unit.outcome.is_none() && self.lost.contains(&unit.keys[0]))
        {
            unit.outcome = Some(Outcome::failed(FailureKind::Unasked, "its batch ended before it was answered"));
        }
        Ok(stop.or_else(|| watch.cancelled().then_some(Stop::Cancelled)))
    }

    /// The batches that are not collected: those of this task, and others in which inputs of this run wait.
    fn open_batches(&self, worklist: &Worklist) -> Result<Vec<Batch>> {
        let keys: Vec<Key> = worklist.open().into_iter().map(|unit| worklist.units[unit].keys[0]).collect();
        self.ledger.open_batches(&self.batch_key, &keys, &self.owner)
    }

    /// Connects to the providers of all open batches. One whose name is gone from `llm.yaml` may have another name now: it is this
    /// task's provider, if that has the batch.
    async fn find_providers(&mut self, worklist: &Worklist) -> Result<()> {
        for batch in self.open_batches(worklist)? {
            let name = &batch.batch_key.provider;
            if self.apis.contains_key(name) {
                continue;
            }
            if let Some(provider) = self.settings.provider(name) {
                self.apis.insert(name.clone(), Api::new(provider, &self.settings.limits)?);
                continue;
            }
            let here = self.api(&self.batch_key.provider)?;
            let found = match &batch.id {
                Some(id) => here.has(id, &batch.token).await?,
                None => here.find(&batch.token, &batch.time).await?.is_some(),
            };
            if !found {
                return Err(self.lost_batch(
                    &batch,
                    format!(
                        "waits at provider '{name}', which llm.yaml does not name any more, and provider '{}' does not \
                         have it",
                        self.batch_key.provider
                    ),
                    format!("write '{name}' back under providers until the batch is collected"),
                ));
            }
            self.ledger.moved(&batch.token, &self.batch_key.provider)?;
        }
        Ok(())
    }

    /// The server of this provider.
    fn api(&self, provider: &str) -> Result<&Api> {
        self.apis.get(provider).ok_or_else(|| Error::cannot_run(format!("there is no provider '{provider}'")))
    }

    /// A batch whose answers cannot be had.
    fn lost_batch(&self, batch: &Batch, why: String, way_out: String) -> Error {
        let Batch { token, id, .. } = batch;
        Error::cannot_run(format!("batch {} {why}", id.as_deref().unwrap_or(token))).hint(format!(
            "{way_out}; or give the batch up, so that its inputs are asked, and paid, again: sqlite3 {} \"DELETE FROM batches WHERE \
             token = '{token}'\"",
            self.ledger.path().display()
        ))
    }

    /// A run that was killed between intention and record: the provider knows whether the batch exists.
    async fn find_intended(&self, worklist: &Worklist) -> Result<()> {
        for batch in self.open_batches(worklist)?.iter().filter(|batch| batch.id.is_none()) {
            match self.api(&batch.batch_key.provider)?.find(&batch.token, &batch.time).await? {
                Some(id) => self.ledger.submitted(&batch.token, &id)?,
                None => self.ledger.abandon(&batch.token)?,
            }
        }
        Ok(())
    }

    /// Submits what is open, in as many batches as it takes and as the day's caps allow.
    async fn submit(&self, worklist: &Worklist) -> Result<Option<Stop>> {
        let mut open: Vec<usize> = worklist.open();
        let mut stop = None;
        while !open.is_empty() && stop.is_none() {
            let (mut items, mut lines, mut bytes) = (Vec::new(), Vec::new(), 0);
            while let Some(unit) = open.last().copied() {
                let unit = &worklist.units[unit];
                let messages = self.task.conversation(&unit.rendered);
                let line = json!({
                    "custom_id": hex(&unit.keys[0]), "method": "POST", "url": "/v1/chat/completions",
                    "body": client::body(self.task, &self.model, &messages, 1),
                })
                .to_string();
                if lines.len() >= MOST_LINES || bytes + line.len() > MOST_BYTES {
                    break;
                }
                open.pop();
                bytes += line.len() + 1;
                let item = Item { key: unit.keys[0], input: unit.input.clone() };
                items.push((item, self.expect(&messages)));
                lines.push(line);
            }
            if items.is_empty() {
                break;
            }
            let token = token(&self.owner, &items);
            let (taken, cap) =
                self.ledger.intend(&self.batch_key, &token, &self.owner, &items, &self.settings.daily)?;
            stop = cap.map(Stop::cap);
            let lines: Vec<&str> =
                lines.iter().zip(taken).filter(|(_, ours)| *ours).map(|(line, _)| line.as_str()).collect();
            if lines.is_empty() {
                continue;
            }
            let time = ledger::now_text();
            match self.api(&self.batch_key.provider)?.submit(&token, &time, lines.join("\n") + "\n").await {
                Ok(id) => self.ledger.submitted(&token, &id)?,
                Err(error) => {
                    self.ledger.let_go(&token)?;
                    return Err(error);
                }
            }
        }
        Ok(stop)
    }

    fn expect(&self, messages: &[crate::prompt::Message]) -> Spend {
        let daily = &self.settings.daily;
        if daily.tokens.is_none() && daily.money.is_none() {
            return Spend { requests: 1, ..Spend::default() };
        }
        let tokens_in = tokens::of_messages(messages);
        let tokens_out = self.task.max_tokens().map_or(tokens_in, u64::from);
        let money = self.model.price.map_or(0.0, |price| price.of(tokens_in, tokens_out) * price.batch);
        Spend { requests: 1, tokens: tokens_in + tokens_out, money }
    }

    /// Looks at all open batches until they have ended, `wait` is over or the caller stops.
    async fn look_after(
        &mut self,
        worklist: &mut Worklist,
        watch: &dyn Watch,
        begun: Instant,
        wait: Duration,
    ) -> Result<Vec<Batch>> {
        let mut pause = FIRST_PAUSE;
        loop {
            let mut open = Vec::new();
            for batch in self.open_batches(worklist)? {
                let (Some(id), Some(api)) = (batch.id.clone(), self.apis.get(&batch.batch_key.provider)) else {
                    continue;
                };
                let Some(look) = api.look(&id).await? else {
                    return Err(self.lost_batch(
                        &batch,
                        format!("is not known at provider '{}' any more", batch.batch_key.provider),
                        "if the key belongs to another account, set the key with which it was submitted".to_owned(),
                    ));
                };
                match look {
                    BatchState::GoesOn(status) => {
                        self.ledger.batch_status(&batch.token, &status)?;
                        open.push(batch);
                    }
                    BatchState::Ended(ended) => self.collect(&batch, ended).await?,
                }
            }
            self.settle(worklist)?;
            watch.progress(&Progress {
                done: worklist.totals.distinct - worklist.open().len() as u64,
                total: worklist.totals.distinct,
                cost: worklist.totals.cost,
                per_second: 0.0,
            });
            let over = begun.elapsed() >= wait || watch.cancelled();
            if open.is_empty() || over {
                return Ok(open);
            }
            let until = Instant::now() + pause.min(wait.saturating_sub(begun.elapsed()));
            while Instant::now() < until && !watch.cancelled() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Reads what a batch brought, and keeps it.
    async fn collect(&mut self, batch: &Batch, ended: Ended) -> Result<()> {
        let items: HashMap<Key, Item> =
            self.ledger.batch_items(&batch.token)?.into_iter().map(|item| (item.key, item)).collect();
        let (mut answers, mut failed, mut spend) = (Vec::new(), Vec::new(), Spend::default());
        let api = self.api(&batch.batch_key.provider)?;
        for file in [&ended.output_file, &ended.error_file].into_iter().flatten() {
            for line in api.content(file).await?.lines() {
                let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
                let item = line["custom_id"].as_str().and_then(unhex).and_then(|key| items.get(&key));
                let Some(item) = item else { continue };
                match self.read(&batch.batch_key, item, &line, &mut spend) {
                    Some(Ok(entry)) => answers.push(entry),
                    Some(Err(reason)) => failed.push((item.key, self.settings.redact(&reason))),
                    None => {}
                }
            }
        }
        if answers.is_empty()
            && failed.is_empty()
            && let Some(reason) = &ended.failed
        {
            // Nothing was done; the items are free again for when the reason is gone.
            self.ledger.collect(&batch.token, &ended.status, &[], &[], spend)?;
            return Err(Error::cannot_run(format!("the provider does not accept the batch: {reason}")));
        }
        self.ledger.collect(&batch.token, &ended.status, &answers, &failed, spend)?;
        self.lost.extend(items.into_keys());
        self.failed.extend(failed);
        Ok(())
    }

    /// One line of an output or error file: an answer, a failure, or nothing if it was never tried, or if its schema is not known:
    /// that of a task that has changed since.
    fn read(
        &self,
        batch_key: &BatchKey,
        item: &Item,
        line: &Value,
        spend: &mut Spend,
    ) -> Option<Result<Entry, String>> {
        let response = &line["response"];
        if !response.is_object() {
            let (code, message) = (line["error"]["code"].as_str(), line["error"]["message"].as_str());
            let passing = matches!(code, Some("batch_expired" | "batch_cancelled"));
            return (!passing).then(|| Err(message.or(code).unwrap_or("no answer").to_owned()));
        }
        let status = response["status_code"].as_u64().unwrap_or(200);
        if status == 429 || status >= 500 {
            return None;
        }
        if status >= 300 {
            let words = response["body"]["error"]["message"].as_str().unwrap_or("rejected");
            return Some(Err(format!("the server rejects the request ({status}): {words}")));
        }
        let reply = match client::read(response["body"].to_string().as_bytes()) {
            Ok(reply) => reply,
            Err(reason) => return Some(Err(reason)),
        };
        let (tokens_in, tokens_out) = reply.tokens.unwrap_or_default();
        let cost = self.model.price.map(|price| price.of(tokens_in, tokens_out) * price.batch);
        *spend += Spend { requests: 0, tokens: tokens_in + tokens_out, money: cost.unwrap_or_default() };
        if batch_key.prompt != self.batch_key.prompt && !self.by_key.contains_key(&item.key) {
            return None;
        }
        if let Some(words) = reply.refusal {
            return Some(Err(format!("the model refuses: {words}")));
        }
        if let Some(reason @ ("length" | "content_filter")) = reply.finish_reason.as_deref() {
            return Some(Err(format!("the answer was cut short: {reason}")));
        }
        let values = match answer::of_one(&reply.content, self.task.schema()) {
            Ok(values) => values,
            Err(reason) => return Some(Err(reason)),
        };
        Some(Ok(Entry {
            key: item.key,
            time: ledger::now(),
            task: batch_key.task.clone(),
            model: batch_key.model.clone(),
            provider: batch_key.provider.clone(),
            prompt: batch_key.prompt.clone(),
            input: item.input.clone(),
            answer: canonical::text(&Value::Object(values)),
            tokens_in,
            tokens_out,
            cost,
            latency: Duration::ZERO,
            request_id: reply.request_id,
        }))
    }

    /// Takes what is in the ledger by now, also from other runs.
    fn settle(&mut self, worklist: &mut Worklist) -> Result<()> {
        let open = worklist.open();
        let keys: Vec<Key> = open.iter().map(|unit| worklist.units[*unit].keys[0]).collect();
        for (unit, known) in open.into_iter().zip(self.ledger.look_up(&keys)?) {
            if let Some(known) = known {
                worklist.settle_new(unit, 0, known);
            }
        }
        for (key, reason) in self.failed.drain() {
            if let Some(unit) = self.by_key.get(&key) {
                worklist.units[*unit].outcome = Some(Outcome::failed(FailureKind::Refused, reason));
            }
        }
        Ok(())
    }
}

/// A name for a batch that no other has.
fn token(owner: &str, items: &[(Item, Spend)]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(owner.as_bytes());
    hasher.update(ledger::now_text().as_bytes());
    for (item, _) in items {
        hasher.update(&item.key);
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

fn hex(key: &Key) -> String {
    blake3::Hash::from_bytes(*key).to_hex().to_string()
}

fn unhex(text: &str) -> Option<Key> {
    blake3::Hash::from_hex(text).ok().map(|hash| *hash.as_bytes())
}
