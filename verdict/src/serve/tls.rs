//! Certificates: read from files, and read again when those change. A certificate and its key are two files, and are seen half
//! replaced; until they go together again, those before stay in use.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum_server::tls_rustls::RustlsConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::config::TlsConfig;
use crate::exit::Failure;
use crate::serve::reload;

/// What the listener speaks, in the order in which it prefers it.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The files that TLS is made of.
#[derive(Clone, Debug)]
pub(super) struct TlsFiles {
    cert: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    client_required: bool,
}

/// What they held at one moment.
#[derive(PartialEq, Eq)]
struct Contents {
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl TlsFiles {
    /// The files of a configuration; `None` for a listener without TLS.
    pub(super) fn of(config: &TlsConfig) -> Result<Option<Self>, Failure> {
        match (&config.cert, &config.key) {
            (Some(cert), Some(key)) => Ok(Some(Self {
                cert: cert.clone(),
                key: key.clone(),
                client_ca: config.client_ca.clone(),
                client_required: config.client_required,
            })),
            (None, None) if config.client_ca.is_none() => Ok(None),
            _ => Err(Failure::Usage(
                "TLS needs both --tls-cert FILE and --tls-key FILE; --tls-client-ca FILE comes on top of them"
                    .to_owned(),
            )),
        }
    }

    /// Reads them, and goes on reading them when they change, for as long as the process lives.
    pub(super) fn watched(self) -> Result<RustlsConfig, Failure> {
        let wrong = |reason| Failure::Usage(format!("TLS: {reason}"));
        let contents = self.read().map_err(wrong)?;
        let config = RustlsConfig::from_config(self.config(&contents).map_err(wrong)?);
        let (using, files) = (config.clone(), self.clone());
        reload::watch(
            "TLS files",
            contents,
            move || files.read(),
            move |contents| {
                using.reload_from_config(self.config(contents)?);
                tracing::info!(cert = %self.cert.display(), "connections from now on get the new certificate");
                Ok(())
            },
        );
        Ok(config)
    }

    fn read(&self) -> Result<Contents, String> {
        let read = |path: &Path| std::fs::read(path).map_err(|e| format!("cannot read `{}`: {e}", path.display()));
        Ok(Contents {
            cert: read(&self.cert)?,
            key: read(&self.key)?,
            client_ca: self.client_ca.as_deref().map(read).transpose()?,
        })
    }

    fn config(&self, contents: &Contents) -> Result<Arc<ServerConfig>, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?;
        let builder = match (&self.client_ca, &contents.client_ca) {
            (Some(path), Some(pem)) => {
                let mut roots = RootCertStore::empty();
                for root in certificates(path, pem)? {
                    roots
                        .add(root)
                        .map_err(|e| format!("`{}` holds a certificate that can not be a root: {e}", path.display()))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = match self.client_required {
                    true => verifier,
                    false => verifier.allow_unauthenticated(),
                };
                builder.with_client_cert_verifier(verifier.build().map_err(|e| e.to_string())?)
            }
            _ => builder.with_no_client_auth(),
        };
        let chain = certificates(&self.cert, &contents.cert)?;
        let key = PrivateKeyDer::from_pem_slice(&contents.key)
            .map_err(|e| format!("`{}` holds no private key in PEM: {e}", self.key.display()))?;
        let mut config = builder.with_single_cert(chain, key).map_err(|e| {
            let (cert, key) = (self.cert.display(), self.key.display());
            format!("`{cert}` and `{key}` do not go together: {e}")
        })?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Arc::new(config))
    }
}

/// The certificates of a PEM file; at least one.
fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let shown = path.display();
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err(format!("`{shown}` holds no certificate in PEM")),
        Ok(found) => Ok(found),
        Err(e) => Err(format!("`{shown}` is not PEM: {e}")),
    }
}
