use axum::{
    Router,
    body::Body,
    routing::{get, post},
};
use http_body_util::BodyExt;
use std::sync::Arc;
struct Gate;
#[async_trait::async_trait]
impl flow::ports::Identity for Gate {
    async fn verify(&self, t: &str) -> flow::Result<Result<domain::Uid, flow::ports::Denied>> {
        Ok(if t == "good" {
            Ok(domain::Uid::new("a").unwrap())
        } else {
            Err(flow::ports::Denied { detail: "no".into() })
        })
    }
}
struct R;
impl flow::ports::Random for R {
    fn uuid(&self) -> uuid::Uuid {
        uuid::Uuid::nil()
    }
    fn unit(&self) -> f64 {
        0.5
    }
}
#[tokio::main]
async fn main() {
    edge::telemetry::init(&edge::telemetry::Telemetry {
        filter: std::env::var("LOG").unwrap_or("warn".into()),
        ..Default::default()
    })
    .unwrap();
    let up = Router::new()
        .route(
            "/upload",
            post(|mut b: Body| async move {
                let mut n = 0;
                while let Some(f) = b.frame().await {
                    match f {
                        Ok(f) => {
                            n += f.into_data().map_or(0, |d| d.len());
                            tokio::time::interval(std::time::Duration::from_millis(10)).tick().await;
                        }
                        Err(e) => return Err(edge::Problem::internal(e)),
                    }
                }
                Ok(n.to_string())
            }),
        )
        .route(
            "/panic",
            get(|| async {
                if true {
                    panic!("oh {}", 1)
                }
            }),
        );
    let app =
        edge::authenticated(up, Arc::new(Gate)).merge(edge::health::routes("1", vec![])).merge(edge::metrics::routes());
    let l = tokio::net::TcpListener::bind("127.0.0.1:9777").await.unwrap();
    edge::serve(l, edge::wrap(app, Arc::new(R)), Default::default(), edge::shutdown_signal().unwrap()).await;
    eprintln!("ended");
}
