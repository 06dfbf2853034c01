//! A raw TCP client: it sends what no HTTP library would send.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::wait::PATIENCE;

/// The kernel's receive buffer for a client that does not read.
const RECEIVE_BUFFER: u32 = 4096;

pub struct Wire {
    stream: TcpStream,
}

/// The bytes that came back: one answer, or several in a row.
#[derive(Debug)]
pub struct Reply {
    pub text: String,
}

impl Wire {
    pub async fn dial(url: &str) -> Self {
        let address = url.strip_prefix("http://").unwrap();
        Self { stream: TcpStream::connect(address).await.unwrap() }
    }

    /// Connects with a tiny receive buffer, so that the kernel takes hardly anything that is not read.
    pub async fn dial_narrow(url: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(RECEIVE_BUFFER).unwrap();
        let address = url.strip_prefix("http://").unwrap().parse().unwrap();
        Self { stream: socket.connect(address).await.unwrap() }
    }

    /// Returns whether the server still accepted the bytes: it may have closed the connection.
    pub async fn write(&mut self, bytes: &[u8]) -> bool {
        let write = self.stream.write_all(bytes);
        tokio::time::timeout(PATIENCE, write)
            .await
            .expect("the server reads nothing more, and does not close the connection")
            .is_ok()
    }

    /// Closes the sending direction, and keeps receiving.
    pub async fn half_close(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Resets the connection, as a machine does whose power fails.
    pub fn reset(self) {
        let _ = self.stream.set_zero_linger();
    }

    /// Reads until the server closes or resets the connection.
    pub async fn read_to_end(&mut self) -> Reply {
        let mut seen = Vec::new();
        let read = self.stream.read_to_end(&mut seen);
        let _ = tokio::time::timeout(PATIENCE, read).await.expect("the server does not close the connection");
        Reply { text: String::from_utf8_lossy(&seen).into_owned() }
    }

    /// Reads the first answer to its end, by its `Content-Length`.
    pub async fn read_answer(&mut self) -> Reply {
        let mut seen = Vec::new();
        let read = async {
            while !is_whole(&String::from_utf8_lossy(&seen)) {
                if self.stream.read_buf(&mut seen).await.unwrap_or(0) == 0 {
                    break;
                }
            }
        };
        tokio::time::timeout(PATIENCE, read).await.expect("the server is silent");
        Reply { text: String::from_utf8_lossy(&seen).into_owned() }
    }

    /// Whether nothing arrives for this long.
    pub async fn is_silent_for(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.stream.readable()).await.is_err()
    }
}

pub(crate) fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = header(head, "content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    body.len() >= length
}

fn header<'t>(head: &'t str, name: &str) -> Option<&'t str> {
    head.lines().skip(1).find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

impl Reply {
    /// The status of the first answer; 0 when there was none.
    pub fn status(&self) -> u16 {
        self.text.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok()).unwrap_or(0)
    }

    /// The number of answers.
    pub fn answers(&self) -> usize {
        self.text.matches("HTTP/1.1 ").count()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        header(self.text.split("\r\n\r\n").next().unwrap_or(""), name)
    }

    /// The body of the first answer; null when it is not JSON.
    pub fn body(&self) -> Value {
        let body = self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let mut values = serde_json::Deserializer::from_str(body).into_iter();
        values.next().and_then(Result::ok).unwrap_or(Value::Null)
    }

    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        let body = self.body();
        assert_eq!((self.status(), body["code"].as_str()), (status, Some(code)), "{}", self.text);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.text);
        assert_eq!(self.header("x-request-id"), body["request_id"].as_str(), "{}", self.text);
        body
    }

    /// Checks for an answer of the HTTP parser, which comes before there is a request: a status, and nothing else.
    #[track_caller]
    pub fn assert_bare_status(&self, status: u16) {
        assert_eq!((self.status(), self.answers()), (status, 1), "{}", self.text);
        assert!(self.text.ends_with("\r\n\r\n"), "no body: {}", self.text);
    }
}
