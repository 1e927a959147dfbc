//! What a plain word means in YAML 1.1, the way `PyYAML` reads it.
//!
//! The original service read its files with `PyYAML` and coerced the values with pydantic; files written for it must load alike. So
//! `0443` is octal, `1:30` is sexagesimal, `1_000` is a thousand, and yes/no/on/off are booleans, but `y` and `n` are not.
//! Source: `PyYAML` 6 `resolver.py` and `constructor.py`; <https://yaml.org/type/int.html>, `float.html`, `bool.html`.

/// Whether a plain word is the absence of a value.
pub fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// A plain boolean. `y` and `n` are texts to `PyYAML`.
pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// A plain whole number: decimal, `0x`, `0b`, octal with a leading zero, or sexagesimal. Beyond 128 bits it is the nearest bound.
pub fn integer(text: &str) -> Option<i128> {
    let (negative, unsigned) = sign(text);
    let magnitude = if unsigned == "0" {
        0
    } else if let Some(digits) = unsigned.strip_prefix("0x") {
        radix(digits, 16)?
    } else if let Some(digits) = unsigned.strip_prefix("0b") {
        radix(digits, 2)?
    } else if let Some(digits) = unsigned.strip_prefix('0') {
        radix(digits, 8)?
    } else if unsigned.contains(':') {
        sexagesimal(unsigned)?
    } else {
        radix(unsigned, 10)?
    };
    Some(if negative { -magnitude } else { magnitude })
}

/// A plain number with a point: `1.5`, `.5`, `1.`, `1.5e+3`, `1:30.5`, `.inf`, `.nan`.
pub fn float(text: &str) -> Option<f64> {
    let (negative, unsigned) = sign(text);
    let magnitude = match unsigned {
        ".inf" | ".Inf" | ".INF" => f64::INFINITY,
        ".nan" | ".NaN" | ".NAN" if unsigned.len() == text.len() => f64::NAN,
        _ => decimal(unsigned)?,
    };
    Some(if negative { -magnitude } else { magnitude })
}

fn sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// Digits and underscores; the first of a decimal number is a digit other than zero.
fn radix(digits: &str, radix: u32) -> Option<i128> {
    let is_digit = |byte: u8| byte == b'_' || char::from(byte).is_digit(radix);
    let first = digits.bytes().next()?;
    if !digits.bytes().all(is_digit) || (radix == 10 && !(b'1'..=b'9').contains(&first)) {
        return None;
    }
    let mut value: i128 = 0;
    let mut any = false;
    for digit in digits.chars().filter_map(|c| c.to_digit(radix)) {
        value = value
            .saturating_mul(i128::from(radix))
            .saturating_add(i128::from(digit));
        any = true;
    }
    any.then_some(value)
}

/// `1:30` is 90: base 60, as YAML 1.1 has it for times and angles.
fn sexagesimal(text: &str) -> Option<i128> {
    let mut parts = text.split(':');
    let mut value = radix(parts.next()?, 10)?;
    for part in parts {
        value = value.saturating_mul(60).saturating_add(sixtieth(part)?);
    }
    Some(value)
}

/// `0` to `59`, in one or two digits.
fn sixtieth(part: &str) -> Option<i128> {
    let valid = matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']);
    valid.then(|| part.parse().ok()).flatten()
}

fn decimal(unsigned: &str) -> Option<f64> {
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        // the sign of the exponent is obligatory: `1.5e3` is a text to `PyYAML`
        Some(at) => (&unsigned[..at], Some(exponent(&unsigned[at + 1..])?)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.')?;
    let is_digits = |part: &str| {
        part.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'_')
    };
    if !is_digits(fraction) {
        return None;
    }
    if whole.contains(':') {
        return (exponent.is_none() && whole.starts_with(|c: char| c.is_ascii_digit()))
            .then(|| sexagesimal_float(whole, fraction))
            .flatten();
    }
    let begins_well = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    if !is_digits(whole) || !(begins_well(whole) || (whole.is_empty() && begins_well(fraction))) {
        return None;
    }
    let exponent = exponent.unwrap_or("0");
    format!("{whole}.{fraction}e{exponent}")
        .replace('_', "")
        .parse()
        .ok()
}

/// What follows the `e`.
fn exponent(text: &str) -> Option<&str> {
    let digits = text.strip_prefix(['-', '+'])?;
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

fn sexagesimal_float(whole: &str, fraction: &str) -> Option<f64> {
    let mut parts = whole.split(':');
    let mut value: f64 = parts.next()?.replace('_', "").parse().ok()?;
    for part in parts {
        value = value * 60.0 + sixtieth(part)? as f64;
    }
    let fraction: f64 = format!("0.{fraction}").replace('_', "").parse().ok()?;
    Some(value + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_those_of_pyyaml() {
        for (text, value) in [
            ("0", 0),
            ("30", 30),
            ("+30", 30),
            ("-1", -1),
            ("1_000", 1_000),
            ("0443", 0o443),
            ("0x1F", 31),
            ("0b101", 5),
            ("1:30", 90),
            ("1:00:00", 3_600),
        ] {
            assert_eq!(integer(text), Some(value), "{text}");
        }
        for text in [
            "", "_1", "08", "0o17", "1.0", "1e3", "1:60", "0x", "0b2", "١", "30s", "-", "1:",
        ] {
            assert_eq!(integer(text), None, "{text}");
        }
    }

    #[test]
    fn an_enormous_number_is_still_a_number() {
        assert_eq!(integer(&"9".repeat(100)), Some(i128::MAX));
    }

    #[test]
    fn numbers_with_a_point_are_those_of_pyyaml() {
        for (text, value) in [
            ("1.5", 1.5),
            (".5", 0.5),
            ("1.", 1.0),
            ("-2.50", -2.5),
            ("1_0.2_5", 10.25),
            ("1.5e+3", 1_500.0),
            ("1.5E-1", 0.15),
            ("1:30.5", 90.5),
            (".inf", f64::INFINITY),
        ] {
            assert_eq!(float(text), Some(value), "{text}");
        }
        assert!(float(".nan").is_some_and(f64::is_nan));
        for text in [
            "", ".", "1", "1e3", "1.5e3", "-.nan", "._5", "1.5.5", "a.b", "1:30", "inf",
        ] {
            assert_eq!(float(text), None, "{text}");
        }
    }

    #[test]
    fn y_and_n_are_texts() {
        assert_eq!(boolean("yes"), Some(true));
        assert_eq!(boolean("OFF"), Some(false));
        for text in ["y", "n", "Y", "yEs", "1", ""] {
            assert_eq!(boolean(text), None, "{text}");
        }
    }
}
