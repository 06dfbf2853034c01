//! The connection to Firestore: it is opened at first use, and each request has a time limit.

use std::sync::Arc;
use std::time::Duration;

use firestore::gcloud_sdk::google::firestore::v1 as pb;
use firestore::gcloud_sdk::google::firestore::v1::firestore_client::FirestoreClient;
use firestore::gcloud_sdk::google_cloud_auth::credentials::{
    self, CacheableResource, Credentials, CredentialsProvider, EntityTag,
};
use firestore::gcloud_sdk::google_cloud_auth::errors::CredentialsError;
use firestore::gcloud_sdk::tonic::{Request, Streaming};
use firestore::gcloud_sdk::{GCP_DEFAULT_SCOPES, GoogleApi, GoogleAuthMiddleware, HeaderMap, RequestTimeouts};
use http::Extensions;
use http::header::{AUTHORIZATION, HeaderValue};
use tokio::time::Instant;

use super::billed_documents::Spent;
use super::cache::Cache;
use super::fault::{Fault, Result};
use super::path::Path;
use super::schema::Schema;
use super::settings::Settings;
use crate::diagnosis::{Service, causes};
use crate::reconnect::Reconnect;

const GOOGLE: &str = "https://firestore.googleapis.com";

/// The time limit of a rollback, however little is left of the operation's own time.
const ROLLBACK_LIMIT: Duration = Duration::from_secs(2);

type Api = GoogleApi<FirestoreClient<GoogleAuthMiddleware>>;

pub struct Client {
    pub settings: Settings,
    pub service: Service,
    pub schema: Schema,
    pub spent: Spent,
    pub cache: Cache,
    #[cfg(test)]
    pub fault_script: super::tests::FaultScript,
    database: String,
    api: Reconnect<Api>,
}

/// Describes the database in error messages and remedies.
fn service(settings: &Settings) -> Service {
    let (project, database) = (&settings.project, &settings.database);
    Service {
        what: format!("database {database} of project {project}"),
        address: settings.endpoint.clone().unwrap_or_else(|| GOOGLE.to_owned()),
        emulated_by: settings.endpoint.as_ref().map(|_| "FIRESTORE_EMULATOR_HOST"),
        project: Some(project.clone()),
        api: "firestore.googleapis.com",
        grant: format!(
            "grant roles/datastore.user on the project to the function's account: gcloud projects add-iam-policy-binding \
             {project} --member=serviceAccount:<account> --role=roles/datastore.user"
        ),
        make: format!(
            "correct cloud.database (AFTERWORD_CLOUD_DATABASE), or make it: gcloud firestore databases create \
             --database='{database}' --type=firestore-native --location=<region> --project={project}"
        ),
    }
}

impl Client {
    pub fn new(settings: Settings, schema: Schema) -> Self {
        let database = format!("projects/{}/databases/{}", settings.project, settings.database);
        Self {
            service: service(&settings),
            settings,
            schema,
            spent: Spent::default(),
            cache: Cache::default(),
            #[cfg(test)]
            fault_script: super::tests::FaultScript::default(),
            database,
            api: Reconnect::default(),
        }
    }

    /// A document's full name in Firestore. The path may also be a parent of collections.
    pub fn name(&self, path: &Path) -> String {
        match path.as_str() {
            "" => format!("{}/documents", self.database),
            path => format!("{}/documents/{path}", self.database),
        }
    }

    /// The connection, which is made within its own time limit and that of the operation.
    async fn api(&self, deadline: Instant) -> Result<Arc<Api>> {
        let connecting = self.api.get(async || self.connect().await);
        let limit = self.settings.connect.min(deadline.saturating_duration_since(Instant::now()));
        let connected = tokio::time::timeout(limit, connecting).await;
        let timed_out = || Fault::Unreachable(format!("no connection after {} ms", limit.as_millis()));
        connected.map_err(|_| timed_out())?
    }

    /// Sends a request, and drops the connection if another one may do better. A frozen process is not told
    /// that the other side of its connection has gone, and the library never renews credentials that failed
    /// permanently.
    async fn ask<M, T>(
        &self,
        message: M,
        deadline: Instant,
        send: impl AsyncFnOnce(FirestoreClient<GoogleAuthMiddleware>, Request<M>) -> Result<T>,
    ) -> Result<T> {
        #[cfg(test)]
        self.fault_script.note_request();
        let api = self.api(deadline).await?;
        let (request, limit) = self.request(message, deadline);
        let begun = Instant::now();
        let answered = send(api.get(), request).await;
        if let Err(fault) = &answered {
            // With a shorter limit than usual, a timeout says nothing about the connection.
            let is_dead = limit == self.settings.request && begun.elapsed() >= limit;
            if is_dead || fault.is_about_credentials() {
                tracing::warn!(%fault, "the connection to Firestore is replaced");
                self.api.give_up(&api);
            }
        }
        answered
    }

    async fn connect(&self) -> Result<Api> {
        let prefix = Some(self.database.clone());
        let api = match &self.settings.endpoint {
            None => {
                // Credentials are looked up first: without them a connection is of no use.
                let found = credentials::Builder::default().with_scopes(GCP_DEFAULT_SCOPES.iter()).build();
                let found = found.map_err(|why| Fault::NoToken { message: causes(&why), may_pass: false })?;
                GoogleApi::from_function_with_credentials(FirestoreClient::new, GOOGLE, prefix, found).await
            }
            Some(endpoint) => {
                let owner = Credentials::from(EmulatorCredentials {
                    tag: EntityTag::new(),
                    #[cfg(test)]
                    is_spoiled: self.fault_script.new_credentials(),
                });
                GoogleApi::from_function_with_credentials(FirestoreClient::new, endpoint, prefix, owner).await
            }
        };
        api.map_err(|error| Fault::from(&error))
    }

    /// Builds a request whose time limit ends with the operation, or sooner.
    fn request<M>(&self, message: M, deadline: Instant) -> (Request<M>, Duration) {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let (mut request, limit) = (Request::new(message), left.min(self.settings.request));
        request.extensions_mut().insert(RequestTimeouts::new().with_total(limit));
        (request, limit)
    }

    pub async fn get(
        &self,
        names: Vec<String>,
        consistency: Option<pb::batch_get_documents_request::ConsistencySelector>,
        deadline: Instant,
    ) -> Result<Vec<pb::BatchGetDocumentsResponse>> {
        let request = pb::BatchGetDocumentsRequest {
            database: self.database.clone(),
            documents: names,
            consistency_selector: consistency,
            ..pb::BatchGetDocumentsRequest::default()
        };
        let found = self
            .ask(request, deadline, async |mut api, request| {
                all(api.batch_get_documents(request).await?.into_inner()).await
            })
            .await?;
        self.spent.read(found.iter().filter(|answer| answer.result.is_some()).count());
        Ok(found)
    }

    pub async fn query(
        &self,
        parent: &Path,
        query: pb::StructuredQuery,
        consistency: Option<pb::run_query_request::ConsistencySelector>,
        deadline: Instant,
    ) -> Result<Vec<pb::RunQueryResponse>> {
        let request = pb::RunQueryRequest {
            parent: self.name(parent),
            query_type: Some(pb::run_query_request::QueryType::StructuredQuery(query)),
            consistency_selector: consistency,
            ..pb::RunQueryRequest::default()
        };
        let found = self
            .ask(request, deadline, async |mut api, request| all(api.run_query(request).await?.into_inner()).await)
            .await?;
        // A query without results costs as much as one document.
        self.spent.read(found.iter().filter(|answer| answer.document.is_some()).count().max(1));
        Ok(found)
    }

    pub async fn aggregate(
        &self,
        parent: &Path,
        query: pb::StructuredAggregationQuery,
        consistency: Option<pb::run_aggregation_query_request::ConsistencySelector>,
        deadline: Instant,
    ) -> Result<Vec<pb::RunAggregationQueryResponse>> {
        let request = pb::RunAggregationQueryRequest {
            parent: self.name(parent),
            query_type: Some(pb::run_aggregation_query_request::QueryType::StructuredAggregationQuery(query)),
            consistency_selector: consistency,
            ..pb::RunAggregationQueryRequest::default()
        };
        // A count costs one document for each thousand that are counted, so this is seldom more than one.
        self.spent.read(1);
        let counted = self.ask(request, deadline, async |mut api, request| {
            all(api.run_aggregation_query(request).await?.into_inner()).await
        });
        counted.await
    }

    /// Returns the result of each write, in order.
    pub async fn commit(
        &self,
        writes: Vec<pb::Write>,
        transaction: Vec<u8>,
        deadline: Instant,
    ) -> Result<Vec<pb::WriteResult>> {
        let request = pb::CommitRequest { database: self.database.clone(), writes, transaction, request_options: None };
        let writes = request.writes.len();
        #[cfg(test)]
        self.fault_script.before().await?;
        let commit = async |mut api: FirestoreClient<GoogleAuthMiddleware>, request| Ok(api.commit(request).await?);
        let written = self.ask(request, deadline, commit).await?.into_inner();
        self.spent.write(writes);
        #[cfg(test)]
        self.fault_script.after()?;
        Ok(written.write_results)
    }

    /// Rolls back even if the operation's time is over: others would wait up to a minute for the locks.
    pub async fn rollback(&self, transaction: Vec<u8>) -> Result<()> {
        let deadline = Instant::now() + ROLLBACK_LIMIT;
        let request = pb::RollbackRequest { database: self.database.clone(), transaction, request_options: None };
        self.ask(request, deadline, async |mut api, request| Ok(api.rollback(request).await?)).await.map(drop)
    }
}

async fn all<M>(mut stream: Streaming<M>) -> Result<Vec<M>> {
    let mut found = Vec::new();
    while let Some(message) = stream.message().await? {
        found.push(message);
    }
    Ok(found)
}

/// The credentials that emulators accept for every operation.
#[derive(Debug)]
struct EmulatorCredentials {
    tag: EntityTag,
    #[cfg(test)]
    is_spoiled: Arc<std::sync::atomic::AtomicBool>,
}

impl CredentialsProvider for EmulatorCredentials {
    async fn headers(
        &self,
        extensions: Extensions,
    ) -> std::result::Result<CacheableResource<HeaderMap>, CredentialsError> {
        #[cfg(test)]
        if self.is_spoiled.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(CredentialsError::from_msg(false, "as the test wants it"));
        }
        if extensions.get::<EntityTag>() == Some(&self.tag) {
            return Ok(CacheableResource::NotModified);
        }
        let data = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer owner"))]);
        Ok(CacheableResource::New { entity_tag: self.tag.clone(), data })
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}
