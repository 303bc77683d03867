//! Policies as people write and read them.

use eggs_proto::{ExtentPolicy, ExtentRow, Policy, PolicyKind, PolicySet, Scheme};

use super::size::{parse_size, show_size};
use super::time::{parse_span, show_span};
use crate::args::{Keep, PolicyValue};

/// A kind of policy on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum PolicyName {
    /// How long old versions are kept.
    Snapshot,
    /// Erasure scheme by extent size.
    Extent,
    /// Class of disk by extent size.
    Class,
    /// Data bytes of one stripe.
    Stripe,
    /// Largest file that is kept in the metadata.
    Inline,
}

impl From<PolicyName> for PolicyKind {
    fn from(name: PolicyName) -> Self {
        match name {
            PolicyName::Snapshot => Self::Snapshot,
            PolicyName::Extent => Self::Extent,
            PolicyName::Class => Self::Class,
            PolicyName::Stripe => Self::Stripe,
            PolicyName::Inline => Self::Inline,
        }
    }
}

/// Rows of an extent policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtentRows(pub Vec<ExtentRow>);

/// Reads `64K=1+4,1M=4+4,20M=10+4`.
pub fn parse_rows(text: &str) -> Result<ExtentRows, String> {
    let rows: Result<Vec<ExtentRow>, String> = text.split(',').map(parse_row).collect();
    let policy = ExtentPolicy { rows: rows? };
    Policy::Extent(policy.clone())
        .validate()
        .map_err(|error| error.to_string())?;
    Ok(ExtentRows(policy.rows))
}

fn parse_row(text: &str) -> Result<ExtentRow, String> {
    let bad = || format!("'{text}' is not a row such as 1M=4+4");
    let (size, scheme) = text.split_once('=').ok_or_else(bad)?;
    let (data, parity) = scheme.split_once('+').ok_or_else(bad)?;
    Ok(ExtentRow {
        extent_bytes_max: parse_size(size)?,
        scheme: Scheme {
            data: data.parse().map_err(|_| bad())?,
            parity: parity.parse().map_err(|_| bad())?,
        },
    })
}

/// Reads `10s`, `30d` or `forever`.
pub fn parse_keep(text: &str) -> Result<Keep, String> {
    match text {
        "forever" => Ok(Keep(None)),
        span => parse_span(span).map(|ms| Keep(Some(ms))),
    }
}

/// The policy that was asked for.
pub(crate) fn policy_of(value: PolicyValue) -> Result<Policy, String> {
    let narrow = |size: u64| u32::try_from(size).map_err(|_| format!("{size} bytes are too many"));
    let policy = match value {
        PolicyValue::Snapshot { keep, versions } => Policy::Snapshot(eggs_proto::SnapshotPolicy {
            keep_ms: keep.0,
            keep_versions: versions,
        }),
        PolicyValue::Extent { rows } => Policy::Extent(ExtentPolicy { rows: rows.0 }),
        PolicyValue::Class { flash_max } => Policy::Class(eggs_proto::ClassPolicy {
            flash_bytes_max: flash_max,
        }),
        PolicyValue::Stripe { size } => Policy::Stripe(eggs_proto::StripePolicy {
            stripe_bytes: narrow(size)?,
        }),
        PolicyValue::Inline { size } => Policy::Inline(eggs_proto::InlinePolicy {
            inline_bytes_max: narrow(size)?,
        }),
    };
    policy.validate().map_err(|error| error.to_string())?;
    Ok(policy)
}

/// Name and value of a policy.
pub(crate) fn show(policy: &Policy) -> (&'static str, String) {
    match policy {
        Policy::Snapshot(policy) => {
            let keep = policy.keep_ms.map_or("forever".to_owned(), show_span);
            let versions = policy
                .keep_versions
                .map(|n| format!(", at most {n} versions"));
            (
                "snapshot",
                format!("keep {keep}{}", versions.unwrap_or_default()),
            )
        }
        Policy::Extent(policy) => {
            let rows = policy.rows.iter();
            let rows =
                rows.map(|row| format!("{}={}", show_size(row.extent_bytes_max), row.scheme));
            ("extent", rows.collect::<Vec<_>>().join(","))
        }
        Policy::Class(policy) => {
            let max = show_size(policy.flash_bytes_max);
            ("class", format!("flash up to {max}, then HDD"))
        }
        Policy::Stripe(policy) => ("stripe", show_size(policy.stripe_bytes.into())),
        Policy::Inline(policy) => (
            "inline",
            format!("up to {}", show_size(policy.inline_bytes_max.into())),
        ),
    }
}

/// All policies of a set.
pub(crate) fn all(set: &PolicySet) -> [Policy; 5] {
    [
        Policy::Snapshot(set.snapshot),
        Policy::Extent(set.extent.clone()),
        Policy::Class(set.class),
        Policy::Stripe(set.stripe),
        Policy::Inline(set.inline),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back() {
        let text = "64K=1+4,1M=4+4,20M=10+4";
        let rows = parse_rows(text).unwrap().0;
        assert_eq!(
            show(&Policy::Extent(ExtentPolicy { rows })),
            ("extent", text.to_owned())
        );
        for bad in ["", "1M", "1M=4", "1M=0+4", "1M=4+4,64K=1+4", "1M=17+4"] {
            assert!(parse_rows(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_defaults_are_shown_in_words() {
        let shown: Vec<String> = all(&PolicySet::default())
            .iter()
            .map(|policy| format!("{}: {}", show(policy).0, show(policy).1))
            .collect();
        assert_eq!(
            shown,
            [
                "snapshot: keep 1d",
                "extent: 64K=1+4,1M=4+4,20M=10+4",
                "class: flash up to 1M, then HDD",
                "stripe: 1M",
                "inline: up to 4K",
            ]
        );
    }
}
