//! Sizes in bytes on command lines, with binary suffixes.

const UNITS: [(char, u32); 5] = [('K', 10), ('M', 20), ('G', 30), ('T', 40), ('P', 50)];

/// Reads `4096`, `64K`, `20M`, `1.5G`.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let bad = || format!("'{text}' is not a size such as 4096, 64K or 20M");
    let trimmed = text.trim_end_matches(['B', 'b']).trim_end_matches('i');
    let last = trimmed.chars().last().ok_or_else(bad)?.to_ascii_uppercase();
    let unit = UNITS.iter().find(|(letter, _)| *letter == last);
    let (number, shift) = match unit {
        Some((_, shift)) => (&trimmed[..trimmed.len() - 1], *shift),
        None => (trimmed, 0),
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(1 << shift).ok_or_else(bad);
    }
    let fraction: f64 = number.parse().map_err(|_| bad())?;
    let bytes = fraction * f64::from(shift).exp2();
    if shift == 0 || !(0.0..1e18).contains(&bytes) {
        return Err(bad());
    }
    Ok(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_come_back() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("64K", 65_536),
            ("20M", 20 << 20),
            ("1g", 1 << 30),
            ("1.5M", 3 << 19),
            ("4KiB", 4096),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "K", "-1", "1X", "1.5", "99999999P", "NaNK"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
