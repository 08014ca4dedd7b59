//! The guard's own certificate, and whether clients must show one.

use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

/// Offered in this order; a client without ALPN speaks HTTP/1.1.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("the {what} is not readable as PEM")]
    Pem {
        what: &'static str,
        #[source]
        cause: pem::Error,
    },
    #[error("the {what} holds no certificate")]
    NoCertificate { what: &'static str },
    #[error("the certificate and its key cannot be used")]
    Unusable(#[from] rustls::Error),
    #[error("the client CA cannot be used")]
    ClientCa(#[from] rustls::server::VerifierBuilderError),
}

/// TLS from PEM texts. With `client_ca`, only clients with a certificate from it are let in.
pub fn server_config(
    certificate: &[u8],
    key: &[u8],
    client_ca: Option<&[u8]>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = certificates(certificate, "certificate")?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|cause| TlsError::Pem {
        what: "private key",
        cause,
    })?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(pem, "client CA")? {
                roots.add(certificate)?;
            }
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, key)?;
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
    Ok(Arc::new(config))
}

fn certificates(pem: &[u8], what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|cause| TlsError::Pem { what, cause })?;
    if found.is_empty() {
        return Err(TlsError::NoCertificate { what });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CA: &[u8] = include_bytes!("../../tests/tls/ca.pem");
    const CERTIFICATE: &[u8] = include_bytes!("../../tests/tls/localhost.pem");
    const KEY: &[u8] = include_bytes!("../../tests/tls/localhost.key");

    #[test]
    fn both_protocols_are_offered_newest_first() {
        let config = server_config(CERTIFICATE, KEY, Some(CA)).unwrap();
        assert_eq!(
            config.alpn_protocols,
            [b"h2".to_vec(), b"http/1.1".to_vec()]
        );
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (certificate, key, ca, sentence) in [
            (&b""[..], KEY, None, "the certificate holds no certificate"),
            (
                CERTIFICATE,
                b"",
                None,
                "the private key is not readable as PEM",
            ),
            (
                CERTIFICATE,
                KEY,
                Some(&b""[..]),
                "the client CA holds no certificate",
            ),
            (CA, KEY, None, "the certificate and its key cannot be used"),
        ] {
            let error = server_config(certificate, key, ca).unwrap_err();
            assert_eq!(error.to_string(), sentence);
        }
    }
}
