//! The private key that signs client assertions: out of a PEM file or a JWK, with the algorithm it is for.
//!
//! In come the bytes of a key file; out goes a key that has signed once, or which rule the file breaks. The key itself is
//! in no error and in no `Debug`.

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

/// Keys of a key set that are looked at.
const KEYS_MAX: usize = 100;

/// Why a key file cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyError {
    /// Neither PEM nor JWK, or broken.
    #[error("it is neither a PEM private key nor a JWK")]
    Form,
    /// A password is needed, and Kith takes none.
    #[error("the key is encrypted with a password")]
    Encrypted,
    /// Only the public half.
    #[error("it holds no private key")]
    Public,
    /// Of another kind than the algorithm needs: ES384 a P-384 key, RS384 and RS512 an RSA key of 2,048 bits or more.
    #[error("it is no key for {0}")]
    Kind(&'static str),
}

/// The algorithms that SMART Backend Services and NHS England ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SigningAlgorithm {
    Es384,
    Rs384,
    Rs512,
}

impl SigningAlgorithm {
    /// Its name in a JWT (RFC 7518).
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Es384 => "ES384",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
        }
    }

    fn of_jwt(self) -> Algorithm {
        match self {
            Self::Es384 => Algorithm::ES384,
            Self::Rs384 => Algorithm::RS384,
            Self::Rs512 => Algorithm::RS512,
        }
    }
}

/// A private key with its algorithm.
#[derive(Clone)]
pub(crate) struct SigningKey {
    key: EncodingKey,
    algorithm: SigningAlgorithm,
    kid: Option<String>,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({}, masked)", self.algorithm.name())
    }
}

impl SigningKey {
    /// The name under which the server knows it.
    #[cfg(test)]
    pub(crate) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Reads a key file. Without an algorithm a P-384 key signs ES384 and an RSA key RS384; of a key set the key named
    /// by `kid` is taken, else the first private one.
    ///
    /// # Errors
    /// A [`KeyError`]: the key is tried before it is given out.
    pub(crate) fn read(
        bytes: &[u8],
        algorithm: Option<SigningAlgorithm>,
        kid: Option<&str>,
    ) -> Result<Self, KeyError> {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| KeyError::Form)?
            .trim();
        let (key, usual, own_kid) = if text.starts_with('{') {
            of_jwk(text, kid)?
        } else {
            let (key, usual) = of_pem(text)?;
            (key, usual, None)
        };
        let read = Self {
            key,
            algorithm: algorithm.unwrap_or(usual),
            kid: kid.map(str::to_owned).or(own_kid),
        };
        read.sign(&"")
            .map_err(|_| KeyError::Kind(read.algorithm.name()))?;
        Ok(read)
    }

    /// A signed JWT of these claims.
    ///
    /// # Errors
    /// The key cannot sign; it has signed before, so this is not to be expected.
    pub(super) fn sign(&self, claims: &impl Serialize) -> Result<String, KeyError> {
        let mut header = Header::new(self.algorithm.of_jwt());
        header.kid.clone_from(&self.kid);
        jsonwebtoken::encode(&header, claims, &self.key)
            .map_err(|_| KeyError::Kind(self.algorithm.name()))
    }
}

fn of_pem(text: &str) -> Result<(EncodingKey, SigningAlgorithm), KeyError> {
    let begins = |label: &str| text.contains(&format!("-----BEGIN {label}-----"));
    if begins("ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(KeyError::Encrypted);
    }
    let private = text.contains("PRIVATE KEY-----");
    if !private
        && ["PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE"]
            .map(begins)
            .contains(&true)
    {
        return Err(KeyError::Public);
    }
    let elliptic = |key| Ok((key, SigningAlgorithm::Es384));
    if begins("EC PRIVATE KEY") {
        // The older form of an elliptic key (RFC 5915), which the JWT library does not read.
        return elliptic(of_sec1(text)?);
    }
    if let Ok(key) = EncodingKey::from_rsa_pem(text.as_bytes()) {
        return Ok((key, SigningAlgorithm::Rs384));
    }
    if let Ok(key) = EncodingKey::from_ec_pem(text.as_bytes()) {
        return elliptic(key);
    }
    Err(KeyError::Form)
}

fn of_sec1(text: &str) -> Result<EncodingKey, KeyError> {
    let body = text
        .split_once("-----BEGIN EC PRIVATE KEY-----")
        .and_then(|(_, rest)| rest.split_once("-----END EC PRIVATE KEY-----"));
    let (body, _) = body.ok_or(KeyError::Form)?;
    let der = decoded(body).ok_or(KeyError::Form)?;
    let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P384_SHA384_FIXED_SIGNING, &der);
    of_pair(&pair.map_err(|_| KeyError::Kind("ES384"))?)
}

fn of_pair(pair: &EcdsaKeyPair) -> Result<EncodingKey, KeyError> {
    let document = pair.to_pkcs8v1().map_err(|_| KeyError::Form)?;
    Ok(EncodingKey::from_ec_der(document.as_ref()))
}

/// A private JWK (RFC 7517, RFC 7518 §6).
#[derive(Deserialize)]
struct Jwk {
    #[serde(default)]
    kty: String,
    #[serde(default)]
    crv: String,
    kid: Option<String>,
    #[serde(flatten)]
    parts: Parts,
}

#[derive(Deserialize)]
struct Parts {
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<String>,
    p: Option<String>,
    q: Option<String>,
    dp: Option<String>,
    dq: Option<String>,
    qi: Option<String>,
}

impl Drop for Parts {
    fn drop(&mut self) {
        for part in [
            &mut self.d,
            &mut self.p,
            &mut self.q,
            &mut self.dp,
            &mut self.dq,
            &mut self.qi,
        ] {
            part.zeroize();
        }
    }
}

type ReadKey = (EncodingKey, SigningAlgorithm, Option<String>);

fn of_jwk(text: &str, kid: Option<&str>) -> Result<ReadKey, KeyError> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Jwk>,
    }
    let mut keys = match serde_json::from_str::<Set>(text) {
        Ok(set) => set.keys,
        Err(_) => vec![serde_json::from_str::<Jwk>(text).map_err(|_| KeyError::Form)?],
    };
    keys.truncate(KEYS_MAX);
    keys.retain(|key| key.parts.d.is_some());
    let named = keys
        .iter()
        .find(|key| kid.is_some() && key.kid.as_deref() == kid);
    let key = named.or(keys.first()).ok_or(KeyError::Public)?;
    match (key.kty.as_str(), key.crv.as_str()) {
        ("EC", "P-384") => Ok((
            elliptic(&key.parts)?,
            SigningAlgorithm::Es384,
            key.kid.clone(),
        )),
        ("EC", _) => Err(KeyError::Kind("ES384")),
        ("RSA", _) => Ok((rsa(&key.parts)?, SigningAlgorithm::Rs384, key.kid.clone())),
        _ => Err(KeyError::Form),
    }
}

fn part(part: Option<&String>) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    part.and_then(|text| decoded(text)).ok_or(KeyError::Form)
}

fn elliptic(parts: &Parts) -> Result<EncodingKey, KeyError> {
    // An uncompressed point (SEC 1 §2.3.3): 4, x, y.
    let mut point = vec![4];
    point.extend_from_slice(&part(parts.x.as_ref())?);
    point.extend_from_slice(&part(parts.y.as_ref())?);
    let secret = part(parts.d.as_ref())?;
    let algorithm = &ECDSA_P384_SHA384_FIXED_SIGNING;
    let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, &secret, &point);
    of_pair(&pair.map_err(|_| KeyError::Form)?)
}

/// `RSAPrivateKey` of RFC 8017, appendix A.1.2.
fn rsa(parts: &Parts) -> Result<EncodingKey, KeyError> {
    let numbers = [
        &parts.n, &parts.e, &parts.d, &parts.p, &parts.q, &parts.dp, &parts.dq, &parts.qi,
    ];
    let mut body = Zeroizing::new(vec![2, 1, 0]);
    for number in numbers {
        let bytes = part(number.as_ref())?;
        let start = bytes
            .iter()
            .position(|byte| *byte != 0)
            .ok_or(KeyError::Form)?;
        let bytes = &bytes[start..];
        let sign = usize::from(bytes[0] & 0x80 != 0);
        body.push(2);
        push_length(&mut body, bytes.len() + sign)?;
        body.extend(std::iter::repeat_n(0, sign));
        body.extend_from_slice(bytes);
    }
    let mut der = Zeroizing::new(vec![0x30]);
    push_length(&mut der, body.len())?;
    der.extend_from_slice(&body);
    Ok(EncodingKey::from_rsa_der(&der))
}

/// A DER length of at most two bytes: no key that signs is longer.
fn push_length(der: &mut Vec<u8>, length: usize) -> Result<(), KeyError> {
    let length = u16::try_from(length).map_err(|_| KeyError::Form)?;
    let [high, low] = length.to_be_bytes();
    match length {
        0..0x80 => der.push(low),
        0x80..0x100 => der.extend([0x81, low]),
        _ => der.extend([0x82, high, low]),
    }
    Ok(())
}

/// The bytes of base64 as keys are written: in either alphabet, with or without padding; white space is passed over.
fn decoded(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let text = text.trim_end().trim_end_matches('=');
    let mut digits = Zeroizing::new(Vec::with_capacity(text.len()));
    digits.extend(
        text.bytes()
            .filter(|byte| !byte.is_ascii_whitespace())
            .map(|byte| match byte {
                b'-' => b'+',
                b'_' => b'/',
                plain => plain,
            }),
    );
    let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(digits.len())]);
    let length = STANDARD_NO_PAD.decode_slice(&*digits, &mut bytes).ok()?;
    bytes.truncate(length);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_keys_is_read_in_every_form() {
        for (coded, plain) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zg", "f"),
            (" Zm\n9v\n", "foo"),
            ("Zm9vYg==", "foob"),
        ] {
            assert_eq!(
                decoded(coded).as_deref().map(Vec::as_slice),
                Some(plain.as_bytes())
            );
        }
        assert_eq!(decoded("_-8=").as_deref(), decoded("/+8").as_deref());
        for wrong in ["A", "Zh", "Z!==", "Zg==Zg", "Zm 9 v \u{e9}"] {
            assert_eq!(decoded(wrong), None, "{wrong}");
        }
    }
}
