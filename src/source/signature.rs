//! Signatures of links: HMAC-SHA256 of the salt and the path, as imgproxy has it, so that its libraries sign for
//! bytefit.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Serialize, Serializer};

use crate::config_value::REDACTED;

/// Secret bytes, written in hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct HexSecret(Vec<u8>);

/// Pairs of key and salt. The first signs, and each of them verifies, so that keys can be changed without a gap.
#[derive(Clone)]
pub struct Signer(Vec<(hmac::Key, HexSecret)>);

impl Signer {
    /// A signer with `keys`, each with the salt at its place.
    pub fn new(keys: &[HexSecret], salts: &[HexSecret]) -> Signer {
        let pair = |(key, salt): (&HexSecret, &HexSecret)| (hmac::Key::new(hmac::HMAC_SHA256, &key.0), salt.clone());
        Signer(keys.iter().zip(salts).map(pair).collect())
    }

    /// The signature of `path`, which begins with a slash. Returns `None` without keys.
    pub fn sign(&self, path: &str) -> Option<String> {
        let (key, salt) = self.0.first()?;
        let mut context = hmac::Context::with_key(key);
        context.update(&salt.0);
        context.update(path.as_bytes());
        Some(URL_SAFE_NO_PAD.encode(context.sign()))
    }

    /// Whether `signature` is one of `path` under any key. Takes the same time wherever they differ.
    pub fn verifies(&self, signature: &str, path: &str) -> bool {
        let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
        let is_signed = |(key, salt): &(hmac::Key, HexSecret)| {
            let signed = [salt.0.as_slice(), path.as_bytes()].concat();
            hmac::verify(key, &signed, &signature).is_ok()
        };
        self.0.iter().any(is_signed)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({} keys)", self.0.len())
    }
}

impl FromStr for HexSecret {
    type Err = String;

    /// The error does not repeat the text, which is a secret.
    fn from_str(text: &str) -> Result<HexSecret, String> {
        let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
        match digits {
            Some(digits) if !digits.is_empty() && digits.len().is_multiple_of(2) => {
                Ok(HexSecret(digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()))
            }
            _ => Err("not an even number of hexadecimal digits: write one by `openssl rand -hex 32`".to_owned()),
        }
    }
}

impl fmt::Debug for HexSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Serialize for HexSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(pairs: &[(&str, &str)]) -> Signer {
        let secrets =
            |texts: Vec<&str>| texts.into_iter().map(|text| text.parse().unwrap()).collect::<Vec<HexSecret>>();
        let (keys, salts) = pairs.iter().copied().unzip();
        Signer::new(&secrets(keys), &secrets(salts))
    }

    /// The example of imgproxy's documentation, "Signing the URL": key "secret", salt "hello".
    #[test]
    fn the_example_of_imgproxy_is_signed_alike() {
        let signer = signer(&[("736563726574", "68656C6C6F")]);
        let path = "/rs:fill:300:400:0/g:sm/aHR0cDovL2V4YW1w/bGUuY29tL2ltYWdl/cy9jdXJpb3NpdHku/anBn.png";
        let signature = "oKfUtW34Dvo2BGQehJFR4Nr0_rIjOtdtzJ3QFsUcXH8";
        assert_eq!(signer.sign(path).as_deref(), Some(signature));
        assert!(signer.verifies(signature, path));
    }

    #[test]
    fn a_changed_path_or_signature_is_noticed() {
        let signer = signer(&[("00ff", "0102")]);
        let signature = signer.sign("/target:80KB/aHR0cA").unwrap();
        assert!(!signer.verifies(&signature, "/target:90KB/aHR0cA"));
        for wrong in ["", "unsafe", "_", &signature[1..], &format!("{signature}A"), &format!("{signature}=")] {
            assert!(!signer.verifies(wrong, "/target:80KB/aHR0cA"), "{wrong}");
        }
    }

    #[test]
    fn each_key_verifies_and_the_first_signs() {
        let (new, old) = (signer(&[("aa", "bb")]), signer(&[("cc", "dd")]));
        let both = signer(&[("aa", "bb"), ("cc", "dd")]);
        let path = "/target:1/x";
        assert_eq!(both.sign(path), new.sign(path));
        assert!(both.verifies(&old.sign(path).unwrap(), path));
        assert!(!new.verifies(&old.sign(path).unwrap(), path));
        assert_eq!(signer(&[]).sign(path), None);
        assert!(!signer(&[]).verifies("", path));
    }

    #[test]
    fn a_secret_is_shown_nowhere() {
        let secret: HexSecret = "c0ffee".parse().unwrap();
        assert_eq!(format!("{secret:?}"), REDACTED);
        assert_eq!(serde_json::to_value(&secret).unwrap(), REDACTED);
        for wrong in ["", "abc", "xyzz", "c0ffe\u{e9}"] {
            assert!(!wrong.parse::<HexSecret>().unwrap_err().contains("c0ffe"), "{wrong}");
        }
    }
}
