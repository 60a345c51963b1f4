//! How a peer's certificate is seen and judged in a handshake.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Certificate;
use super::roots::system_roots;

/// By what a peer may sign whose signature is not looked at, besides what can be verified: a server that has a key for
/// nothing else would not answer.
const UNVERIFIED: [SignatureScheme; 4] = [
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::ED448,
    SignatureScheme::RSA_PKCS1_SHA1,
    SignatureScheme::ECDSA_SHA1_Legacy,
];

/// Whose certificate is accepted.
#[derive(Debug)]
pub(super) enum Judge {
    /// One that leads to an authority that the system trusts; those are read when the first certificate is judged.
    System(OnceLock<Arc<WebPkiServerVerifier>>),
    /// One that leads to an authority of a file, or stands in the file itself: a certificate that has signed
    /// itself is its own authority, which chains of certificates have no place for.
    File {
        trusted: Vec<CertificateDer<'static>>,
        chains: Arc<WebPkiServerVerifier>,
    },
    /// Anybody's. What nobody has vouched for proves nothing by its signature either: that is not looked at, so that
    /// certificates are accepted of which the library could not make use.
    Lenient,
}

impl Judge {
    /// One whose authorities are the system's.
    pub(super) fn system() -> Self {
        Self::System(OnceLock::new())
    }

    /// Whether nobody is refused.
    pub(super) fn is_lenient(&self) -> bool {
        matches!(self, Self::Lenient)
    }

    /// Whether the system's authorities are still to be read.
    pub(super) fn needs_system_roots(&self) -> bool {
        matches!(self, Self::System(chains) if chains.get().is_none())
    }
}

/// What holds chains of certificates against these authorities.
pub(super) fn chains_to(
    roots: Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, rustls::Error> {
    WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider))
        .build()
        .map_err(|error| rustls::Error::General(format!("the trusted certificates cannot be used: {error}")))
}

/// Verifies the peer of one handshake: has its certificate judged, and remembers it whatever becomes of it,
/// for of one that is refused, its dates and names are what the operator needs. Whoever is judged must hold the
/// certificate's key.
#[derive(Debug)]
pub(super) struct Witness {
    judge: Arc<Judge>,
    provider: Arc<CryptoProvider>,
    shown: Mutex<Option<CertificateDer<'static>>>,
}

impl Witness {
    pub(super) fn new(judge: Arc<Judge>, provider: Arc<CryptoProvider>) -> Self {
        Self {
            judge,
            provider,
            shown: Mutex::new(None),
        }
    }

    /// The certificate, if one was shown.
    pub(super) fn shown(&self) -> Option<Certificate> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.as_ref().map(Certificate::read)
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown = end_entity.clone().into_owned();
        self.shown
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(shown);
        match &*self.judge {
            Judge::Lenient => Ok(ServerCertVerified::assertion()),
            Judge::File { trusted, .. } if trusted.iter().any(|trusted| trusted == end_entity) => {
                verify_dates(end_entity, now)?;
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            Judge::File { chains, .. } => {
                chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            Judge::System(chains) => {
                let chains = match chains.get() {
                    Some(chains) => chains,
                    None => {
                        let read = chains_to(system_roots(), &self.provider)?;
                        chains.get_or_init(|| read)
                    }
                };
                chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if self.judge.is_lenient() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if self.judge.is_lenient() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let verified = self
            .provider
            .signature_verification_algorithms
            .supported_schemes();
        match self.judge.is_lenient() {
            true => [verified.as_slice(), &UNVERIFIED].concat(),
            false => verified,
        }
    }
}

/// Holds a certificate's dates against the clock (RFC 5280 section 4.1.2.5).
fn verify_dates(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), rustls::Error> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let moment = |seconds: i64| {
        UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds.max(0).unsigned_abs()))
    };
    let (not_before, not_after) = (
        moment(parsed.validity().not_before.timestamp()),
        moment(parsed.validity().not_after.timestamp()),
    );
    if now < not_before {
        return Err(CertificateError::NotValidYetContext {
            time: now,
            not_before,
        }
        .into());
    }
    if now > not_after {
        return Err(CertificateError::ExpiredContext { time: now, not_after }.into());
    }
    Ok(())
}
