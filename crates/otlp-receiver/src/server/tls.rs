//! TLS on the receiver's ports, for exporters that insist on it.

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

use super::connection::Wire;

/// Who the receiver says it is, and whom it lets in.
///
/// ```
/// # fn example() -> std::io::Result<()> {
/// use campanile_otlp_receiver::Tls;
///
/// let tls = Tls::for_localhost()?;
/// std::fs::write("ca.pem", tls.authority_pem())?; // what the exporter has to trust
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Tls {
    chain_pem: String,
    key_pem: String,
    authority_pem: String,
    clients_pem: Option<String>,
}

impl Tls {
    /// Makes a fresh certificate for `localhost`, 127.0.0.1 and ::1, signed by nobody but itself.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn for_localhost() -> io::Result<Self> {
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let certified = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
        let chain_pem = certified.cert.pem();
        Ok(Self {
            authority_pem: chain_pem.clone(),
            chain_pem,
            key_pem: certified.signing_key.serialize_pem(),
            clients_pem: None,
        })
    }

    /// Takes a certificate chain and its key, in PEM. Whether they fit is seen when the receiver starts.
    pub fn from_pem(chain: impl Into<String>, key: impl Into<String>) -> Self {
        let chain_pem = chain.into();
        Self {
            authority_pem: chain_pem.clone(),
            chain_pem,
            key_pem: key.into(),
            clients_pem: None,
        }
    }

    /// Lets only clients in whose certificate one of these authorities (PEM) signed. The default lets everybody in.
    #[must_use]
    pub fn require_clients_of(mut self, authorities: impl Into<String>) -> Self {
        self.clients_pem = Some(authorities.into());
        self
    }

    /// Returns the key, in PEM: with [`authority_pem`](Self::authority_pem) it makes an identity for a client.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// Returns what a sender has to trust, in PEM.
    pub fn authority_pem(&self) -> &str {
        &self.authority_pem
    }
}

/// Leaves the key out.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Tls");
        debug
            .field("chain_pem", &self.chain_pem)
            .finish_non_exhaustive()
    }
}

#[derive(Clone)]
pub(crate) struct Acceptor(TlsAcceptor);

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acceptor")
    }
}

impl Acceptor {
    pub(crate) fn new(tls: &Tls) -> io::Result<Self> {
        let invalid = |what: &str, error: &dyn fmt::Display| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("invalid TLS {what}: {error}"),
            )
        };
        let chain = certificates(&tls.chain_pem).map_err(|error| invalid("certificate", &error))?;
        let key = PrivateKeyDer::from_pem_slice(tls.key_pem.as_bytes());
        let key = key.map_err(|error| invalid("key", &error))?;
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let config = config.with_safe_default_protocol_versions();
        let config = config.map_err(|error| invalid("versions", &error))?;
        let config = match &tls.clients_pem {
            None => config.with_no_client_auth(),
            Some(authorities) => {
                let problem = |error: &dyn fmt::Display| invalid("client authority", error);
                let mut roots = RootCertStore::empty();
                for authority in certificates(authorities).map_err(|error| problem(&error))? {
                    roots.add(authority).map_err(|error| problem(&error))?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = verifier.build().map_err(|error| problem(&error))?;
                config.with_client_cert_verifier(verifier)
            }
        };
        let config = config.with_single_cert(chain, key);
        let mut config = config.map_err(|error| invalid("certificate and key", &error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    pub(super) async fn accept(&self, wire: Wire) -> io::Result<TlsStream<Wire>> {
        self.0.accept(wire).await
    }
}

fn certificates(pem: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes());
    let certificates: Vec<_> = certificates
        .collect::<Result<_, _>>()
        .map_err(io::Error::other)?;
    if certificates.is_empty() {
        return Err(io::Error::other("expected at least one certificate in PEM"));
    }
    Ok(certificates)
}
