//! A strict reader of CSV files by RFC 4180.

/// The rows of a file, or what is wrong with it.
pub fn parse(file: &str) -> Result<Vec<Vec<String>>, String> {
    let (mut rows, mut row, mut rest) = (Vec::new(), Vec::new(), file);
    while !rest.is_empty() {
        let (cell, after) = rest.strip_prefix('"').map_or_else(|| plain(rest), quoted)?;
        row.push(cell);
        rest = match (after.strip_prefix(','), after.strip_prefix("\r\n")) {
            (Some(rest), _) => rest,
            (_, Some(rest)) => {
                rows.push(std::mem::take(&mut row));
                rest
            }
            _ => return Err(format!("neither a comma nor a line break: {after:.20?}")),
        };
    }
    if !row.is_empty() {
        return Err("the last row has no line break".into());
    }
    Ok(rows)
}

fn quoted(text: &str) -> Result<(String, &str), String> {
    let (mut cell, mut rest) = (String::new(), text);
    loop {
        let (before, after) = rest.split_once('"').ok_or("a quote is not closed")?;
        cell.push_str(before);
        match after.strip_prefix('"') {
            Some(after) => {
                cell.push('"');
                rest = after;
            }
            None => return Ok((cell, after)),
        }
    }
}

fn plain(text: &str) -> Result<(String, &str), String> {
    let end = text.find([',', '\r']).ok_or("the file is cut off")?;
    let cell = &text[..end];
    if cell.contains(['"', '\n']) {
        Err(format!("a cell needs quotes: {cell:?}"))
    } else {
        Ok((cell.to_owned(), &text[end..]))
    }
}
