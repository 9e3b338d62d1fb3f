//! Connections to a server, encrypted as the URL says, and its errors in our words.

use std::error::Error as _;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use spec::{Error, Result};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::address::{Address, Guard};

/// Connects. The connection lives on the current runtime until the client is dropped.
pub async fn connect(address: &Address) -> Result<Client> {
    let tls = MakeRustlsConnect::new(encryption(&address.guard)?);
    let (client, connection) = address.config.connect(tls).await.map_err(|error| in_words(&error, "url"))?;
    // Its errors come out of the client's calls.
    tokio::spawn(async move { drop(connection.await) });
    Ok(client)
}

fn encryption(guard: &Guard) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let broken = |error: rustls::Error| Error::cannot_run(format!("cannot set up TLS: {error}"));
    let config = ClientConfig::builder_with_provider(provider.clone());
    let config = config.with_safe_default_protocol_versions().map_err(broken)?;
    let Guard::VerifyFull { roots } = guard else {
        let anyone = config.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider)));
        return Ok(anyone.with_no_client_auth());
    };
    let unreadable = |why: String| {
        Error::cannot_run(format!("sslrootcert: {}: {why}", roots.display())).hint("name a file of certificates in PEM")
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

/// Takes every certificate, as `sslmode=require` means it: encrypted, but with nobody known on the other side.
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

/// `key`: where in the spec to look first.
pub fn in_words(error: &tokio_postgres::Error, key: &str) -> Error {
    let Some(said) = error.as_db_error() else { return of_connection(error) };
    let passing = [
        SqlState::TOO_MANY_CONNECTIONS,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::LOCK_NOT_AVAILABLE,
    ];
    let text = said.message();
    if *said.code() == SqlState::QUERY_CANCELED {
        return Error::try_again(text).hint("run again when the server is less busy, or raise 'timeout_seconds'");
    }
    if passing.contains(said.code()) || said.code().code().starts_with("53") {
        return Error::try_again(text).hint("run again later");
    }
    let hint = match (said.hint(), said.code().code()) {
        (Some(hint), _) => hint.to_owned(),
        (None, code) if code.starts_with("28") => "check user and password in 'url'".to_owned(),
        (None, "3D000") => "check the database in 'url'".to_owned(),
        (None, "42501") => "let an administrator grant SELECT to this user".to_owned(),
        (None, _) => format!("check '{key}'"),
    };
    Error::cannot_run(text).hint(hint)
}

/// An error that the server did not say.
fn of_connection(error: &tokio_postgres::Error) -> Error {
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    let text = error.to_string();
    if text.starts_with("error performing TLS handshake") {
        return Error::cannot_run(format!("no encrypted connection: {cause}"))
            .hint("check 'sslmode' and 'sslrootcert' in 'url', and the server's certificate");
    }
    if text.starts_with("error connecting to server") || text.starts_with("timeout waiting") {
        return Error::try_again(format!("cannot be reached: {}", if cause.is_empty() { &text } else { &cause }))
            .hint("run again when the server is up; if it is, check host and port in 'url'");
    }
    if error.is_closed() || text.starts_with("error communicating with the server") {
        return Error::try_again("the connection was lost").hint("run again; nothing was published");
    }
    match text.contains("invalid configuration") || text.contains("authentication") {
        true => Error::cannot_run(text).hint("check user and password in 'url'"),
        false => Error::cannot_run(text),
    }
}
