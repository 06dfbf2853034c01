//! Batches and upload sessions.

use engine::domain::name;
use engine::ports::Answer;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use simulator::{Incoming, fault, frames_of};

use super::{Identity, Server, Session, SessionFile, empty, ok, problem};

/// How far a recording may be ahead of the server's clock.
const MAX_FUTURE_MS: i64 = 300_000;

fn sha(content: &[u8]) -> String {
    let digest: [u8; 32] = Sha256::digest(content).into();
    engine::domain::Sha256Hex(digest).to_string()
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// A file of a multipart body: name, announced digest (base64), content.
type Part = (String, Option<String>, Vec<u8>);

/// The files of a multipart body.
fn parts(request: &Incoming) -> Option<Vec<Part>> {
    let kind = &request.headers.iter().find(|(name, _)| *name == "content-type")?.1;
    let boundary = format!("--{}", kind.split("boundary=").nth(1)?);
    let mut rest = &request.body[find(&request.body, boundary.as_bytes())? + boundary.len()..];
    let mut files = Vec::new();
    while !rest.starts_with(b"--") {
        let head_end = find(rest, b"\r\n\r\n")?;
        let head = std::str::from_utf8(&rest[..head_end]).ok()?;
        let name = head.split("filename=\"").nth(1)?.split('"').next()?.to_owned();
        let digest =
            head.split("Content-Digest: sha-256=:").nth(1).map(|text| text.split(':').next().unwrap().to_owned());
        let content = &rest[head_end + 4..];
        let end = find(content, format!("\r\n{boundary}").as_bytes())?;
        files.push((name, digest, content[..end].to_vec()));
        rest = &content[end + 2 + boundary.len()..];
    }
    Some(files)
}

impl Server {
    fn check_name(&self, file: &str) -> Result<(), (u16, &'static str, Option<i64>)> {
        let parsed = name::parse(file).map_err(|_| (400, "invalid_filename", None))?;
        let ahead = parsed.captured_at.unwrap_or(self.wall()).millis() - self.wall().millis();
        if ahead > MAX_FUTURE_MS { Err((422, "recording_in_future", Some(ahead / 1000 + 1))) } else { Ok(()) }
    }

    /// The answer to files of which some are refused.
    fn refuse_files(&self, names: &[String]) -> Option<Answer> {
        let (mut errors, mut first, mut wait) = (Vec::new(), None, 0);
        for file in names {
            if let Err((status, code, after)) = self.check_name(file) {
                errors.push(json!({"file": file, "code": code, "detail": "no"}));
                first.get_or_insert((status, code));
                wait = wait.max(after.unwrap_or(0));
            }
        }
        let (status, code) = first?;
        let mut answer = problem(status, code, &[("retry-after", &wait.min(86_400).to_string())]);
        answer.body = json!({"code": code, "detail": "no", "errors": errors}).to_string().into_bytes();
        Some(answer)
    }

    pub fn upload(&mut self, account: &str, request: &Incoming) -> Answer {
        if let Some(refused) = self.refuse() {
            return refused;
        }
        let Some(files) = parts(request) else { return problem(400, "malformed_multipart", &[]) };
        let names: Vec<_> = files.iter().map(|(name, ..)| name.clone()).collect();
        for (index, name) in names.iter().enumerate() {
            if names[..index].contains(name) {
                self.violations.push(format!("a batch holds {name} twice"));
            }
        }
        if let Some(refused) = self.refuse_files(&names) {
            return refused;
        }
        let conversation = request.path.split("conversation_id=").nth(1).map(str::to_owned);
        let files = files.into_iter().map(|(name, _, content)| (name, content)).collect();
        self.accept(account, files, conversation)
    }

    /// Every byte of the files is here: they get a job.
    fn accept(&mut self, account: &str, files: Vec<(String, Vec<u8>)>, conversation: Option<String>) -> Answer {
        let mut ids: Vec<Identity> = Vec::new();
        for (name, content) in files {
            let id = (account.to_owned(), name, sha(&content));
            self.remember(&id, content, conversation.clone());
            ids.push(id);
        }
        let is_known = |id: &Identity| self.recordings[id].is_finished;
        let deduplicated = ids.iter().all(is_known);
        let answering = self.jobs.iter().find(|(_, job)| {
            let has_all = ids.iter().all(|id| job.files.iter().any(|file| file.id == *id));
            // What is finished is answered with a job that says so, and everything else with one that goes on.
            let fits = if deduplicated { job.has_done_all() } else { !job.is_terminal(self.now) };
            job.account == account && has_all && fits && !job.is_forgotten
        });
        let job = match answering {
            Some((id, _)) => id.clone(),
            None => self.new_job(account, ids, deduplicated),
        };
        ok(202, json!({"job_id": job, "status": "queued", "deduplicated": deduplicated, "poll_after_ms": 3000}))
    }

    fn remember(&mut self, id: &Identity, content: Vec<u8>, conversation: Option<String>) {
        if !self.recordings.contains_key(id) {
            if frames_of(&content).is_none() {
                self.violations.push(format!("{} has a torn tail", id.1));
            }
            let fate = self.choose_fate();
            let recording = super::Recording { content, conversation, fate, failures: 0, is_finished: false };
            self.recordings.insert(id.clone(), recording);
        }
    }

    pub fn open(&mut self, account: &str, request: &Incoming) -> Answer {
        if let Some(refused) = self.refuse() {
            return refused;
        }
        let Ok(body) = serde_json::from_slice::<Value>(&request.body) else { return problem(400, "invalid_json", &[]) };
        let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let files: Vec<_> = body["files"].as_array().cloned().unwrap_or_default();
        let names: Vec<_> = files.iter().map(|file| text(file, "name")).collect();
        if let Some(refused) = self.refuse_files(&names) {
            return refused;
        }
        let wanted: Vec<_> = files.iter().map(|file| (text(file, "name"), text(file, "sha256"))).collect();
        let identity = |(name, sha): &(String, String)| (account.to_owned(), name.clone(), sha.clone());
        if wanted.iter().all(|file| self.recordings.get(&identity(file)).is_some_and(|known| known.is_finished)) {
            let known = wanted.iter().map(|file| (file.0.clone(), self.recordings[&identity(file)].content.clone()));
            let known = known.collect();
            return self.accept(account, known, None);
        }
        let is_same = |session: &Session| {
            let has: Vec<_> = session.files.iter().map(|file| (file.name.clone(), file.sha256.clone())).collect();
            session.account == account && session.job.is_none() && has == wanted
        };
        let known = self.sessions.iter().find(|(_, session)| is_same(session)).map(|(id, _)| id.clone());
        let id = known.unwrap_or_else(|| {
            let id = self.uuid();
            let files = files.iter().map(|file| SessionFile {
                name: text(file, "name"),
                size: file["size"].as_u64().unwrap_or(0) as usize,
                sha256: text(file, "sha256"),
                data: Vec::new(),
            });
            let conversation = body["conversation_id"].as_str().map(str::to_owned);
            let session = Session { account: account.to_owned(), files: files.collect(), conversation, job: None };
            self.sessions.insert(id.clone(), session);
            id
        });
        let files = self.sessions[&id].files.iter().enumerate().map(|(index, file)| {
            json!({"name": file.name, "status": "uploading", "upload_url": format!("/bytes/{id}/{index}"),
                "offset": file.data.len(), "expires_at": null})
        });
        let files: Vec<_> = files.collect();
        ok(201, json!({"job_id": id, "status": "uploading", "files": files}))
    }

    pub fn put_bytes(&mut self, request: &Incoming) -> Answer {
        if request.account.is_some() {
            self.violations.push("the token was sent to an upload address".to_owned());
        }
        if self.chance(20) {
            return fault(&self.random);
        }
        let parts: Vec<&str> = request.path.split('/').collect();
        let Some(session) = self.sessions.get_mut(parts[2]) else { return problem(404, "upload_not_found", &[]) };
        let file = &mut session.files[parts[3].parse::<usize>().unwrap()];
        let range = request.headers.iter().find(|(name, _)| *name == "content-range").map(|(_, range)| range.as_str());
        let range = range.unwrap_or_default().trim_start_matches("bytes ").split('/').next().unwrap_or_default();
        if let Some((first, _)) = range.split_once('-') {
            let first: usize = first.parse().unwrap();
            if first > file.data.len() {
                return with_range(problem(416, "invalid_range", &[]), file.data.len());
            }
            let skip = file.data.len() - first;
            file.data.extend_from_slice(request.body.get(skip..).unwrap_or_default());
        }
        if file.data.len() == file.size {
            return empty(200);
        }
        with_range(empty(308), file.data.len())
    }

    pub fn complete(&mut self, account: &str, id: &str) -> Answer {
        let Some(session) = self.sessions.get_mut(id).filter(|session| session.account == account) else {
            return problem(404, "job_not_found", &[]);
        };
        if session.files.iter().any(|file| file.data.len() < file.size) {
            return problem(409, "upload_incomplete", &[]);
        }
        let wrong = session.files.iter().find(|file| sha(&file.data) != file.sha256).map(|file| file.name.clone());
        if let Some(name) = wrong {
            self.violations.push(format!("{name} has other bytes than announced"));
        }
        let session = self.sessions.get_mut(id).unwrap();
        let files = session.files.iter().map(|file| (file.name.clone(), file.data.clone())).collect();
        let conversation = session.conversation.clone();
        if let Some(job) = session.job.clone() {
            return ok(202, json!({"job_id": job, "status": "queued", "deduplicated": false}));
        }
        let answer = self.accept(account, files, conversation);
        let job = serde_json::from_slice::<Value>(&answer.body).unwrap()["job_id"].as_str().map(str::to_owned);
        self.sessions.get_mut(id).unwrap().job = job;
        answer
    }
}

fn with_range(mut answer: Answer, length: usize) -> Answer {
    if length > 0 {
        answer.headers.push(("range".to_owned(), format!("bytes=0-{}", length - 1)));
    }
    answer
}
