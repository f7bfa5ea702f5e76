//! Times of a recording as people give them: `9.8s`, `2m30s`, `50%`.

use std::str::FromStr;

/// A time since the start of a recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TimePoint {
    /// Nanoseconds since the start.
    Elapsed(u64),
    /// A part of the whole, from 0 to 1.
    Part(f64),
}

impl TimePoint {
    /// Nanoseconds since the start of a recording that took so long.
    #[must_use]
    pub fn resolve(self, duration_ns: u64) -> u64 {
        match self {
            Self::Elapsed(nanoseconds) => nanoseconds.min(duration_ns),
            Self::Part(part) if part >= 1.0 => duration_ns,
            Self::Part(part) => (duration_ns as f64 * part) as u64,
        }
    }
}

const UNITS: [(&str, f64); 6] =
    [("ms", 1e6), ("min", 6e10), ("d", 8.64e13), ("h", 3.6e12), ("m", 6e10), ("s", 1e9)];

impl FromStr for TimePoint {
    type Err = String;

    /// Reads a percentage, or numbers with units (`d`, `h`, `min` or `m`, `s`, `ms`); a number alone is seconds.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "not a time such as 9.8s, 2m30s or 50%".to_owned();
        let number = |text: &str| -> Result<f64, String> {
            let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            if plain { text.parse().map_err(|_| wrong()) } else { Err(wrong()) }
        };
        if let Some(percent) = text.strip_suffix('%') {
            let part = number(percent.trim_end())? / 100.0;
            return if part <= 1.0 { Ok(Self::Part(part)) } else { Err("more than 100%".to_owned()) };
        }
        let mut nanoseconds = 0.0;
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(wrong());
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let (value, behind) = (number(&rest[..digits])?, rest[digits..].trim_start());
            let (unit, factor) = match UNITS.iter().find(|(unit, _)| behind.starts_with(unit)) {
                Some(found) => *found,
                None if behind.is_empty() => ("", 1e9),
                None => return Err(wrong()),
            };
            nanoseconds += value * factor;
            rest = behind[unit.len()..].trim_start();
        }
        Ok(Self::Elapsed(nanoseconds as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, seconds) in [
            ("9.8s", 9.8),
            ("9.8 s", 9.8),
            ("3", 3.0),
            ("850ms", 0.85),
            ("2m30s", 150.0),
            ("2 min 30 s", 150.0),
            ("1h", 3600.0),
            ("1d 2h", 93_600.0),
        ] {
            let TimePoint::Elapsed(found) = text.parse().expect(text) else { panic!("{text}") };
            assert_eq!(found, (seconds * 1e9) as u64, "{text}");
        }
        assert_eq!("50%".parse(), Ok(TimePoint::Part(0.5)));
        assert_eq!("12.5 %".parse(), Ok(TimePoint::Part(0.125)));
        for text in ["", " ", "x", "-1s", "1e3", "5 parsecs", "101%", "%", "s", "1.2.3s", "inf", "1s50%"] {
            assert!(text.parse::<TimePoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_is_never_behind_the_end() {
        assert_eq!(TimePoint::Elapsed(5).resolve(3), 3);
        assert_eq!(TimePoint::Part(0.5).resolve(10), 5);
        assert_eq!(TimePoint::Part(1.0).resolve(u64::MAX), u64::MAX);
        assert_eq!(TimePoint::Part(0.0).resolve(10), 0);
    }
}
