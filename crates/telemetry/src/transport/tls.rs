//! TLS, when the crate's feature `tls` is on: ring, the system's roots or a given file.

use hyper_util::client::legacy::connect::HttpConnector;

use super::{Destination, Endpoint};

/// A variable that names a file: the variable's name and the path.
type File = Option<(String, String)>;

#[cfg(not(feature = "tls"))]
pub(super) type Connector = HttpConnector;

#[cfg(not(feature = "tls"))]
pub(super) fn wrap(tcp: HttpConnector, destination: &Destination) -> Connector {
    let Tls = destination.tls;
    tcp
}

/// What TLS needs: nothing, without the feature.
#[cfg(not(feature = "tls"))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tls;

#[cfg(not(feature = "tls"))]
impl Tls {
    /// # Errors
    /// When the endpoint is https: this build has no TLS.
    pub(crate) fn load(endpoint: &Endpoint, _files: [File; 3]) -> Result<Self, String> {
        if endpoint.is_https() {
            return Err(format!(
                "the endpoint {endpoint} needs TLS: build with the feature `tls` of campanile-telemetry"
            ));
        }
        Ok(Self)
    }
}

#[cfg(feature = "tls")]
pub(super) use with_tls::{Connector, wrap};

#[cfg(feature = "tls")]
pub(crate) use with_tls::Tls;

#[cfg(feature = "tls")]
mod with_tls {
    use std::sync::Arc;

    use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
    use rustls::{ClientConfig, RootCertStore};
    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer};

    use super::{Destination, Endpoint, File, HttpConnector};
    use crate::transport::Protocol;

    pub(in crate::transport) type Connector = HttpsConnector<HttpConnector>;

    /// The client's side of TLS: whom to trust, and who we are.
    #[derive(Clone, Debug)]
    pub(crate) struct Tls(Arc<ClientConfig>);

    impl Tls {
        /// Reads `CERTIFICATE`, `CLIENT_CERTIFICATE` and `CLIENT_KEY`.
        ///
        /// # Errors
        /// The variable whose file cannot be used, and why.
        pub(crate) fn load(endpoint: &Endpoint, files: [File; 3]) -> Result<Self, String> {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let builder = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map_err(|error| format!("TLS is not to be had: {error}"))?;
            let [trusted, certificate, key] = files;
            let mut roots = RootCertStore::empty();
            if !endpoint.is_https() {
                let config = builder.with_root_certificates(roots).with_no_client_auth();
                return Ok(Self(Arc::new(config)));
            }
            match &trusted {
                Some(file) => {
                    for certificate in certificates(file)? {
                        roots
                            .add(certificate)
                            .map_err(|error| unusable(file, &error))?;
                    }
                }
                None => {
                    let found = rustls_native_certs::load_native_certs();
                    roots.add_parsable_certificates(found.certs);
                    if roots.is_empty() {
                        return Err(format!(
                            "no trusted roots are installed for {endpoint}: set OTEL_EXPORTER_OTLP_CERTIFICATE"
                        ));
                    }
                }
            }
            let builder = builder.with_root_certificates(roots);
            let config = match (certificate, key) {
                (None, None) => builder.with_no_client_auth(),
                (Some(certificate), Some(key)) => {
                    let secret = PrivateKeyDer::from_pem_file(&key.1)
                        .map_err(|error| unusable(&key, &error))?;
                    builder
                        .with_client_auth_cert(certificates(&certificate)?, secret)
                        .map_err(|error| unusable(&key, &error))?
                }
                (Some((name, _)), None) | (None, Some((name, _))) => {
                    return Err(format!(
                        "{name} is set alone: a client certificate and its key belong together"
                    ));
                }
            };
            Ok(Self(Arc::new(config)))
        }
    }

    fn certificates(file: &(String, String)) -> Result<Vec<CertificateDer<'static>>, String> {
        let read =
            CertificateDer::pem_file_iter(&file.1).map_err(|error| unusable(file, &error))?;
        let read: Result<Vec<_>, _> = read.collect();
        match read {
            Ok(found) if !found.is_empty() => Ok(found),
            Ok(_) => Err(unusable(file, &"it holds no certificate")),
            Err(error) => Err(unusable(file, &error)),
        }
    }

    fn unusable((name, path): &(String, String), error: &dyn std::fmt::Display) -> String {
        format!("{name}=\"{path}\" cannot be used: {error}: give a PEM file that can be read")
    }

    pub(in crate::transport) fn wrap(tcp: HttpConnector, destination: &Destination) -> Connector {
        let tls = ClientConfig::clone(&destination.tls.0);
        let builder = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http();
        match destination.protocol {
            Protocol::Grpc => builder.enable_http2().wrap_connector(tcp),
            Protocol::Http => builder.enable_http1().wrap_connector(tcp),
        }
    }
}
