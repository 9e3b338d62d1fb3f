//! TLS by certificate files. A renewed certificate is taken while the server runs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use spec::{Error, Result};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use x509_cert::der::Decode;

/// The certificate that clients are shown, and the files that it comes from.
#[derive(Debug)]
pub struct Certificates {
    chain: PathBuf,
    key: PathBuf,
    current: RwLock<Loaded>,
    looks: Mutex<Looks>,
}

#[derive(Clone, Debug)]
struct Loaded {
    key: Arc<CertifiedKey>,
    /// The end of its validity.
    expires: SystemTime,
}

/// What the files looked like: their times and sizes.
type Seen = [Option<(SystemTime, u64)>; 2];

#[derive(Debug)]
struct Looks {
    /// When they were read, or tried to be.
    read: Seen,
    last: Seen,
}

impl Certificates {
    /// Reads a certificate chain and its key, as PEM files.
    ///
    /// Errors: a file that cannot be read or holds something else; a key of another certificate; a certificate that is not
    /// valid now.
    pub fn open(chain: &Path, key: &Path) -> Result<Certificates> {
        let seen = seen(chain, key);
        let current = RwLock::new(load(chain, key, SystemTime::now())?);
        let looks = Mutex::new(Looks { read: seen, last: seen });
        Ok(Certificates { chain: chain.to_owned(), key: key.to_owned(), current, looks })
    }

    /// Takes renewed files. While they change nothing happens: the two are not replaced at the same time. What cannot be taken
    /// is reported once, and the certificate before stays.
    pub fn refresh(&self) {
        let now = seen(&self.chain, &self.key);
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let is_still = std::mem::replace(&mut looks.last, now) == now;
        if !is_still || looks.read == now {
            return;
        }
        looks.read = now;
        match load(&self.chain, &self.key, SystemTime::now()) {
            Ok(loaded) => {
                tracing::info!("serve: uses the new certificate in {}", self.chain.display());
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = loaded;
            }
            Err(error) => tracing::error!("serve: the previous certificate is still used: {error}"),
        }
    }

    /// The file that the certificate comes from.
    pub fn file(&self) -> &Path {
        &self.chain
    }

    /// For how long the certificate is still valid; zero afterwards.
    pub fn valid_for(&self) -> Duration {
        let expires = self.current.read().unwrap_or_else(PoisonError::into_inner).expires;
        expires.duration_since(SystemTime::now()).unwrap_or_default()
    }

    /// What greets clients with this certificate.
    pub fn acceptor(self: &Arc<Certificates>) -> Result<TlsAcceptor> {
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::cannot_run(format!("TLS: {error}")))?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).key.clone())
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn seen(chain: &Path, key: &Path) -> Seen {
    [chain, key].map(|file| {
        let meta = std::fs::metadata(file).ok()?;
        Some((meta.modified().ok()?, meta.len()))
    })
}

fn load(chain: &Path, key: &Path, now: SystemTime) -> Result<Loaded> {
    let wrong = |path: &Path, what: &str| {
        Error::cannot_run(format!("{}: {what}", path.display())).hint("give PEM files with --certificate and --key")
    };
    let read = |path: &Path| std::fs::read(path).map_err(|error| Error::io("read", path, &error));
    let pem = read(chain)?;
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem)
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| wrong(chain, "not a chain of certificates"))?;
    let first = certificates.first().ok_or_else(|| wrong(chain, "it holds no certificate"))?;
    let expires = valid_until(first, chain, now)?;
    let key_der = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|_| wrong(key, "it holds no private key"))?;
    let certified = CertifiedKey::from_der(certificates, key_der, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            wrong(key, &format!("not the key of the certificate in {}", chain.display()))
        }
        _ => wrong(key, "a private key of a kind that is not supported; use RSA, ECDSA or Ed25519"),
    })?;
    Ok(Loaded { key: Arc::new(certified), expires })
}

/// The end of the certificate's validity.
///
/// Errors: `now` is not within it.
fn valid_until(certificate: &CertificateDer<'_>, file: &Path, now: SystemTime) -> Result<SystemTime> {
    let unreadable = || {
        Error::cannot_run(format!("{}: not a certificate that can be read", file.display()))
            .hint("give the certificate of the server first, then those that signed it")
    };
    let parsed = x509_cert::Certificate::from_der(certificate).map_err(|_| unreadable())?;
    let validity = parsed.tbs_certificate.validity;
    let [begins, ends] = [validity.not_before, validity.not_after].map(|time| UNIX_EPOCH + time.to_unix_duration());
    let day = |time: SystemTime| chrono::DateTime::<chrono::Utc>::from(time).format("%Y-%m-%d %H:%M UTC").to_string();
    let error = match (now < begins, now >= ends) {
        (true, _) => {
            Error::cannot_run(format!("{}: the certificate is valid only from {}", file.display(), day(begins)))
                .hint("check the clock of this machine, or use another certificate")
        }
        (_, true) => Error::cannot_run(format!("{}: the certificate expired on {}", file.display(), day(ends)))
            .hint("renew it: no client accepts it"),
        _ => return Ok(ends),
    };
    Err(error)
}
