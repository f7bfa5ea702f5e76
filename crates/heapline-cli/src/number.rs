//! Numbers as people read them: bytes in decimal units, counts with separators, durations, shares.

/// Bytes with one decimal: `61.3 MB`. Units are decimal (1 kB = 1000 B), as disks and tracing tools count.
#[must_use]
pub fn bytes(count: u64) -> String {
    scaled(count, 1)
}

/// A sampling interval as it was asked for: `512 KiB`. One that the recorder has chosen is no round number: `1.3 MB`.
#[must_use]
pub fn interval(count: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let whole = units.into_iter().find(|(_, bits)| count >= 1 << bits && count.is_multiple_of(1 << bits));
    whole.map_or_else(|| bytes_rounded(count), |(unit, bits)| format!("{} {unit}", count >> bits))
}

/// Bytes with about two or three digits, for values that are themselves approximate: `201 MB`, `9.8 MB`.
#[must_use]
pub fn bytes_rounded(count: u64) -> String {
    let precise = scaled(count, 1);
    if precise.find('.').is_some_and(|point| point >= 2) { scaled(count, 0) } else { precise }
}

fn scaled(count: u64, decimals: usize) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if count < 1000 {
        return format!("{count} B");
    }
    // Rounding happens on integers, so that 999,950 is "1.0 MB" and never "1000.0 kB".
    let per_unit = 10_u128.pow(u32::try_from(decimals).unwrap_or(0));
    let mut divisor = 1000_u128;
    let mut units = UNITS.iter().peekable();
    loop {
        let unit = units.next().unwrap_or(&"EB");
        let parts = (u128::from(count) * per_unit + divisor / 2) / divisor;
        if parts < 1000 * per_unit || units.peek().is_none() {
            let (whole, fraction) = (parts / per_unit, parts % per_unit);
            return if decimals == 0 {
                format!("{whole} {unit}")
            } else {
                format!("{whole}.{fraction} {unit}")
            };
        }
        divisor *= 1000;
    }
}

/// A change with its sign, its size through a function of this module: `+61.3 MB`, `-3`, and no sign for 0.
#[must_use]
pub fn change(change: i128, amount: impl Fn(u64) -> String) -> String {
    let sign = match change {
        0 => "",
        1.. => "+",
        _ => "-",
    };
    format!("{sign}{}", amount(u64::try_from(change.unsigned_abs()).unwrap_or(u64::MAX)))
}

/// A change in parts of what it began at: `+12 %`, `-100 %`, `<1 %` for what is there but small. Empty when it began at 0.
#[must_use]
pub fn relative_change(change: i128, whole: u64) -> String {
    if whole == 0 {
        return String::new();
    }
    let whole = u128::from(whole);
    let percent = (change.unsigned_abs().saturating_mul(100) + whole / 2) / whole;
    if percent == 0 && change != 0 {
        return "<1 %".to_owned();
    }
    let percent = i128::try_from(percent).unwrap_or(i128::MAX);
    format!("{} %", self::change(if change < 0 { -percent } else { percent }, count))
}

/// A count with thousands separators: `41,203,117`.
#[must_use]
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count and its noun: `1 block`, `212,004 blocks`.
#[must_use]
pub fn counted(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(value), if value == 1 { one } else { many })
}

/// A duration: `<10 ms` (the recorder's clock is no finer), `850 ms`, `12.4 s`, `3 min 20 s`, `2 h 05 min`,
/// `7 d 03 h`.
#[must_use]
pub fn duration(nanoseconds: u64) -> String {
    let milliseconds = rounded(nanoseconds, 1_000_000);
    let tenths = rounded(nanoseconds, 100_000_000);
    let seconds = rounded(nanoseconds, 1_000_000_000);
    let minutes = rounded(nanoseconds, 60_000_000_000);
    let hours = rounded(nanoseconds, 3_600_000_000_000);
    if nanoseconds < 10_000_000 {
        "<10 ms".to_owned()
    } else if milliseconds < 1000 {
        format!("{milliseconds} ms")
    } else if tenths < 600 {
        format!("{}.{} s", tenths / 10, tenths % 10)
    } else if seconds < 3600 {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    } else if minutes < 48 * 60 {
        format!("{} h {:02} min", minutes / 60, minutes % 60)
    } else {
        format!("{} d {:02} h", hours / 24, hours % 24)
    }
}

/// Processor time, of which the clock is finer than that of the recorder: `<1 ms`, `8 ms`, and from 10 ms on as
/// [`duration`].
#[must_use]
pub fn cpu_time(nanoseconds: u64) -> String {
    match nanoseconds {
        ..1_000_000 => "<1 ms".to_owned(),
        1_000_000..10_000_000 => format!("{} ms", rounded(nanoseconds, 1_000_000)),
        _ => duration(nanoseconds),
    }
}

/// A time at which one stretch ends and the next begins, so that short ones can be told apart: `0`, `8 ms`, `2.48 s`,
/// and from 10 s on as [`duration`].
#[must_use]
pub fn boundary(nanoseconds: u64) -> String {
    let (milliseconds, hundredths) = (rounded(nanoseconds, 1_000_000), rounded(nanoseconds, 10_000_000));
    match () {
        () if nanoseconds == 0 => "0".to_owned(),
        () if milliseconds < 1000 => format!("{milliseconds} ms"),
        () if hundredths < 1000 => format!("{}.{:02} s", hundredths / 100, hundredths % 100),
        () => duration(nanoseconds),
    }
}

/// A duration with little precision, for columns: `0.9 s`, `12 s`, `3 min`, `2 h`.
#[must_use]
pub fn duration_rounded(nanoseconds: u64) -> String {
    let tenths = rounded(nanoseconds, 100_000_000);
    let seconds = rounded(nanoseconds, 1_000_000_000);
    let minutes = rounded(nanoseconds, 60_000_000_000);
    let hours = rounded(nanoseconds, 3_600_000_000_000);
    match () {
        () if nanoseconds == 0 => "0".to_owned(),
        () if tenths < 10 => format!("{} ms", rounded(nanoseconds, 1_000_000)),
        () if tenths < 100 => format!("{}.{} s", tenths / 10, tenths % 10),
        () if seconds < 120 => format!("{seconds} s"),
        () if minutes < 120 => format!("{minutes} min"),
        () if hours < 48 => format!("{hours} h"),
        () => format!("{} d", rounded(nanoseconds, 86_400_000_000_000)),
    }
}

/// A rate of growth: `12.3 kB/s`; slow ones by the hour or day.
#[must_use]
pub fn rate(bytes_per_s: f64) -> String {
    rate_as(bytes_per_s, bytes)
}

/// The same with about two or three digits: `12 kB/s`.
#[must_use]
pub fn rate_rounded(bytes_per_s: f64) -> String {
    rate_as(bytes_per_s, bytes_rounded)
}

fn rate_as(bytes_per_s: f64, amount: fn(u64) -> String) -> String {
    let (value, unit) = match bytes_per_s {
        rate if rate >= 1.0 => (rate, "s"),
        rate if rate * 3600.0 >= 1.0 => (rate * 3600.0, "h"),
        rate => (rate * 86_400.0, "d"),
    };
    format!("{}/{unit}", amount(value.round() as u64))
}

fn rounded(value: u64, unit: u64) -> u64 {
    value / unit + u64::from(value % unit >= unit / 2)
}

/// A part of a whole: `41 %`; `<1 %` for what is there but small, `>99 %` for what is not quite all. Empty when there is no whole.
#[must_use]
pub fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return String::new();
    }
    let percent = (u128::from(part) * 100 + u128::from(whole) / 2) / u128::from(whole);
    match percent {
        0 if part > 0 => "<1 %".to_owned(),
        100 if part < whole => ">99 %".to_owned(),
        _ => format!("{percent} %"),
    }
}

/// `part` of `whole` in eighths of `length` cells, at most all of them.
#[must_use]
pub fn eighths(part: u64, whole: u64, length: usize) -> usize {
    if whole == 0 {
        return 0;
    }
    let all = (length * 8) as u128;
    let filled = (u128::from(part) * all + u128::from(whole) / 2) / u128::from(whole);
    usize::try_from(filled.min(all)).unwrap_or(length * 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_have_a_sign() {
        assert_eq!(change(61_300_000, bytes), "+61.3 MB");
        assert_eq!(change(-1234, count), "-1,234");
        assert_eq!(change(0, bytes), "0 B");
        assert_eq!(change(-i128::from(u64::MAX), bytes), "-18.4 EB");
        assert_eq!(relative_change(5, 10), "+50 %");
        assert_eq!(relative_change(-10, 10), "-100 %");
        assert_eq!(relative_change(123_450, 1000), "+12,345 %");
        assert_eq!(relative_change(-1, 1000), "<1 %");
        assert_eq!(relative_change(0, 10), "0 %");
        assert_eq!(relative_change(5, 0), "");
    }

    #[test]
    fn bytes_take_the_unit_that_leaves_one_to_three_digits() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1049, "1.0 kB"),
            (1050, "1.1 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (61_300_000, "61.3 MB"),
            (148_249_999, "148.2 MB"),
            (1_500_000_000_000, "1.5 TB"),
            (u64::MAX, "18.4 EB"),
        ];
        for (value, text) in cases {
            assert_eq!(bytes(value), text);
        }
    }

    #[test]
    fn rounded_bytes_drop_the_decimal_where_it_says_little() {
        let cases =
            [(9_840_000, "9.8 MB"), (201_400_000, "201 MB"), (12_600_000, "13 MB"), (999_999, "1.0 MB")];
        for (value, text) in cases {
            assert_eq!(bytes_rounded(value), text);
        }
    }

    #[test]
    fn counts_have_separators() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1000), "1,000");
        assert_eq!(count(41_203_117), "41,203,117");
        assert_eq!(counted(1, "block", "blocks"), "1 block");
        assert_eq!(counted(0, "block", "blocks"), "0 blocks");
    }

    #[test]
    fn processor_time_is_finer_than_the_recorders_clock() {
        for (nanoseconds, text) in [
            (0, "<1 ms"),
            (999_999, "<1 ms"),
            (1_000_000, "1 ms"),
            (9_499_999, "9 ms"),
            (9_999_999, "10 ms"),
            (10_000_000, "10 ms"),
            (1_234_000_000, "1.2 s"),
        ] {
            assert_eq!(cpu_time(nanoseconds), text);
        }
    }

    #[test]
    fn durations_never_show_sixty_of_anything() {
        let cases: [(u64, &str); 14] = [
            (0, "<10 ms"),
            (9_999_999, "<10 ms"),
            (10_000_000, "10 ms"),
            (850_400_000, "850 ms"),
            (999_600_000, "1.0 s"),
            (12_400_000_000, "12.4 s"),
            (59_940_000_000, "59.9 s"),
            (59_960_000_000, "1 min 00 s"),
            (200_000_000_000, "3 min 20 s"),
            (3_599_600_000_000, "1 h 00 min"),
            (7_500_000_000_000, "2 h 05 min"),
            (172_740_000_000_000, "47 h 59 min"),
            (172_799_000_000_000, "2 d 00 h"),
            (615_600_000_000_000, "7 d 03 h"),
        ];
        for (value, text) in cases {
            assert_eq!(duration(value), text);
        }
    }

    #[test]
    fn boundaries_of_short_stretches_are_told_apart() {
        let cases: [(u64, &str); 7] = [
            (0, "0"),
            (3_145_728, "3 ms"),
            (999_600_000, "1.00 s"),
            (2_451_570_688, "2.45 s"),
            (2_545_942_528, "2.55 s"),
            (9_996_000_000, "10.0 s"),
            (200_000_000_000, "3 min 20 s"),
        ];
        for (value, text) in cases {
            assert_eq!(boundary(value), text);
        }
    }

    #[test]
    fn rates_take_the_unit_in_which_they_are_something() {
        for (rate, text) in [(12_345.6, "12.3 kB/s"), (1.0, "1 B/s"), (0.5, "1.8 kB/h"), (0.0001, "9 B/d")] {
            assert_eq!(super::rate(rate), text);
        }
    }

    #[test]
    fn rounded_durations_are_short() {
        for (seconds, text) in [
            (0.0, "0"),
            (0.256, "256 ms"),
            (0.94, "940 ms"),
            (0.96, "1.0 s"),
            (9.94, "9.9 s"),
            (59.0, "59 s"),
            (200.0, "3 min"),
            (7_500.0, "2 h"),
            (900_000.0, "10 d"),
        ] {
            assert_eq!(duration_rounded((seconds * 1e9) as u64), text);
        }
    }

    #[test]
    fn shares_never_hide_what_is_there() {
        assert_eq!(share(41, 100), "41 %");
        assert_eq!(share(1, 1_000_000), "<1 %");
        assert_eq!(share(999, 1000), ">99 %");
        assert_eq!(share(0, 10), "0 %");
        assert_eq!(share(5, 0), "");
        assert_eq!(share(u64::MAX, u64::MAX), "100 %");
        assert_eq!(eighths(1, 2, 5), 20);
        assert_eq!(eighths(9, 2, 5), 40);
        assert_eq!(eighths(1, 0, 5), 0);
    }
}
