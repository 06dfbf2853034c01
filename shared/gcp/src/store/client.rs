//! The connection to Firestore: made on first use, each request with a limit.

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
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::fault::{Fault, Result};
use super::path::Path;
use super::settings::Settings;
use super::spent::Spent;
use crate::trouble::{Service, causes};

const GOOGLE: &str = "https://firestore.googleapis.com";

type Api = GoogleApi<FirestoreClient<GoogleAuthMiddleware>>;

pub struct Client {
    pub settings: Settings,
    pub service: Service,
    pub spent: Spent,
    #[cfg(test)]
    pub trouble: super::tests::Trouble,
    database: String,
    api: OnceCell<Api>,
}

/// What is known of the database to whoever has to mend something.
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
    pub fn new(settings: Settings) -> Self {
        let database = format!("projects/{}/databases/{}", settings.project, settings.database);
        Self {
            service: service(&settings),
            settings,
            spent: Spent::default(),
            #[cfg(test)]
            trouble: super::tests::Trouble::default(),
            database,
            api: OnceCell::new(),
        }
    }

    /// A document's name as Firestore wants it, or that of what collections stand under.
    pub fn name(&self, path: &Path) -> String {
        match path.as_str() {
            "" => format!("{}/documents", self.database),
            path => format!("{}/documents/{path}", self.database),
        }
    }

    async fn api(&self) -> Result<FirestoreClient<GoogleAuthMiddleware>> {
        let connecting = self.api.get_or_try_init(|| self.connect());
        let connected = tokio::time::timeout(self.settings.connect, connecting).await;
        let late = || Fault::Unreachable(format!("no connection after {} ms", self.settings.connect.as_millis()));
        Ok(connected.map_err(|_| late())??.get())
    }

    async fn connect(&self) -> Result<Api> {
        let prefix = Some(self.database.clone());
        let api = match &self.settings.endpoint {
            None => {
                // Looked for first: without them there is nothing to connect for.
                let found = credentials::Builder::default().with_scopes(GCP_DEFAULT_SCOPES.iter()).build();
                let found = found.map_err(|why| Fault::NoToken { said: causes(&why), may_pass: false })?;
                GoogleApi::from_function_with_credentials(FirestoreClient::new, GOOGLE, prefix, found).await
            }
            Some(endpoint) => {
                let owner = Credentials::from(Owner(EntityTag::new()));
                GoogleApi::from_function_with_credentials(FirestoreClient::new, endpoint, prefix, owner).await
            }
        };
        api.map_err(|error| Fault::from(&error))
    }

    /// A request that ends with the operation, or sooner.
    fn request<M>(&self, message: M, deadline: Instant) -> Request<M> {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let mut request = Request::new(message);
        request.extensions_mut().insert(RequestTimeouts::new().with_total(left.min(self.settings.request)));
        request
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
        let found =
            all(self.api().await?.batch_get_documents(self.request(request, deadline)).await?.into_inner()).await?;
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
        let found = all(self.api().await?.run_query(self.request(request, deadline)).await?.into_inner()).await?;
        // A question that finds nothing costs as much as one document.
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
        // As much as one document for a thousand that are counted: seldom more than one.
        self.spent.read(1);
        all(self.api().await?.run_aggregation_query(self.request(request, deadline)).await?.into_inner()).await
    }

    pub async fn commit(&self, writes: Vec<pb::Write>, transaction: Vec<u8>, deadline: Instant) -> Result<()> {
        let request = pb::CommitRequest { database: self.database.clone(), writes, transaction, request_options: None };
        let writes = request.writes.len();
        #[cfg(test)]
        self.trouble.before()?;
        self.api().await?.commit(self.request(request, deadline)).await?;
        self.spent.write(writes);
        #[cfg(test)]
        self.trouble.after()?;
        Ok(())
    }

    pub async fn rollback(&self, transaction: Vec<u8>, deadline: Instant) -> Result<()> {
        let request = pb::RollbackRequest { database: self.database.clone(), transaction, request_options: None };
        self.api().await?.rollback(self.request(request, deadline)).await?;
        Ok(())
    }
}

async fn all<M>(mut stream: Streaming<M>) -> Result<Vec<M>> {
    let mut found = Vec::new();
    while let Some(message) = stream.message().await? {
        found.push(message);
    }
    Ok(found)
}

/// What emulators take for permission to do everything.
#[derive(Debug)]
struct Owner(EntityTag);

impl CredentialsProvider for Owner {
    async fn headers(
        &self,
        extensions: Extensions,
    ) -> std::result::Result<CacheableResource<HeaderMap>, CredentialsError> {
        if extensions.get::<EntityTag>() == Some(&self.0) {
            return Ok(CacheableResource::NotModified);
        }
        let data = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer owner"))]);
        Ok(CacheableResource::New { entity_tag: self.0.clone(), data })
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}
