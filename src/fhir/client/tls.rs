//! TLS to a source: its own certificate and authority, and by which cause a connection failed.
//!
//! In come PEM files and errors; out go settings that cannot turn verification off, and one cause of a closed list. Names
//! and dates of certificates are not repeated: the operator knows the address, and a stranger's text stays out.

use std::error::Error;

use reqwest::{Certificate, ClientBuilder, Identity};
use rustls::{AlertDescription, CertificateError};

/// What a source presents, and whom it trusts.
#[derive(Clone, Default)]
pub(crate) struct Tls {
    identity: Option<Identity>,
    /// Empty: those that the machine trusts.
    roots: Vec<Certificate>,
}

impl Tls {
    /// Reads PEM: our certificate with its key, and the authorities that alone are trusted if there are any.
    ///
    /// # Errors
    /// Which of the files cannot be used.
    pub(crate) fn read(
        identity: Option<(&[u8], &[u8])>,
        authorities: Option<&[u8]>,
    ) -> Result<Self, &'static str> {
        let mut read = Self::default();
        if let Some((certificate, key)) = identity {
            let mut pem = zeroize::Zeroizing::new(certificate.to_vec());
            pem.push(b'\n');
            pem.extend_from_slice(key);
            let identity = Identity::from_pem(&pem);
            read.identity = Some(identity.map_err(|_| "mtls: certificate or key is not PEM")?);
        }
        if let Some(pem) = authorities {
            let wrong = "mtls: the authority is not PEM";
            read.roots = Certificate::from_pem_bundle(pem).map_err(|_| wrong)?;
            if read.roots.is_empty() {
                return Err(wrong);
            }
        }
        Ok(read)
    }

    /// Puts them into a client; ours is left out where `bare`.
    pub(super) fn apply(&self, mut builder: ClientBuilder, bare: bool) -> ClientBuilder {
        if let Some(identity) = self.identity.as_ref().filter(|_| !bare) {
            builder = builder.identity(identity.clone());
        }
        if self.roots.is_empty() {
            builder
        } else {
            builder.tls_certs_only(self.roots.iter().cloned())
        }
    }
}

/// Why a secure connection was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TlsCause {
    #[error("the server's certificate has expired")]
    Expired,
    #[error("the server's certificate is not valid yet")]
    NotYetValid,
    #[error("the server's certificate is for another host name")]
    WrongName,
    #[error("the server's certificate comes from an authority that is not trusted")]
    UnknownIssuer,
    #[error("the server's certificate was revoked")]
    Revoked,
    #[error("the server's certificate cannot be used")]
    Certificate,
    #[error("the server wants a client certificate, or does not take ours")]
    ClientCertificate,
    #[error("the server refused the handshake")]
    Refused,
    #[error("the server does not speak TLS at this address")]
    NotTls,
}

impl TlsCause {
    /// Whether the server's certificate is at fault.
    pub(crate) fn of_certificate(self) -> bool {
        !matches!(self, Self::ClientCertificate | Self::Refused | Self::NotTls)
    }
}

/// Errors within one another that are looked through.
const CHAIN_MAX: usize = 16;

/// The cause in TLS of a failed exchange, if it is one.
pub(super) fn cause(error: &(dyn Error + 'static)) -> Option<TlsCause> {
    let mut next = Some(error);
    for _ in 0..CHAIN_MAX {
        let error = next?;
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(named(found));
        }
        // An I/O error, often two in one another, is asked for what it wraps: its source is already one further.
        next = match error.downcast_ref::<std::io::Error>() {
            Some(outer) => outer.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}

fn named(error: &rustls::Error) -> TlsCause {
    match error {
        rustls::Error::InvalidCertificate(wrong) => of_certificate(wrong),
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied,
        ) => TlsCause::ClientCertificate,
        rustls::Error::InvalidMessage(_) => TlsCause::NotTls,
        _ => TlsCause::Refused,
    }
}

fn of_certificate(error: &CertificateError) -> TlsCause {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsCause::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsCause::NotYetValid
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsCause::WrongName
        }
        CertificateError::UnknownIssuer => TlsCause::UnknownIssuer,
        CertificateError::Revoked => TlsCause::Revoked,
        _ => TlsCause::Certificate,
    }
}
