//! How few blocks are to be recorded, as people write it: `--sample 512k`, `--max-overhead 1%`.

/// How blocks are sampled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Mean bytes between samples, from 2 to [`Sampling::WIDEST_INTERVAL`].
    pub interval: u64,
    /// Largest share of the program's processor time that recording may take, above 0 and below 1; `None`: whatever it takes.
    pub most_overhead: Option<f64>,
}

impl Sampling {
    /// The interval of those who only say how much recording may cost.
    pub const DEFAULT_INTERVAL: u64 = 512 << 10;
    /// The widest interval.
    pub const WIDEST_INTERVAL: u64 = 64 << 20;

    /// From what was asked for: a mean interval in bytes, where 1 records every block, and a share of the processor time.
    ///
    /// # Errors
    /// One line that says what can be asked for; it begins with what was wrong, as `names` call it.
    pub fn new(
        interval: Option<u64>,
        most_overhead: Option<f64>,
        names: [&str; 2],
    ) -> Result<Option<Self>, String> {
        let [interval_name, overhead_name] = names;
        let widest = Self::WIDEST_INTERVAL;
        if let Some(share) = most_overhead
            && !(share > 0.0 && share < 1.0)
        {
            return Err(format!("{overhead_name} must be above 0 and below 100 %"));
        }
        match interval {
            Some(interval) if !(1..=widest).contains(&interval) => Err(format!(
                "{interval_name} must be from 1 byte, which records every allocation, to {widest} (64 MiB)"
            )),
            Some(1) if most_overhead.is_some() => Err(format!(
                "{overhead_name} needs samples: every allocation is recorded where {interval_name} is 1"
            )),
            None if most_overhead.is_none() => Ok(None),
            Some(1) => Ok(None),
            interval => {
                Ok(Some(Self { interval: interval.unwrap_or(Self::DEFAULT_INTERVAL), most_overhead }))
            }
        }
    }
}

/// Bytes as people write them: `524288`, `512k`, `1M`, `1G`, in steps of 1024.
///
/// # Errors
/// One line that says what can be given.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let wrong = || "give bytes, such as 512k, 1M or 65536".to_owned();
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit = match text[digits.len()..].to_ascii_lowercase().trim_end_matches("ib").trim_end_matches('b') {
        "" => 1_u64,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => return Err(wrong()),
    };
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(wrong());
    }
    // More than fits is more than can be asked for.
    Ok(digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).unwrap_or(u64::MAX))
}

/// A share as people write it: `1%`, `0.5 %`.
///
/// # Errors
/// As for [`parse_bytes`].
pub fn parse_share(text: &str) -> Result<f64, String> {
    let number = text.trim().strip_suffix('%').and_then(|percent| percent.trim().parse::<f64>().ok());
    let share = number.filter(|percent| percent.is_finite()).map(|percent| percent / 100.0);
    share.ok_or_else(|| "give a share of the program's time, such as 1%".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("512k", 512 << 10),
            ("512K", 512 << 10),
            ("64KiB", 64 << 10),
            ("1M", 1 << 20),
            ("1g", 1 << 30),
            ("1", 1),
            ("0", 0),
            ("9223372036854775808", 1 << 63),
            ("99999999999999999999999", u64::MAX),
            ("99999999999999999G", u64::MAX),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["512q", "-5", "", "k", "1.5M", "5 k", "1kk", "\u{0665}k", "0x10"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shares_are_per_cent() {
        assert_eq!(parse_share("1%"), Ok(0.01));
        assert_eq!(parse_share("0.5 %"), Ok(0.005));
        for text in ["1", "0.01", "%", "x%", "inf%", "nan%"] {
            assert!(parse_share(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let new = |interval, overhead| Sampling::new(interval, overhead, ["--sample", "--max-overhead"]);
        let sampling = |interval, most_overhead| Ok(Some(Sampling { interval, most_overhead }));
        assert_eq!(new(None, None), Ok(None));
        assert_eq!(new(Some(1), None), Ok(None));
        assert_eq!(new(Some(2), None), sampling(2, None));
        assert_eq!(new(Some(64 << 20), Some(0.01)), sampling(64 << 20, Some(0.01)));
        assert_eq!(new(None, Some(0.01)), sampling(512 << 10, Some(0.01)));
        for (interval, overhead) in [
            (Some(0), None),
            (Some((64 << 20) + 1), None),
            (Some(u64::MAX), None),
            (Some(1), Some(0.01)),
            (None, Some(0.0)),
            (None, Some(1.0)),
            (None, Some(-0.01)),
            (None, Some(f64::NAN)),
        ] {
            assert!(new(interval, overhead).is_err(), "{interval:?} {overhead:?}");
        }
        let refusal = new(Some(0), None).unwrap_err();
        assert!(refusal.starts_with("--sample must be from 1 byte"), "{refusal}");
    }
}
