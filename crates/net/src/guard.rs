//! How connections to databases are encrypted, as their URLs say.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use spec::text::decoded;
use spec::{Error, Result, Root};

/// How the connection is encrypted.
#[derive(Clone, Debug, PartialEq)]
pub enum Guard {
    /// Not, even if the server could.
    Disable,
    /// If the server supports it; its identity is not checked.
    Prefer,
    /// Always; the server's identity is not checked.
    Require,
    /// Always, and the server must prove its name by a certificate that these roots (PEM) vouch for.
    VerifyFull { roots: PathBuf },
}

/// The parameters of a URL that say how the connection is encrypted, as written.
#[derive(Clone, Debug, Default)]
pub struct WrittenGuard {
    mode: Option<String>,
    roots: Option<String>,
}

impl WrittenGuard {
    /// What they mean. Paths count from `root`.
    pub fn checked(&self, root: &Root) -> Result<Guard> {
        Ok(match (self.mode.as_deref(), &self.roots) {
            (Some("verify-full"), Some(roots)) => Guard::VerifyFull { roots: root.join(roots) },
            (Some("verify-full"), None) => {
                return Err(Error::cannot_run("'url': sslmode=verify-full needs the certificates to trust")
                    .hint("add '&sslrootcert=FILE.pem'"));
            }
            (_, Some(_)) => {
                return Err(Error::cannot_run("'url': sslrootcert without sslmode=verify-full would check nothing")
                    .hint("write 'sslmode=verify-full', or leave 'sslrootcert' out"));
            }
            (None | Some("prefer"), None) => Guard::Prefer,
            (Some("disable"), None) => Guard::Disable,
            (Some("require"), None) => Guard::Require,
            (Some(_), None) => {
                return Err(
                    Error::cannot_run("'url': unknown sslmode").hint("write disable, prefer, require or verify-full")
                );
            }
        })
    }
}

impl Guard {
    /// The encryption of a connection that has this guard.
    pub fn encryption(&self) -> Result<ClientConfig> {
        let provider = Arc::new(ring::default_provider());
        let broken = |error: rustls::Error| Error::cannot_run(format!("cannot set up TLS: {error}"));
        let config = ClientConfig::builder_with_provider(provider.clone());
        let config = config.with_safe_default_protocol_versions().map_err(broken)?;
        let Guard::VerifyFull { roots } = self else {
            let anyone = config.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider)));
            return Ok(anyone.with_no_client_auth());
        };
        let unreadable = |why: String| {
            Error::cannot_run(format!("sslrootcert: {}: {why}", roots.display()))
                .hint("name a file of certificates in PEM")
        };
        let mut trusted = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(roots).map_err(|error| unreadable(error.to_string()))? {
            let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
            trusted.add(certificate).map_err(|error| unreadable(error.to_string()))?;
        }
        match trusted.is_empty() {
            true => Err(unreadable("it holds no certificate".to_owned())),
            false => Ok(config.with_root_certificates(trusted).with_no_client_auth()),
        }
    }
}

/// Takes every certificate, as `sslmode=require` means it: encrypted, but without checking who is on the other side.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The URL without the parameters that the driver does not know in full, and these: `sslmode` and `sslrootcert`.
pub fn without_guard(url: &str) -> (String, WrittenGuard) {
    let Some((bare, parameters)) = url.split_once('?') else {
        return (url.to_owned(), WrittenGuard::default());
    };
    let (mut mode, mut roots, mut others) = (None, None, Vec::new());
    for parameter in parameters.split('&') {
        match parameter.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value.to_owned()),
            Some(("sslrootcert", value)) => roots = Some(decoded(value)),
            _ => others.push(parameter),
        }
    }
    let url = if others.is_empty() { bare.to_owned() } else { format!("{bare}?{}", others.join("&")) };
    (url, WrittenGuard { mode, roots })
}
