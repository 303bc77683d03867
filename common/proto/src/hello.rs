//! The first messages of a connection: version ranges and mutual proof of a shared secret.
//!
//! 1. client → server [`Hello`]: its versions, the role it claims, a nonce
//! 2. server → client [`Challenge`]: its versions, a nonce, proof that it knows the secret of that role
//! 3. client → server [`Confirm`]: proof that the client knows it too
//! 4. server → client [`Welcome`]
//!
//! Proofs are HMAC-SHA256 over a direction label, the role and both nonces. Servers know the cluster
//! secret; clients only know the client secret, which is derived from it, so a client cannot pass
//! for a server. The connection is not encrypted: see `docs/protocol.md` for what that means.

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// What a connection may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PeerRole {
    /// Reads and changes files.
    Client,
    /// A server process or the garbage collector: may also ask for what only servers need.
    Server,
}

/// The secret of a role. Never printed.
#[derive(Clone)]
pub struct Secret([u8; 32]);

/// A secret file has the wrong form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret is 64 hexadecimal digits")]
pub struct BadSecret;

/// A proof of knowing a secret.
pub type HelloMac = [u8; 32];

impl Secret {
    /// Takes 32 random bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads the text of a secret file: 64 hexadecimal digits and an optional newline.
    pub fn from_hex(text: &str) -> Result<Self, BadSecret> {
        let digits = text.trim().as_bytes();
        let mut out = [0u8; 32];
        if digits.len() != 64 {
            return Err(BadSecret);
        }
        for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
            let high = (pair[0] as char).to_digit(16).ok_or(BadSecret)?;
            let low = (pair[1] as char).to_digit(16).ok_or(BadSecret)?;
            *byte = u8::try_from(high * 16 + low).map_err(|_| BadSecret)?;
        }
        Ok(Self(out))
    }

    /// The text of a secret file.
    pub fn to_hex(&self) -> String {
        use std::fmt::Write;
        self.0
            .iter()
            .fold(String::with_capacity(65), |mut text, byte| {
                write!(text, "{byte:02x}").expect("writing to a String cannot fail");
                text
            })
            + "\n"
    }

    /// The client secret that belongs to this cluster secret.
    pub fn derive_client(&self) -> Self {
        Self(self.mac(&[b"eggsfs client secret v1"]))
    }

    /// Names the cluster: follows from its secret, and does not tell it.
    pub fn cluster_id(&self) -> u64 {
        let mac = self.mac(&[b"eggsfs cluster id v1"]);
        mac.iter()
            .take(8)
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }

    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// The proof that `side` gives in a handshake.
    pub fn prove(&self, side: Side, role: PeerRole, nonces: &Nonces) -> HelloMac {
        let label: &[u8] = match side {
            Side::Connecting => b"eggsfs hello v1 connecting",
            Side::Accepting => b"eggsfs hello v1 accepting",
        };
        let role: &[u8] = match role {
            PeerRole::Client => b"client",
            PeerRole::Server => b"server",
        };
        self.mac(&[label, role, &nonces.connecting, &nonces.accepting])
    }

    /// Checks the other side's proof in constant time.
    pub fn verify(&self, side: Side, role: PeerRole, nonces: &Nonces, proof: &HelloMac) -> bool {
        use subtle::ConstantTimeEq;
        self.prove(side, role, nonces).ct_eq(proof).into()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Which end of a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Opened the connection.
    Connecting,
    /// Accepted it.
    Accepting,
}

/// What both ends contributed to a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonces {
    /// From the end that connected.
    pub connecting: [u8; 16],
    /// From the end that accepted.
    pub accepting: [u8; 16],
}

/// First message of the connecting end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Oldest version understood.
    pub version_min: u8,
    /// Newest version spoken.
    pub version_max: u8,
    /// What the connection will be used for.
    pub role: PeerRole,
    /// Random.
    pub nonce: [u8; 16],
    /// Name of the program, for the other end's log; at most 64 bytes are used.
    pub program: String,
}

/// The accepting end's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// The version to be used.
    pub version: u8,
    /// Random.
    pub nonce: [u8; 16],
    /// Proof of [`Side::Accepting`].
    pub proof: HelloMac,
}

/// The connecting end's proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirm {
    /// Proof of [`Side::Connecting`].
    pub proof: HelloMac,
}

/// The connection is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome;

#[cfg(test)]
mod tests {
    use super::*;

    const NONCES: Nonces = Nonces {
        connecting: [1; 16],
        accepting: [2; 16],
    };

    #[test]
    fn a_secret_file_comes_back_and_bad_ones_are_refused() {
        let secret = Secret::new([0xab; 32]);
        assert_eq!(Secret::from_hex(&secret.to_hex()).unwrap().0, secret.0);
        for bad in ["", "ab", &"zz".repeat(32), &"ab".repeat(33)] {
            assert_eq!(Secret::from_hex(bad).unwrap_err(), BadSecret);
        }
    }

    #[test]
    fn a_proof_fits_one_secret_side_role_and_pair_of_nonces() {
        let secret = Secret::new([3; 32]);
        let proof = secret.prove(Side::Connecting, PeerRole::Client, &NONCES);
        let other = Nonces {
            connecting: [9; 16],
            ..NONCES
        };
        assert!(secret.verify(Side::Connecting, PeerRole::Client, &NONCES, &proof));
        assert!(!secret.verify(Side::Accepting, PeerRole::Client, &NONCES, &proof));
        assert!(!secret.verify(Side::Connecting, PeerRole::Server, &NONCES, &proof));
        assert!(!secret.verify(Side::Connecting, PeerRole::Client, &other, &proof));
        assert!(!secret.derive_client().verify(
            Side::Connecting,
            PeerRole::Client,
            &NONCES,
            &proof
        ));
    }
}
