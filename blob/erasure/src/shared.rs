//! One codec per scheme and process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use eggs_proto::Scheme;

use crate::{Codec, CodingError};

/// Never larger than the number of valid schemes.
static CODECS: Mutex<BTreeMap<Scheme, Arc<Codec>>> = Mutex::new(BTreeMap::new());

impl Codec {
    /// The codec of a scheme, made once.
    pub fn shared(scheme: Scheme) -> Result<Arc<Self>, CodingError> {
        let mut codecs = CODECS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(codec) = codecs.get(&scheme) {
            return Ok(codec.clone());
        }
        let codec = Arc::new(Self::new(scheme)?);
        codecs.insert(scheme, codec.clone());
        Ok(codec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_codec_is_made_once_and_bad_schemes_are_not_kept() {
        let scheme = Scheme { data: 3, parity: 2 };
        let (one, other) = (Codec::shared(scheme), Codec::shared(scheme));
        assert!(Arc::ptr_eq(&one.unwrap(), &other.unwrap()));
        let bad = Scheme { data: 0, parity: 2 };
        assert_eq!(Codec::shared(bad).unwrap_err(), CodingError::Scheme(bad));
    }
}
