//! A strict reader of WebVTT files: the syntax that the W3C asks of authors, of which players accept more.

use crate::srt_parser::time;

/// A cue with its times and what each voice says in it.
#[derive(Debug, PartialEq, Eq)]
pub struct VttCue {
    pub start: u64,
    pub end: u64,
    /// The name of the voice and its text, with its line breaks.
    pub voices: Vec<(Option<String>, String)>,
}

/// Reads a file, or says what is wrong with it.
pub fn parse(file: &str) -> Result<Vec<VttCue>, String> {
    if file.contains(['\r', '\0']) {
        return Err("there is a carriage return or a null character".into());
    }
    let body = file.strip_prefix("WEBVTT\n").ok_or("the signature is missing")?;
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let body = body.strip_prefix('\n').ok_or("no empty line after the signature")?;
    let body = body.strip_suffix('\n').ok_or("the last line has no end")?;
    let mut cues: Vec<VttCue> = Vec::new();
    for block in body.split("\n\n") {
        if block.is_empty() || block.starts_with('\n') || block.ends_with('\n') {
            return Err("there is more than one empty line".into());
        }
        if let Some(note) = block.strip_prefix("NOTE") {
            if !note.starts_with(['\n', ' ', '\t']) || note.contains("-->") {
                return Err(format!("wrong note: {block:?}"));
            }
            continue;
        }
        let cue = cue(block)?;
        if cues.last().is_some_and(|before| before.start > cue.start) {
            return Err(format!("the times go back: {block:?}"));
        }
        cues.push(cue);
    }
    Ok(cues)
}

fn cue(block: &str) -> Result<VttCue, String> {
    let (times, payload) = block.split_once('\n').ok_or_else(|| format!("no payload: {block:?}"))?;
    let (start, end) = times.split_once(" --> ").ok_or_else(|| format!("no times: {times:?}"))?;
    let (start, end) = (time(start, '.')?, time(end, '.')?);
    if end <= start || payload.contains("-->") {
        return Err(format!("wrong cue: {block:?}"));
    }
    Ok(VttCue { start, end, voices: voices(payload)? })
}

/// Cue text: spans of text and references, and voice spans, which must be closed.
fn voices(payload: &str) -> Result<Vec<(Option<String>, String)>, String> {
    let (mut voices, mut rest) = (Vec::new(), payload);
    while !rest.is_empty() {
        let open = rest.find('<').unwrap_or(rest.len());
        let (plain, from_tag) = rest.split_at(open);
        if !plain.trim_matches('\n').is_empty() {
            voices.push((None, characters(plain.trim_matches('\n'), "")?));
        }
        if from_tag.is_empty() {
            break;
        }
        let tag = from_tag.strip_prefix("<v ").ok_or_else(|| format!("not a voice: {from_tag:?}"))?;
        let (name, said) = tag.split_once('>').ok_or("a tag is not closed")?;
        let (said, after) = said.split_once("</v>").ok_or("a voice is not closed")?;
        if name.trim().is_empty() || name.trim() != name {
            return Err(format!("wrong name: {name:?}"));
        }
        voices.push((Some(characters(name, "\n")?), characters(said, "")?));
        rest = after;
    }
    Ok(voices)
}

/// Text in which `&` begins a reference. `<` and `>` and what is forbidden must not stand in it.
fn characters(text: &str, forbidden: &str) -> Result<String, String> {
    let (mut read, mut rest) = (String::new(), text);
    while let Some(c) = rest.chars().next() {
        let references = [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>')];
        let reference = references.into_iter().find(|(reference, _)| rest.starts_with(reference));
        let length = match reference {
            Some((reference, meant)) => {
                read.push(meant);
                reference.len()
            }
            None if "&<>".contains(c) || forbidden.contains(c) => {
                return Err(format!("{c:?} is not escaped in {text:?}"));
            }
            None => {
                read.push(c);
                c.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    Ok(read)
}
