//! A certificate authority of the tests' own, and the certificates it issues: good ones and bad ones.
//! Keys are made anew for every authority, and everything is written as PEM into a folder that goes away with it.
//! How a server is told to use a certificate is that server's business.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};

/// The names of [`Certificates::valid`]: every way in which a test addresses a server on loopback.
pub const LOOPBACK_NAMES: [&str; 4] = ["localhost", "127.0.0.1", "127.0.0.2", "::1"];

/// The only name of [`Certificates::wrong_name`]; it can never resolve (RFC 6761, section 6.4).
pub const OTHER_NAME: &str = "other.invalid";

/// Days for which [`Certificates::valid`] stays valid: well past any warning threshold a test sets.
pub const VALID_DAYS: i64 = 90;

/// An authority which nothing trusts until it is told to, with the folder of what it issued.
#[derive(Debug)]
pub struct Certificates {
    directory: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    /// Makes a new authority. Two of them do not trust each other: the second is the "unknown issuer" of the
    /// first.
    ///
    /// # Panics
    ///
    /// When the temporary folder cannot be written.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "bedcheck test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key pair is generated from random numbers alone");
        let authority =
            CertifiedIssuer::self_signed(params, key).expect("the authority's parameters are constant");
        let directory = tempfile::tempdir()
            .unwrap_or_else(|error| panic!("no temporary folder for certificates: {error}"));
        let certificates = Self { directory, authority };
        write(&certificates.authority_file(), &certificates.authority.pem());
        certificates
    }

    /// The authority's own certificate, for a client (or a server that asks for client certificates) to trust.
    #[must_use]
    pub fn authority_file(&self) -> PathBuf {
        self.directory.path().join("authority.pem")
    }

    /// How a TLS client trusts this authority, and no other.
    #[must_use]
    pub fn client_config(&self) -> Arc<ClientConfig> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider has the suites of the default versions")
            .with_root_certificates(trust(self.authority.der()))
            .with_no_client_auth();
        Arc::new(config)
    }

    /// A server certificate with nothing wrong in it, for [`LOOPBACK_NAMES`].
    #[must_use]
    pub fn valid(&self) -> Identity {
        self.server("valid", &LOOPBACK_NAMES, -1, VALID_DAYS)
    }

    /// A server certificate which is valid for this many more days (whole ones, from now).
    #[must_use]
    pub fn valid_for_days(&self, days: i64) -> Identity {
        // An hour more, so that the number of whole days left is still the same when the test looks.
        let until = OffsetDateTime::now_utc() + Duration::days(days) + Duration::HOUR;
        let params = server_params(&LOOPBACK_NAMES);
        self.issue(
            &format!("valid-for-{days}-days"),
            params,
            OffsetDateTime::now_utc() - Duration::DAY,
            until,
        )
    }

    /// A server certificate which expired yesterday, and is otherwise right.
    #[must_use]
    pub fn expired(&self) -> Identity {
        self.server("expired", &LOOPBACK_NAMES, -30, -1)
    }

    /// A server certificate which is valid, but only for [`OTHER_NAME`].
    #[must_use]
    pub fn wrong_name(&self) -> Identity {
        self.server("wrong-name", &[OTHER_NAME], -1, VALID_DAYS)
    }

    /// A server certificate that signed itself and says it is an authority, as `openssl req -x509` makes them.
    ///
    /// # Panics
    ///
    /// When there are no random numbers, or the temporary folder is gone.
    #[must_use]
    pub fn self_signed(&self) -> Identity {
        let mut params = server_params(&LOOPBACK_NAMES);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.extended_key_usages.clear();
        let key = KeyPair::generate().expect("a key pair is generated from random numbers alone");
        let certificate = params
            .self_signed(&key)
            .expect("the parameters are made in this file");
        self.keep("self-signed", &certificate, certificate.der().clone(), &key)
    }

    /// A server certificate with nothing wrong in it, for these names; one with an `@` is a mail address.
    #[must_use]
    pub fn for_names(&self, names: &[&str]) -> Identity {
        let (mail, hosts): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| name.contains('@'));
        let mut params = server_params(&hosts);
        let mail = mail.into_iter().map(|name| {
            let name = name.try_into().expect("the names are constants in ASCII");
            SanType::Rfc822Name(name)
        });
        params.subject_alt_names.extend(mail);
        let now = OffsetDateTime::now_utc();
        self.issue(
            &names.join("-"),
            params,
            now - Duration::DAY,
            now + Duration::days(VALID_DAYS),
        )
    }

    /// A certificate of which a client has to understand what nobody does, shown by somebody who has not its key.
    #[must_use]
    pub fn of_no_use(&self) -> Identity {
        let mut params = server_params(&LOOPBACK_NAMES);
        let mut extension = CustomExtension::from_oid_content(&[2, 25, 1, 2, 3], vec![5, 0]);
        extension.set_criticality(true);
        params.custom_extensions.push(extension);
        let now = OffsetDateTime::now_utc();
        let (from, until) = (now - Duration::DAY, now + Duration::days(VALID_DAYS));
        Identity {
            key: self.self_signed().key,
            ..self.issue("of-no-use", params, from, until)
        }
    }

    /// A certificate to identify a client with.
    #[must_use]
    pub fn client(&self) -> Identity {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "bedcheck test client");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let now = OffsetDateTime::now_utc();
        self.issue(
            "client",
            params,
            now - Duration::DAY,
            now + Duration::days(VALID_DAYS),
        )
    }

    fn server(&self, file: &str, names: &[&str], from_day: i64, until_day: i64) -> Identity {
        let now = OffsetDateTime::now_utc();
        let (from, until) = (now + Duration::days(from_day), now + Duration::days(until_day));
        self.issue(file, server_params(names), from, until)
    }

    fn issue(
        &self,
        file: &str,
        mut params: CertificateParams,
        from: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Identity {
        params.not_before = from;
        params.not_after = until;
        let key = KeyPair::generate().expect("a key pair is generated from random numbers alone");
        let certificate = params
            .signed_by(&key, &self.authority)
            .expect("the parameters are made in this file");
        self.keep(file, &certificate, self.authority.der().clone(), &key)
    }

    fn keep(
        &self,
        file: &str,
        certificate: &Certificate,
        authority: CertificateDer<'static>,
        key: &KeyPair,
    ) -> Identity {
        let identity = Identity {
            certificate_file: self.directory.path().join(format!("{file}.pem")),
            key_file: self.directory.path().join(format!("{file}.key.pem")),
            authority,
            certificate: certificate.der().clone(),
            key: PrivatePkcs8KeyDer::from(key.serialize_der()),
        };
        write(&identity.certificate_file, &certificate.pem());
        write(&identity.key_file, &key.serialize_pem());
        identity
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

/// A certificate with its private key, as files and as a server configuration. The files are there for as long
/// as the [`Certificates`] which issued them.
#[derive(Debug)]
pub struct Identity {
    /// The certificate, as PEM.
    pub certificate_file: PathBuf,
    /// Its private key, as PEM (PKCS #8).
    pub key_file: PathBuf,
    authority: CertificateDer<'static>,
    certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
}

impl Identity {
    /// How a TLS server presents this certificate, asking nothing of the client.
    #[must_use]
    pub fn server_config(&self) -> Arc<ServerConfig> {
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider has the suites of the default versions")
            .with_no_client_auth();
        self.present(config)
    }

    /// The same, but only to clients which identify themselves with a certificate of the same authority.
    #[must_use]
    pub fn server_config_asking_for_client_certificate(&self) -> Arc<ServerConfig> {
        let roots = Arc::new(trust(&self.authority));
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
            .build()
            .expect("there is one root");
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider has the suites of the default versions")
            .with_client_cert_verifier(verifier);
        self.present(config)
    }

    fn present(
        &self,
        config: rustls::ConfigBuilder<ServerConfig, rustls::server::WantsServerCert>,
    ) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::Pkcs8(self.key.clone_key());
        let key = provider().key_provider.load_private_key(key);
        let key = key.expect("the provider knows what the keys are made by");
        // Not held against each other, which a server with a certificate of no use would not survive.
        let shown = CertifiedKey::new(vec![self.certificate.clone()], key);
        Arc::new(config.with_cert_resolver(Arc::new(SingleCertAndKey::from(shown))))
    }
}

fn trust(authority: &CertificateDer<'static>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots
        .add(authority.clone())
        .expect("the authority's certificate was made in this file");
    roots
}

fn server_params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("the names are constants of this file");
    params
        .distinguished_name
        .push(DnType::CommonName, "bedcheck test server");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

/// Named, because another crate of the workspace may bring a second provider, and rustls then picks none.
fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("cannot write `{}`: {error}", path.display()));
}
