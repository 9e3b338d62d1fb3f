//! The calls: look, list, read, put, replace.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use futures::TryStreamExt;
use object_store::path::Path as Key;
use object_store::{Error as StoreError, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, UpdateVersion};
use spec::{Environment, Error, Result, Scheme, Url};

use crate::connect::{Variables, connect, variables};
use crate::errors::{failed, names_no_bucket, no_bucket, no_object};
use crate::log::logged;
use crate::object::Object;
use crate::{upload, wait_for};

/// Access to all stores that the environment has credentials for. Cheap to make and to clone.
#[derive(Clone, Default)]
pub struct Cloud(Arc<Inner>);

#[derive(Default)]
struct Inner {
    variables: Variables,
    /// By scheme and bucket.
    open: Mutex<BTreeMap<(Scheme, String), Arc<dyn ObjectStore>>>,
}

/// Credentials are not shown.
impl std::fmt::Debug for Cloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cloud").finish_non_exhaustive()
    }
}

/// How far a list goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The objects in the folder itself.
    Folder,
    /// Those in folders below it too.
    All,
}

/// What happened to an object that was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    Sent,
    /// The same object was there already.
    There,
}

/// Which state of an object was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(UpdateVersion);

impl Cloud {
    /// Access with what `env` holds: see docs/object-stores.md for the variables.
    pub fn new(env: &Environment) -> Cloud {
        Cloud(Arc::new(Inner { variables: variables(env), open: Mutex::default() }))
    }

    /// What is known of an object without reading it; `None` if there is none.
    pub fn head(&self, url: &Url) -> Result<Option<Object>> {
        let (store, key) = self.reach(url)?;
        match wait_for(logged("head", url, 0, store.head(&key)))? {
            Ok(meta) => Ok(Some(self.object(url, store, meta))),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(url, &error)),
        }
    }

    /// As [`Cloud::head`], for an object that must be there: the error says whether it or its bucket is missing.
    pub fn find(&self, url: &Url) -> Result<Object> {
        match self.head(url)? {
            Some(object) => Ok(object),
            None => Err(self.missing(url)),
        }
    }

    /// The objects in the folder `url`, in the order of their keys.
    pub fn list(&self, url: &Url, depth: Depth) -> Result<Vec<Object>> {
        let (store, key) = self.reach(url)?;
        let prefix = (!key.as_ref().is_empty()).then_some(&key);
        let listed = async {
            match depth {
                Depth::Folder => Ok(store.list_with_delimiter(prefix).await?.objects),
                Depth::All => store.list(prefix).try_collect::<Vec<ObjectMeta>>().await,
            }
        };
        let mut found = match wait_for(logged("list", url, 0, listed))? {
            Ok(found) => found,
            Err(error @ StoreError::NotFound { .. }) if !names_no_bucket(&error.to_string()) => Vec::new(),
            Err(error) => return Err(failed(url, &error)),
        };
        found.sort_by(|a, b| a.location.cmp(&b.location));
        let object = |meta: ObjectMeta| self.object(&url.with_key(meta.location.as_ref()), store.clone(), meta);
        Ok(found.into_iter().map(object).collect())
    }

    /// The whole of a small object, and which state of it; `None` if there is none.
    pub fn read(&self, url: &Url) -> Result<Option<(Vec<u8>, Version)>> {
        let (store, key) = self.reach(url)?;
        let whole = async {
            let found = store.get(&key).await?;
            let version = UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
            Ok((found.bytes().await?.into(), Version(version)))
        };
        match wait_for(logged("get", url, 0, whole))? {
            Ok(found) => Ok(Some(found)),
            Err(error @ StoreError::NotFound { .. }) if !names_no_bucket(&error.to_string()) => Ok(None),
            Err(error) => Err(failed(url, &error)),
        }
    }

    /// Makes the object `url` of the file at `path`, unless it is there. An object of other content is an error:
    /// artifacts are never overwritten.
    pub fn put(&self, url: &Url, path: &Path) -> Result<Put> {
        let (store, key) = self.reach(url)?;
        upload::put(&store, &key, url, path)
    }

    /// Replaces the small object `url`, provided that it still is what was `read`: `None` if there was none. A store
    /// that cannot make this certain replaces it in any case.
    ///
    /// If another writer was faster, the error is worth another try. One that wrote the same has done what was asked for: it may have
    /// been we ourselves, by a try whose answer was lost.
    pub fn replace(&self, url: &Url, content: Vec<u8>, read: Option<&Version>) -> Result<Version> {
        let (store, key) = self.reach(url)?;
        let bytes = content.len() as u64;
        let mode = match read {
            Some(Version(version)) => PutMode::Update(version.clone()),
            None => PutMode::Create,
        };
        let put = async {
            match store.put_opts(&key, content.clone().into(), mode.into()).await {
                Err(StoreError::NotImplemented { .. } | StoreError::NotSupported { .. }) => {
                    store.put(&key, content.clone().into()).await
                }
                result => result,
            }
        };
        match wait_for(logged("replace", url, bytes, put))? {
            Ok(put) => Ok(Version(UpdateVersion { e_tag: put.e_tag, version: put.version })),
            Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => match self.read(url)? {
                Some((there, version)) if there == content => Ok(version),
                _ => Err(Error::try_again(format!("{url}: another machine replaced it meanwhile"))
                    .hint("run again: the next run sees its present content")),
            },
            Err(error) => Err(failed(url, &error)),
        }
    }

    /// Removes an object; one that is missing is removed already.
    pub fn remove(&self, url: &Url) -> Result<()> {
        let (store, key) = self.reach(url)?;
        match wait_for(logged("delete", url, 0, store.delete(&key)))? {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(url, &error)),
        }
    }

    /// Why the object cannot be read: it is missing, or its bucket is.
    pub fn missing(&self, url: &Url) -> Error {
        // A folder is not a bucket, and its list would begin at the root of the disk.
        if url.scheme() == Scheme::File {
            return no_object(url);
        }
        let Ok((store, _)) = self.reach(url) else { return no_object(url) };
        // A response without a body does not say it, and a key without the right to list learns nothing more.
        let first = async { store.list(None).try_next().await };
        match wait_for(first) {
            Ok(Err(error)) if names_no_bucket(&error.to_string()) => no_bucket(url),
            _ => no_object(url),
        }
    }

    fn object(&self, url: &Url, store: Arc<dyn ObjectStore>, meta: ObjectMeta) -> Object {
        Object { url: url.clone(), store, meta }
    }

    /// The bucket of `url`, connected to at its first use, and the key in it.
    fn reach(&self, url: &Url) -> Result<(Arc<dyn ObjectStore>, Key)> {
        let key = Key::parse(url.key())
            .map_err(|error| Error::cannot_run(format!("{url}: not a key: {error}")).hint("check the address"))?;
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = (url.scheme(), url.bucket().to_owned());
        if let Some(store) = open.get(&bucket) {
            return Ok((store.clone(), key));
        }
        let store = connect(url, &self.0.variables)?;
        open.insert(bucket, store.clone());
        Ok((store, key))
    }
}
