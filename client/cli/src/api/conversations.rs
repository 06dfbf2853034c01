//! The user's conversations.

use std::time::Duration;

use domain::Timestamp;
use formats::Conversation;
use serde::Deserialize;
use serde_json::Value;

use super::{Api, escaped};
use crate::messages::Message;

const PAGE: usize = 100;
/// The server lists conversations from the oldest to the newest. The newest are looked for in the last day, and in four
/// times as much as long as there are too few.
const FIRST_SPAN: Duration = Duration::from_secs(86_400);
const SPAN_FACTOR: u32 = 4;
/// After this, everything is listed: it is more than ten years.
const LONGEST_SPAN: Duration = Duration::from_secs(4096 * 86_400);

#[derive(Deserialize)]
struct Page {
    conversations: Vec<Value>,
    next_cursor: Option<String>,
}

/// Which conversations are asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Range {
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

impl Api {
    /// A conversation with all of its text, as it was sent.
    pub async fn conversation(&self, id: &str) -> Result<Value, Message> {
        let path = format!("/v2/conversations/{}", escaped(id));
        let first = self.get(&path).await.map_err(|message| match message {
            Message::Refused { code, .. } if code == "conversation_not_found" => {
                Message::NoSuchConversation { id: terminal::plain(id) }
            }
            other => other,
        })?;
        self.completed(first).await
    }

    /// The newest conversations of the range, the oldest of them first, with all of their text.
    pub async fn conversations(&self, range: Range, limit: usize, now: Timestamp) -> Result<Vec<Value>, Message> {
        let mut whole = Vec::new();
        for conversation in self.newest(range, limit, now).await? {
            whole.push(self.completed(conversation).await?);
        }
        Ok(whole)
    }

    async fn newest(&self, range: Range, limit: usize, now: Timestamp) -> Result<Vec<Value>, Message> {
        if range.from.is_some() {
            return self.last_of(range, limit).await;
        }
        let mut span = FIRST_SPAN;
        while span <= LONGEST_SPAN {
            let from = Some(range.to.unwrap_or(now) - span);
            let found = self.last_of(Range { from, ..range }, limit).await?;
            if found.len() >= limit {
                return Ok(found);
            }
            span *= SPAN_FACTOR;
        }
        self.last_of(range, limit).await
    }

    /// The last conversations of the range.
    async fn last_of(&self, range: Range, limit: usize) -> Result<Vec<Value>, Message> {
        let (mut last, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let mut path = format!("/v2/conversations?limit={PAGE}");
            range.from.iter().for_each(|from| path += &format!("&from={from}"));
            range.to.iter().for_each(|to| path += &format!("&to={to}"));
            cursor.iter().for_each(|cursor| path += &format!("&cursor={}", escaped(cursor)));
            let page: Page = serde_json::from_value(self.get(&path).await?)
                .map_err(|_| self.odd(&path, "something else than conversations"))?;
            let is_empty = page.conversations.is_empty();
            last.extend(page.conversations);
            // What is older than the newest is not kept.
            last.drain(..last.len().saturating_sub(limit));
            cursor = page.next_cursor;
            if cursor.is_none() || is_empty {
                return Ok(last);
            }
        }
    }

    /// The conversation with the segments that did not fit into its first page.
    async fn completed(&self, mut conversation: Value) -> Result<Value, Message> {
        let path = "/v2/conversations";
        let odd = || self.odd(path, "something else than a conversation");
        let id = conversation["id"].as_str().ok_or_else(odd)?.to_owned();
        let mut segments = conversation["segments"].as_array().ok_or_else(odd)?.clone();
        let mut cursor = conversation["next_cursor"].as_str().map(str::to_owned);
        while let Some(next) = cursor {
            let mut page = self.get(&format!("{path}/{}?cursor={}", escaped(&id), escaped(&next))).await?;
            let more = page["segments"].as_array_mut().ok_or_else(odd)?;
            if more.is_empty() {
                break;
            }
            segments.append(more);
            cursor = page["next_cursor"].as_str().map(str::to_owned);
        }
        conversation["segments"] = segments.into();
        conversation["next_cursor"] = Value::Null;
        Ok(conversation)
    }

    /// What was sent, as a conversation.
    pub fn read_conversation(&self, body: &Value) -> Result<Conversation, Message> {
        Conversation::deserialize(body).map_err(|_| self.odd("/v2/conversations", "something else than a conversation"))
    }
}
