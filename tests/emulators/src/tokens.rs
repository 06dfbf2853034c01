//! A server for Google's access tokens (OAuth 2.0, RFC 6749) that refuses every request.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::listen;

/// The server; it stops when this is dropped, and with the test's runtime.
pub struct TokenServer {
    url: String,
    refusal: Shared,
    server: JoinHandle<()>,
}

type Shared = Arc<Mutex<(u16, Value)>>;

impl TokenServer {
    /// Google's answer when the credentials are withdrawn or too old.
    pub async fn of_expired_credentials() -> Self {
        let error = json!({"error": "invalid_grant", "error_description": "Token has been expired or revoked."});
        Self::refusing(400, error).await
    }

    pub async fn refusing(status: u16, error: Value) -> Self {
        let refusal = Shared::new(Mutex::new((status, error)));
        let (listener, address) = listen().await;
        let routes = Router::new().fallback(refuse).with_state(Arc::clone(&refusal));
        let server = tokio::spawn(async { axum::serve(listener, routes).await.unwrap() });
        Self { url: format!("http://{address}/token"), refusal, server }
    }

    pub fn refuses(&self, status: u16, error: Value) {
        *self.refusal.lock().unwrap() = (status, error);
    }

    /// The file that `gcloud auth application-default login` writes, but with this server's address.
    pub fn credentials(&self) -> String {
        let user = json!({
            "type": "authorized_user",
            "client_id": "a-client-of-the-test",
            "client_secret": "a-client-secret-of-the-test",
            "refresh_token": "a-refresh-token-of-the-test",
            "token_uri": self.url,
        });
        user.to_string()
    }
}

impl Drop for TokenServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn refuse(State(refusal): State<Shared>) -> Response {
    let (status, error) = refusal.lock().unwrap().clone();
    let status = StatusCode::from_u16(status).unwrap();
    (status, [(CONTENT_TYPE, "application/json; charset=utf-8")], error.to_string()).into_response()
}
