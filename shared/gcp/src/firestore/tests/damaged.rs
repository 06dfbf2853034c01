//! A damaged document affects nothing else: the suite of every store whose documents can be damaged.

use std::sync::Arc;

use async_trait::async_trait;
use flow::ports::MaintenanceStore;
use testkit::Harness;
use testkit::build::{batch_as, job_id, phone, uid};
use testkit::contract::Fresh;
use testkit::contract::archive::ArchivedStore;
use testkit::contract::damage::{DamagedStore, Document};

use super::settings;
use crate::firestore::path::Path;
use crate::firestore::table::BODY;
use crate::firestore::unit_of_work::Mode;
use crate::firestore::value::{Fields, bytes, bytes_of, number_of};
use crate::firestore::{FirestoreStore, Settings};

struct Tampered(Arc<FirestoreStore>);

#[async_trait]
impl DamagedStore for Tampered {
    fn store(&self) -> Arc<dyn ArchivedStore> {
        self.0.clone()
    }

    async fn change(&self, document: &Document, change: &(dyn Fn(Vec<u8>) -> Vec<u8> + Send + Sync)) {
        let (path, field) = match document {
            Document::Job(id) => (Path::job(*id), BODY),
            Document::Recording(uid, id) => (Path::recording(uid, *id), BODY),
            Document::Plan(uid, id) => (Path::recording(uid, *id), "plan"),
            Document::Line(uid, recording, start_ms) => (Path::line(uid, *recording, *start_ms), BODY),
            Document::Conversation(uid, id) => (Path::conversation(uid, *id), BODY),
            Document::Usage(uid, hour) => (Path::usage(uid, *hour), "words"),
            Document::Device(uid, id) => (Path::device(uid, id), BODY),
        };
        let mut run = self.0.run("test", "", Mode::Transaction);
        let mut unit = run.unit();
        let found = unit.one(&path).await.unwrap().unwrap();
        let mut fields = Fields(found.fields.clone());
        let value = match number_of(&found, field) {
            Some(_) => signed(&change(Vec::new())),
            None => bytes(change(bytes_of(&found, field).unwrap().to_vec())),
        };
        fields.0.insert(field.to_owned(), value);
        unit.put(&path, fields);
        unit.commit().await.unwrap();
    }
}

fn signed(decimal: &[u8]) -> firestore::gcloud_sdk::google::firestore::v1::Value {
    use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
    let number = std::str::from_utf8(decimal).unwrap().parse().unwrap();
    firestore::gcloud_sdk::google::firestore::v1::Value { value_type: Some(ValueType::IntegerValue(number)) }
}

fn site() -> Fresh<dyn DamagedStore> {
    match settings() {
        Ok(settings) => Fresh::new(Arc::new(Tampered(Arc::new(FirestoreStore::new(settings))))),
        Err(why) => Fresh::missing(why),
    }
}

testkit::damage_contract!(async || site());

/// The suite runs with all user ids alike: from a random letter, the search would always begin with the
/// same user.
#[tokio::test]
async fn stuck_user_searches_reach_all_users_with_similar_ids() {
    let settings = match settings() {
        Ok(settings) => settings,
        Err(why) => testkit::skip!(why),
    };
    let mut harness = Harness::new(Arc::new(FirestoreStore::new(settings.clone())));
    harness.rules.enqueued_per_user = 1;
    let users: Vec<_> = (0..5).map(|n| uid(&format!("tenant|user-{n}"))).collect();
    for (n, user) in (0..).step_by(2).zip(&users) {
        for n in [n, n + 1] {
            harness.accept_batch(&batch_as(job_id(n), user, &[phone(n.cast_signed())])).await;
        }
    }
    harness.rules.enqueued_per_user = 2;
    // Each search has time for one user only.
    let hurried = FirestoreStore::new(Settings { spare: settings.operation, ..settings });
    let mut found = Vec::new();
    for _ in 0..users.len() {
        let look = hurried.stuck_users(harness.at(), 10).await.unwrap();
        assert_eq!(look.len(), 1);
        found.extend(look);
    }
    found.sort();
    assert_eq!(found, users, "five looks, five users");
}
