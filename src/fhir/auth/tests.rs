//! Keys in each form, the assertion that they sign, and what the answers of token servers mean.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};

use super::key::SigningAlgorithm;
use super::*;

/// Throw-away keys, made for these tests and used nowhere else.
const P384: &str = include_str!("testdata/p384.pem");
const P384_SEC1: &str = include_str!("testdata/p384-sec1.pem");
const P384_JWK: &str = include_str!("testdata/p384.jwk.json");
const P384_PUBLIC: &str = include_str!("testdata/p384-public.pem");
const P256: &str = include_str!("testdata/p256.pem");
const RSA: &str = include_str!("testdata/rsa.pem");
const RSA_PKCS1: &str = include_str!("testdata/rsa-pkcs1.pem");
const RSA_JWK: &str = include_str!("testdata/rsa.jwk.json");
const RSA_PUBLIC: &str = include_str!("testdata/rsa-public.pem");

fn read(text: &str) -> Result<SigningKey, KeyError> {
    SigningKey::read(text.as_bytes(), None, Some("k1"))
}

fn assertion(key: SigningKey) -> Assertion {
    Assertion {
        client_id: "kith".to_owned().into(),
        key,
        token_url: None,
        scopes: vec!["system/Patient.rs".to_owned()],
    }
}

#[test]
fn every_form_of_key_signs_what_the_public_half_confirms() {
    let elliptic = DecodingKey::from_ec_pem(P384_PUBLIC.as_bytes()).unwrap();
    let rsa = DecodingKey::from_rsa_pem(RSA_PUBLIC.as_bytes()).unwrap();
    let set = format!("{{\"keys\":[{{\"kty\":\"EC\",\"kid\":\"other\"}},{P384_JWK}]}}");
    let now = Instant::parse("2026-11-22T12:00:00Z").unwrap();
    let url = "https://gp.example/token";
    for (text, algorithm, public) in [
        (P384, Algorithm::ES384, &elliptic),
        (P384_SEC1, Algorithm::ES384, &elliptic),
        (P384_JWK, Algorithm::ES384, &elliptic),
        (&set, Algorithm::ES384, &elliptic),
        (RSA, Algorithm::RS384, &rsa),
        (RSA_PKCS1, Algorithm::RS384, &rsa),
        (RSA_JWK, Algorithm::RS384, &rsa),
    ] {
        let form = assertion(read(text).unwrap())
            .form(url, now, uuid::Uuid::from_u128(7))
            .unwrap();
        let value = |name: &str| {
            form.iter()
                .find(|(key, _)| *key == name)
                .unwrap()
                .1
                .as_str()
        };
        let mut rules = Validation::new(algorithm);
        rules.set_audience(&[url]);
        rules.validate_exp = false;
        let token = value("client_assertion");
        let read = jsonwebtoken::decode::<serde_json::Value>(token, public, &rules).unwrap();
        assert_eq!(read.header.kid.as_deref(), Some("k1"));
        assert_eq!(read.header.typ.as_deref(), Some("JWT"));
        let seconds = now.0 / 1_000_000;
        let claims = serde_json::json!({"iss": "kith", "sub": "kith", "aud": url, "iat": seconds - 5, "exp": seconds + 240,
            "jti": "00000000-0000-0000-0000-000000000007"});
        assert_eq!(read.claims, claims);
        assert_eq!(value("scope"), "system/Patient.rs");
        assert_eq!(value("grant_type"), "client_credentials");
    }
}

#[test]
fn a_key_that_cannot_be_used_is_named_by_its_fault() {
    let public_jwk = r#"{"kty":"EC","crv":"P-384","x":"AA","y":"AA"}"#;
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----";
    for (text, wanted) in [
        ("swordfish", KeyError::Form),
        ("{}", KeyError::Public),
        (public_jwk, KeyError::Public),
        (P384_PUBLIC, KeyError::Public),
        (RSA_PUBLIC, KeyError::Public),
        (encrypted, KeyError::Encrypted),
        (P256, KeyError::Kind("ES384")),
    ] {
        assert_eq!(read(text).map(drop), Err(wanted), "{text}");
    }
    let rs512 = SigningKey::read(P384.as_bytes(), Some(SigningAlgorithm::Rs512), None);
    assert_eq!(rs512.map(drop), Err(KeyError::Kind("RS512")));
    assert!(SigningKey::read(RSA.as_bytes(), Some(SigningAlgorithm::Rs512), None).is_ok());
    assert_eq!(
        format!("{:?}", read(P384).unwrap()),
        "SigningKey(ES384, masked)"
    );
}

#[test]
fn an_answer_is_a_token_with_every_scope_or_says_why_not() {
    let asked = ["system/Patient.rs".to_owned()];
    let life = |body: &str| granted(200, body.as_bytes(), &asked).map(|token| token.renewed_after);
    let good = |seconds: &str| {
        format!(
            r#"{{"access_token":"t","token_type":"Bearer","expires_in":{seconds},"scope":"system/Patient.rs"}}"#
        )
    };
    for (seconds, renewed) in [
        ("3600", 3_540),
        ("\"599\"", 539),
        ("90", 45),
        ("4", 2),
        ("0", 0),
    ] {
        assert_eq!(
            life(&good(seconds)),
            Ok(Duration::from_secs(renewed)),
            "{seconds}"
        );
    }
    let untold = r#"{"access_token":"t","token_type":"bearer","scope":"system/Patient.rs"}"#;
    assert_eq!(life(untold), Ok(Duration::from_mins(4)));
    let scope = || Err(SignInError::Scope("system/Patient.s".to_owned()));
    assert_eq!(
        life(&good("60").replace("Patient.rs", "Patient.r")),
        scope()
    );
    let none = r#"{"access_token":"t","token_type":"bearer","expires_in":60}"#;
    assert_eq!(
        life(none),
        Err(SignInError::Scope("system/Patient.rs".to_owned()))
    );
    for body in [
        "<html>",
        "{}",
        "{\"access_token\":\"t\",\"token_type\":\"mac\"}",
        "{\"access_token\":\"\"}",
    ] {
        assert_eq!(
            life(body),
            Err(SignInError::NotAToken { status: 200 }),
            "{body}"
        );
    }
    let refused =
        granted(400, br#"{"error":"invalid_scope"}"#, &asked).map(|token| token.renewed_after);
    assert_eq!(
        refused,
        Err(SignInError::ScopeRefused("system/Patient.rs".to_owned()))
    );
    for (body, error) in [
        (
            r#"{"error":"invalid_client","error_description":"Lovelace"}"#,
            "invalid_client",
        ),
        (r#"{"error":"Lovelace"}"#, "none given"),
        ("<html>Lovelace", "none given"),
    ] {
        let refused = granted(400, body.as_bytes(), &asked).map(|token| token.renewed_after);
        assert_eq!(
            refused,
            Err(SignInError::Refused { status: 400, error }),
            "{body}"
        );
    }
}

#[test]
fn no_secret_shows_itself() {
    let shown = format!(
        "{:?}{:?}{:?}",
        Credentials::bearer("swordfish").unwrap(),
        Credentials::basic("kith", "swordfish").unwrap(),
        Credentials::api_key("apikey", "swordfish").unwrap()
    );
    assert!(!shown.contains("swordfish"), "{shown}");
    let Credentials::Fixed(_, value) = Credentials::basic("Aladdin", "open sesame").unwrap() else {
        panic!("a header");
    };
    // The example of RFC 7617 §2.
    assert_eq!(value, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert!(format!("{value:?}").contains("Sensitive"));
    assert!(Credentials::basic("a:b", "c").is_err() && Credentials::bearer("a\nb").is_err());
}
