//! Sizes in bytes, with binary suffixes.

pub use eggs_client::parse_size;

const UNITS: [(char, u32); 5] = [('K', 10), ('M', 20), ('G', 30), ('T', 40), ('P', 50)];

/// Shows a size with at most one decimal: `4K`, `1.5G`.
pub(crate) fn show_size(bytes: u64) -> String {
    let fitting = UNITS.iter().rev().find(|(_, shift)| bytes >= 1 << shift);
    let Some((letter, shift)) = fitting else {
        return format!("{bytes}B");
    };
    if bytes.is_multiple_of(1 << shift) {
        return format!("{}{letter}", bytes >> shift);
    }
    format!("{:.1}{letter}", bytes as f64 / f64::from(*shift).exp2())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1K"),
            (20 << 20, "20M"),
            ((3 << 30) / 2, "1.5G"),
        ] {
            assert_eq!(show_size(bytes), text);
        }
    }
}
