//! RSA keys made for the test, and tokens signed with them, well-formed or not.

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

pub struct SigningKey {
    pub id: String,
    pair: RsaKeyPair,
}

/// Generating a key takes up to a third of a second: all tests of a process share one.
static GOOGLE: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate("google-1"));
static STRANGER: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate("stranger-1"));

/// The key of the trusted issuer.
pub fn google() -> &'static SigningKey {
    &GOOGLE
}

pub fn stranger() -> &'static SigningKey {
    &STRANGER
}

impl SigningKey {
    pub fn generate(id: &str) -> Self {
        Self { id: id.to_owned(), pair: RsaKeyPair::generate(KeySize::Rsa2048).unwrap() }
    }

    /// The public key as it is published (RFC 7517), with the fields that Google writes.
    pub fn public(&self) -> Value {
        self.public_as(&self.id)
    }

    pub fn public_as(&self, id: &str) -> Value {
        let key = self.pair.public_key();
        json!({
            "kty": "RSA",
            "alg": "RS256",
            "use": "sig",
            "kid": id,
            "n": URL_SAFE_NO_PAD.encode(key.modulus().big_endian_without_leading_zero()),
            "e": URL_SAFE_NO_PAD.encode(key.exponent().big_endian_without_leading_zero()),
        })
    }

    /// The bytes of the public key (PKCS #1), which must never be accepted as a secret.
    pub fn public_bytes(&self) -> Vec<u8> {
        self.pair.public_key().as_ref().to_vec()
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.sign_as(&json!({"alg": "RS256", "kid": self.id, "typ": "JWT"}), claims)
    }

    /// A token signed with RS256, whatever its header says.
    pub fn sign_as(&self, head: &Value, claims: &Value) -> String {
        let text = joined(head, claims);
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

pub fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The part of a token that is signed.
pub fn joined(head: &Value, claims: &Value) -> String {
    format!("{}.{}", encoded(head.to_string()), encoded(claims.to_string()))
}
