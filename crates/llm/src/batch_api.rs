//! The calls of OpenAI's Batch API, through async-openai. What can be repeated safely is repeated; the creation of a
//! batch is repeated only after the provider has said that there is none.

use std::time::Duration;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::middleware::ReqwestService;
use async_openai::traits::RequestOptionsBuilder;
use async_openai::types::batches::{Batch, BatchCompletionWindow, BatchEndpoint, BatchRequest, BatchStatus};
use async_openai::types::files::{CreateFileRequest, FileInput, FilePurpose};
use serde_json::Value;
use spec::{Error, Result};

use crate::client;
use crate::settings::{Limits, Provider};

/// The key of the metadata that holds our token.
const TOKEN: &str = "millrace_token";
/// Time for one file to be sent or fetched.
const FILE_TIMEOUT: Duration = Duration::from_secs(900);

/// The state of a batch.
pub(crate) enum BatchState {
    /// In this status.
    GoesOn(String),
    Ended(Ended),
}

/// A batch that has ended, in whole or in part.
pub(crate) struct Ended {
    pub status: String,
    pub output_file: Option<String>,
    pub error_file: Option<String>,
    /// Why it failed as a whole.
    pub failed: Option<String>,
}

/// The provider.
pub(crate) struct Api {
    client: Client<OpenAIConfig>,
    provider: Provider,
    limits: Limits,
}

impl Api {
    pub fn new(provider: &Provider, limits: &Limits) -> Result<Api> {
        let http = client::http()?;
        let config = OpenAIConfig::new().with_api_base(&provider.base_url).with_api_key(provider.key.expose());
        // Without async-openai's own repetition, which knows neither bounds nor jitter.
        let client = Client::build(http.clone(), config).with_http_service(ReqwestService::new(http));
        Ok(Api { client, provider: provider.clone(), limits: limits.clone() })
    }

    /// Uploads `lines` and makes a batch of them, under our `token`. Says the provider's id.
    pub async fn submit(&self, token: &str, time: &str, lines: String) -> Result<String> {
        let file = CreateFileRequest {
            file: FileInput::from_vec_u8("requests.jsonl".to_owned(), lines.into_bytes()),
            purpose: FilePurpose::Batch,
            expires_after: None,
        };
        let file = self
            .repeat("upload a file", FILE_TIMEOUT, || async { self.client.files().create(file.clone()).await })
            .await?;
        let mut tries = 0;
        loop {
            let request = BatchRequest {
                input_file_id: file.id.clone(),
                endpoint: BatchEndpoint::V1ChatCompletions,
                completion_window: BatchCompletionWindow::W24H,
                metadata: Some([(TOKEN.to_owned(), Value::from(token))].into()),
                output_expires_after: None,
            };
            match self.once(self.limits.timeout, self.client.batches().create(request)).await {
                Ok(batch) => return Ok(batch.id),
                Err(Failed::Final(error)) => return Err(error.context("cannot create a batch")),
                Err(Failed::Passing(why)) => {
                    // The answer may have been lost, not the request.
                    if let Some(id) = self.find(token, time).await? {
                        return Ok(id);
                    }
                    self.pause(&mut tries, "create a batch", &why).await?;
                }
            }
        }
    }

    /// The id of the batch with our `token`, which was meant to be created at `time` (RFC 3339).
    pub async fn find(&self, token: &str, time: &str) -> Result<Option<String>> {
        let meant = chrono::DateTime::parse_from_rfc3339(time).map_or(0, |time| time.timestamp());
        let mut after: Option<String> = None;
        loop {
            let mut query = vec![("limit", "100".to_owned())];
            query.extend(after.take().map(|id| ("after", id)));
            let page = self
                .repeat("list batches", self.limits.timeout, || async {
                    self.client.batches().query(&query)?.list().await
                })
                .await?;
            if let Some(batch) = page.data.iter().find(|batch| is_under(batch, token)) {
                return Ok(Some(batch.id.clone()));
            }
            // Newest first: beyond an hour before the intention (clocks differ) it cannot be.
            let Some(last) = page.data.last() else { return Ok(None) };
            if !page.has_more || (last.created_at as i64) < meant - 3600 {
                return Ok(None);
            }
            after = Some(last.id.clone());
        }
    }

    /// Whether the provider has the batch of this `id`, made under our `token`.
    pub async fn has(&self, id: &str, token: &str) -> Result<bool> {
        Ok(self.retrieve(id).await?.is_some_and(|batch| is_under(&batch, token)))
    }

    /// The batch of this `id`, if the provider has it.
    async fn retrieve(&self, id: &str) -> Result<Option<Batch>> {
        let retrieve = || async {
            match self.client.batches().retrieve(id).await {
                Err(OpenAIError::ApiError(error)) if error.status_code.as_u16() == 404 => Ok(None),
                found => found.map(Some),
            }
        };
        self.repeat("look at a batch", self.limits.timeout, retrieve).await
    }

    /// Looks at a batch. None if the provider does not have it.
    pub async fn look(&self, id: &str) -> Result<Option<BatchState>> {
        let Some(batch) = self.retrieve(id).await? else { return Ok(None) };
        let status = serde_json::to_value(&batch.status).ok();
        let status = status.and_then(|status| status.as_str().map(str::to_owned)).unwrap_or_default();
        Ok(Some(match batch.status {
            BatchStatus::Validating | BatchStatus::InProgress | BatchStatus::Finalizing | BatchStatus::Cancelling => {
                BatchState::GoesOn(status)
            }
            BatchStatus::Completed | BatchStatus::Expired | BatchStatus::Cancelled | BatchStatus::Failed => {
                let errors = batch.errors.unwrap_or_default().data;
                let failed = errors.iter().map(|error| error.message.clone()).collect::<Vec<_>>().join("; ");
                let failed = (batch.status == BatchStatus::Failed).then_some(failed);
                BatchState::Ended(Ended {
                    status,
                    output_file: batch.output_file_id,
                    error_file: batch.error_file_id,
                    failed,
                })
            }
        }))
    }

    /// A file's text.
    pub async fn content(&self, file: &str) -> Result<String> {
        let bytes =
            self.repeat("fetch a file", FILE_TIMEOUT, || async { self.client.files().content(file).await }).await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn repeat<T, F>(&self, doing: &str, timeout: Duration, run: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = Result<T, OpenAIError>>,
    {
        let mut tries = 0;
        loop {
            match self.once(timeout, run()).await {
                Ok(done) => return Ok(done),
                Err(Failed::Final(error)) => return Err(error.context(format!("cannot {doing}"))),
                Err(Failed::Passing(why)) => self.pause(&mut tries, doing, &why).await?,
            }
        }
    }

    async fn pause(&self, tries: &mut u32, doing: &str, why: &str) -> Result<()> {
        if *tries >= self.limits.retries {
            return Err(Error::try_again(format!("provider '{}': cannot {doing}: {why}", self.provider.name))
                .hint("what was submitted is recorded; run again later"));
        }
        *tries += 1;
        tokio::time::sleep(self.limits.backoff().pause(*tries)).await;
        Ok(())
    }

    async fn once<T>(&self, timeout: Duration, run: impl Future<Output = Result<T, OpenAIError>>) -> Result<T, Failed> {
        match tokio::time::timeout(timeout, run).await {
            Err(_) => Err(Failed::Passing("no answer in time".to_owned())),
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(self.failed(error)),
        }
    }

    fn failed(&self, error: OpenAIError) -> Failed {
        match error {
            OpenAIError::ApiError(error) => {
                let (status, words) = (error.status_code.as_u16(), error.api_error.message);
                let name = &self.provider.name;
                match status {
                    408 | 409 | 429 | 500.. => Failed::Passing(format!("the server says {status}")),
                    401 | 403 => {
                        let variable = self.provider.variable.as_deref().unwrap_or("no variable");
                        Failed::Final(Error::cannot_run(format!(
                            "provider '{name}': the server rejects the key ({status}); the key comes from {variable}"
                        )))
                    }
                    _ => Failed::Final(Error::cannot_run(format!("provider '{name}': {words} ({status})"))),
                }
            }
            OpenAIError::Reqwest(error) => Failed::Passing(error.without_url().to_string()),
            // Busy servers may answer with a page that is not JSON.
            OpenAIError::JSONDeserialize(error, _) => {
                Failed::Passing(format!("an answer that cannot be read: {error}"))
            }
            other => Failed::Final(Error::cannot_run(format!("provider '{}': {other}", self.provider.name))),
        }
    }
}

fn is_under(batch: &Batch, token: &str) -> bool {
    let metadata = batch.metadata.as_ref().and_then(|metadata| serde_json::to_value(metadata).ok());
    metadata.is_some_and(|metadata| metadata[TOKEN] == token)
}

enum Failed {
    Passing(String),
    Final(Error),
}
