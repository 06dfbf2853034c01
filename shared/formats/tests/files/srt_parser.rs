//! A strict reader of SubRip files.

/// A cue with its times and its lines.
#[derive(Debug, PartialEq, Eq)]
pub struct SrtCue {
    pub start: u64,
    pub end: u64,
    pub lines: Vec<String>,
}

/// Reads a file, or says what is wrong with it.
pub fn parse(file: &str) -> Result<Vec<SrtCue>, String> {
    if file.contains('\r') {
        return Err("there is a carriage return".into());
    }
    if file.is_empty() {
        return Ok(Vec::new());
    }
    let body = file.strip_suffix("\n\n").ok_or("the last cue does not end with an empty line")?;
    body.split("\n\n").enumerate().map(|(at, block)| cue(at + 1, block)).collect()
}

fn cue(number: usize, block: &str) -> Result<SrtCue, String> {
    let mut lines = block.split('\n');
    if lines.next() != Some(&number.to_string()) {
        return Err(format!("cue {number} has another number: {block:?}"));
    }
    let times = lines.next().ok_or("a cue has no times")?;
    let (start, end) = times.split_once(" --> ").ok_or_else(|| format!("no times: {times:?}"))?;
    let lines: Vec<String> = lines.map(str::to_owned).collect();
    if lines.is_empty() || lines.iter().any(|line| line.contains("-->") || line.trim() != line || line.is_empty()) {
        return Err(format!("wrong lines: {block:?}"));
    }
    Ok(SrtCue { start: time(start, ',')?, end: time(end, ',')?, lines })
}

/// A time such as `01:02:03,004`, with two or more digits for the hours.
pub fn time(text: &str, separator: char) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no time");
    let (clock, ms) = text.split_once(separator).ok_or_else(wrong)?;
    let parts: Vec<&str> = clock.split(':').collect();
    let [hours, minutes, seconds] = parts[..] else { return Err(wrong()) };
    let number = |text: &str, digits: usize, limit: u64| {
        let is_number =
            text.bytes().all(|b| b.is_ascii_digit()) && text.len() >= 2 && (digits == 0 || text.len() == digits);
        text.parse().ok().filter(|n: &u64| is_number && *n < limit).ok_or_else(wrong)
    };
    let (hours, minutes) = (number(hours, 0, u64::MAX)?, number(minutes, 2, 60)?);
    Ok(((hours * 60 + minutes) * 60 + number(seconds, 2, 60)?) * 1000 + number(ms, 3, 1000)?)
}
