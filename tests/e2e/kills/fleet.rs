//! Devices of several users that upload, lose the connection, and upload again until they get 202.

use futures_util::future::join_all;
use tests::recordings::T0;
use tests::{Client, Recording, Server};

const USERS: usize = 10;
/// Recordings of one group are half a minute apart and become one conversation. Groups are far apart.
const GROUP: usize = 5;
const APART: i64 = 30;
const GROUPS_APART: i64 = 1000;
/// More than the fleet needs, because some jobs finish while others are still being uploaded.
const SPARE: usize = 10;

pub struct User {
    pub uid: String,
    pub client: Client,
    pub batches: Vec<Batch>,
    recordings: usize,
}

pub struct Batch {
    pub files: Vec<Recording>,
    /// Set when an upload was answered with 202.
    pub job_id: Option<String>,
}

pub struct Fleet {
    pub users: Vec<User>,
    pub fewest_in_flight: usize,
    next: usize,
}

impl User {
    /// Every third batch has two recordings.
    fn make_batch(&mut self) {
        let count = 1 + usize::from(self.batches.len() % 3 == 2);
        let files = (0..count).map(|_| self.make_recording()).collect();
        self.batches.push(Batch { files, job_id: None });
    }

    fn make_recording(&mut self) -> Recording {
        let (group, within) = (self.recordings / GROUP, self.recordings % GROUP);
        self.recordings += 1;
        Recording::short(T0 + group as i64 * GROUPS_APART + within as i64 * APART)
    }

    /// The number of conversations that its recordings form, in whatever order they were placed.
    pub fn conversations(&self) -> usize {
        self.recordings.div_ceil(GROUP)
    }

    pub fn recordings(&self) -> usize {
        self.recordings
    }
}

impl Fleet {
    pub async fn new(server: &Server) -> Self {
        let mut users = Vec::new();
        for n in 0..USERS {
            let uid = format!("user-{n}");
            let client = server.client_of(&uid).await;
            client.put_device("phone", &format!("token-of-{uid}")).await;
            users.push(User { uid, client, batches: Vec::new(), recordings: 0 });
        }
        Self { users, fewest_in_flight: usize::MAX, next: 0 }
    }

    /// Points the same users to the server's new address.
    pub fn move_to(&mut self, server: &Server) {
        for user in &mut self.users {
            user.client = user.client.at(&server.url);
        }
    }

    pub fn batches(&self) -> usize {
        self.users.iter().map(|user| user.batches.len()).sum()
    }

    /// Uploads until this many jobs are in progress, and at least `new` batches in any case.
    pub async fn top_up(&mut self, in_flight: usize, new: usize) {
        let unsent = self.users.iter().flat_map(|user| &user.batches).filter(|batch| batch.job_id.is_none()).count();
        let missing = (in_flight + SPARE).saturating_sub(self.live().await + unsent);
        for _ in 0..missing.max(new) {
            let users = self.users.len();
            self.users[self.next % users].make_batch();
            self.next += 1;
        }
        self.upload().await;
    }

    /// Sends every batch that has no 202 yet. If the server dies meanwhile, some still have none.
    async fn upload(&mut self) {
        let uploads = self.users.iter_mut().flat_map(|user| {
            let client = &user.client;
            user.batches.iter_mut().filter(|batch| batch.job_id.is_none()).map(move |batch| batch.upload(client))
        });
        join_all(uploads).await;
    }

    pub async fn upload_the_rest(&mut self) {
        self.upload().await;
        assert!(self.users.iter().flat_map(|user| &user.batches).all(|batch| batch.job_id.is_some()));
    }

    pub async fn count_in_flight(&mut self) {
        self.fewest_in_flight = self.fewest_in_flight.min(self.live().await);
    }

    /// The number of jobs that are queued or processing; zero while the server is down.
    async fn live(&self) -> usize {
        let live = |user: &User| {
            let client = user.client.clone();
            async move {
                let request =
                    client.request(reqwest::Method::GET, "/v2/sync/jobs?status=queued&status=processing&limit=100");
                let answer = client.try_send(request).await;
                answer.map_or(0, |answer| answer.body["jobs"].as_array().map_or(0, Vec::len))
            }
        };
        join_all(self.users.iter().map(live)).await.into_iter().sum()
    }
}

impl Batch {
    async fn upload(&mut self, client: &Client) {
        // Without an answer it is unknown whether the batch was accepted: it is sent again.
        let Ok(answer) = client.try_upload("", &self.files).await else { return };
        match answer.status {
            202 => self.job_id = Some(answer.body["job_id"].as_str().unwrap().to_owned()),
            _ => panic!("an upload was refused: {}", answer.text),
        }
    }
}
