//! Makes an object of a file: at once if it is small, else in parts. What is there already stays.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use futures::TryStreamExt;
use futures::stream::FuturesUnordered;
use object_store::path::Path as Key;
use object_store::{Error as StoreError, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode};
use spec::{Error, Result, Url};

use crate::cloud::Put;
use crate::errors::failed;
use crate::log::logged;
use crate::object::Object;
use crate::{AT_ONCE, PART, wait_for};

/// S3 takes at most 10,000 parts.
const MOST_PARTS: u64 = 9_000;
/// The end of an artifact holds its evidence with the id of its run: equal ends of equal length are equal artifacts.
const TAIL: u64 = 64 << 10;

pub(crate) fn put(store: &Arc<dyn ObjectStore>, key: &Key, url: &Url, path: &Path) -> Result<Put> {
    let mut file = File::open(path).map_err(|error| Error::io("read", path, &error))?;
    let size = file.metadata().map_err(|error| Error::io("read", path, &error))?.len();
    if size <= PART {
        let mut bytes = Vec::with_capacity(size as usize);
        file.read_to_end(&mut bytes).map_err(|error| Error::io("read", path, &error))?;
        let create = store.put_opts(key, bytes.clone().into(), PutMode::Create.into());
        match wait_for(logged("put", url, size, create))? {
            Ok(_) => return Ok(Put::Sent),
            Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => {}
            Err(StoreError::NotImplemented { .. } | StoreError::NotSupported { .. }) => {
                if there(store, key, url)?.is_none() {
                    let put = logged("put", url, size, store.put(key, bytes.into()));
                    return wait_for(put)?.map(|_| Put::Sent).map_err(|error| failed(url, &error));
                }
            }
            Err(error) => return Err(failed(url, &error)),
        }
    }
    match there(store, key, url)? {
        Some(object) => same(&object, &mut file, size, path),
        // No store makes an upload in parts depend on what is there: that was asked before.
        None => in_parts(store, key, url, file, size, path).map(|()| Put::Sent),
    }
}

fn there(store: &Arc<dyn ObjectStore>, key: &Key, url: &Url) -> Result<Option<Object>> {
    match wait_for(logged("head", url, 0, store.head(key)))? {
        Ok(meta) => Ok(Some(Object { url: url.clone(), store: store.clone(), meta })),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(failed(url, &error)),
    }
}

/// What the error says if an object of other content has the name already.
pub const NAME_IS_TAKEN: &str = "another object of this name exists already";

fn same(object: &Object, file: &mut File, size: u64, path: &Path) -> Result<Put> {
    let length = size.min(TAIL);
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(size - length))
        .and_then(|_| file.read_to_end(&mut tail))
        .map_err(|error| Error::io("read", path, &error))?;
    if object.size() == size && (length == 0 || wait_for(object.part(size - length..size))?? == tail) {
        return Ok(Put::There);
    }
    Err(Error::try_again(format!("{}: {NAME_IS_TAKEN}", object.url())).hint(
        "another machine wrote it in the same second, or millrace did not write it; run again with --force for a \
         new name",
    ))
}

fn in_parts(store: &Arc<dyn ObjectStore>, key: &Key, url: &Url, file: File, size: u64, path: &Path) -> Result<()> {
    let length = PART.max(size.div_ceil(MOST_PARTS));
    wait_for(async {
        let begun = logged("begin parts of", url, 0, store.put_multipart(key)).await;
        let mut upload = begun.map_err(|error| failed(url, &error))?;
        let sent = match parts(upload.as_mut(), url, file, length, path).await {
            Ok(()) => {
                let complete = logged("complete parts of", url, size, upload.complete()).await;
                complete.map(|_| ()).map_err(|error| failed(url, &error))
            }
            Err(error) => Err(error),
        };
        if sent.is_err() {
            // The cause is reported, not that its parts could not be removed: the bucket's own rule does it later.
            let _ = logged("abort parts of", url, 0, upload.abort()).await;
        }
        sent
    })?
}

async fn parts(upload: &mut dyn MultipartUpload, url: &Url, file: File, length: u64, path: &Path) -> Result<()> {
    let mut under_way = FuturesUnordered::new();
    loop {
        let mut part = Vec::new();
        (&file).take(length).read_to_end(&mut part).map_err(|error| Error::io("read", path, &error))?;
        if part.is_empty() {
            break;
        }
        if under_way.len() == AT_ONCE {
            under_way.try_next().await.map_err(|error| failed(url, &error))?;
        }
        under_way.push(logged("put part of", url, part.len() as u64, upload.put_part(part.into())));
    }
    while under_way.try_next().await.map_err(|error| failed(url, &error))?.is_some() {}
    Ok(())
}
