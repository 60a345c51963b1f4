//! A certificate authority that lives as long as the demo: keys and certificates are made in memory at
//! the start and nothing of it is kept. Who trusts it is the caller's matter.

use std::io;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};
use tokio_rustls::TlsAcceptor;

/// What a server certificate is valid for: every way to name this machine.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// How long ago a certificate became valid: more than any two clocks of one machine differ.
const BEGUN: Duration = Duration::days(30);
/// How long a current certificate is still valid: the common lifetime of public ones, so that a check
/// of the days left has something to see.
const LEFT: Duration = Duration::days(90);

/// Whether a server certificate is still good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Validity {
    /// Valid for another 90 days.
    Current,
    /// Past its last day since yesterday, and in order otherwise.
    Expired,
}

/// The authority: a self-signed certificate and its ECDSA P-256 key.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    now: OffsetDateTime,
}

impl Authority {
    /// Makes a new authority.
    ///
    /// # Errors
    /// When the system's random numbers fail.
    pub(crate) fn new() -> io::Result<Self> {
        let now = OffsetDateTime::now_utc();
        let key = new_key()?;
        let mut params = params("bedcheck demo authority", &[], now + LEFT, now)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).map_err(io::Error::other)?.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            pem,
            now,
        })
    }

    /// The authority's certificate in PEM form, as a file of trusted authorities holds it. The key is
    /// not in it.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// A TLS server with a fresh certificate for `localhost`, `127.0.0.1` and `::1`.
    ///
    /// # Errors
    /// When the system's random numbers fail.
    pub(crate) fn acceptor(&self, validity: Validity) -> io::Result<TlsAcceptor> {
        let (certificate, key) = self.issue(validity)?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .map_err(io::Error::other)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    fn issue(&self, validity: Validity) -> io::Result<(CertificateDer<'static>, PrivateKeyDer<'static>)> {
        let not_after = match validity {
            Validity::Current => self.now + LEFT,
            Validity::Expired => self.now - Duration::DAY,
        };
        let mut params = params("bedcheck demo server", &NAMES, not_after, self.now)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = new_key()?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(io::Error::other)?;
        Ok((
            certificate.der().clone(),
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        ))
    }
}

fn new_key() -> io::Result<KeyPair> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(io::Error::other)
}

fn params(
    common_name: &str,
    names: &[&str],
    not_after: OffsetDateTime,
    now: OffsetDateTime,
) -> io::Result<CertificateParams> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = now - BEGUN;
    params.not_after = not_after;
    Ok(params)
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;
    use rustls::{CertificateError, Error};

    use super::*;
    use crate::demo::raw::{connector, handshake};

    #[tokio::test]
    async fn every_name_of_this_machine_is_certified() {
        let authority = Authority::new().unwrap();
        let acceptor = authority.acceptor(Validity::Current).unwrap();
        for name in NAMES {
            let name = ServerName::try_from(name).unwrap();
            handshake(&connector(authority.pem()), &acceptor, name)
                .await
                .unwrap();
        }
    }

    #[tokio::test]
    async fn other_names_are_not() {
        let authority = Authority::new().unwrap();
        let acceptor = authority.acceptor(Validity::Current).unwrap();
        let name = ServerName::try_from("mail.example.org").unwrap();
        let error = handshake(&connector(authority.pem()), &acceptor, name)
            .await
            .unwrap_err();
        assert!(
            matches!(
                &error,
                Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. })
            ),
            "{error:?}"
        );
    }

    #[tokio::test]
    async fn an_expired_certificate_is_in_order_but_for_its_last_day() {
        let authority = Authority::new().unwrap();
        let acceptor = authority.acceptor(Validity::Expired).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let error = handshake(&connector(authority.pem()), &acceptor, name)
            .await
            .unwrap_err();
        assert!(
            matches!(
                &error,
                Error::InvalidCertificate(CertificateError::ExpiredContext { .. })
            ),
            "{error:?}"
        );
    }

    #[tokio::test]
    async fn two_authorities_do_not_trust_each_other() {
        let acceptor = Authority::new().unwrap().acceptor(Validity::Current).unwrap();
        let other = Authority::new().unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let error = handshake(&connector(other.pem()), &acceptor, name)
            .await
            .unwrap_err();
        assert!(matches!(&error, Error::InvalidCertificate(_)), "{error:?}");
    }

    #[test]
    fn the_pem_holds_the_certificate_and_no_key() {
        let authority = Authority::new().unwrap();
        assert_eq!(authority.pem().matches("-----BEGIN").count(), 1);
        assert!(authority.pem().starts_with("-----BEGIN CERTIFICATE-----"));
    }
}
