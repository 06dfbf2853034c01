// Uploads one recording, waits for its job and prints what was said.
//
// Usage: AFTERWORD_URL=… AFTERWORD_TOKEN=… node --experimental-strip-types transcribe.ts FILE

import { readFile } from "node:fs/promises";
import { basename } from "node:path";

type File = { name: string; status: string; code: string | null; conversation_ids: string[] };
type Job = { job_id: string; status: string; poll_after_ms?: number; files?: File[] };
type Conversation = { segments: { text: string }[] };
type Problem = { code: string; detail: string };

const { AFTERWORD_URL: url, AFTERWORD_TOKEN: token } = process.env;
const ended = ["completed", "partial_failure", "failed", "cancelled"];
// A request that fails is made again after a pause that doubles, up to this many times.
const tries = 8;

const sleep = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

// One request. Only answers that another try can change are asked for again.
async function ask<T>(method: string, path: string, body?: FormData): Promise<T> {
  let problem: Problem = { code: "no_answer", detail: "" };
  for (let attempt = 0; attempt < tries; attempt++) {
    let pause = 2 ** attempt;
    try {
      const headers = { Authorization: `Bearer ${token}` };
      const answer = await fetch(url + path, { method, body, headers, signal: AbortSignal.timeout(60_000) });
      if (answer.ok) return (await answer.json()) as T;
      problem = (await answer.json()) as Problem;
      if (answer.status < 500 && answer.status !== 408 && answer.status !== 429) break;
      pause = Number(answer.headers.get("Retry-After") ?? pause);
    } catch (error) {
      problem = { code: "no_answer", detail: String(error) };
    }
    console.error(`${problem.code}; again in ${pause} s`);
    await sleep(pause);
  }
  throw new Error(`${problem.code}: ${problem.detail}`);
}

async function upload(path: string): Promise<Job> {
  const form = new FormData();
  form.append("files", new Blob([await readFile(path)]), basename(path));
  return ask<Job>("POST", "/v2/sync/upload", form);
}

const path = process.argv[2];
if (path === undefined) throw new Error("usage: transcribe.ts FILE");
let job = await upload(path);
while (!ended.includes(job.status) || job.files === undefined) {
  await sleep((job.poll_after_ms ?? 0) / 1000);
  job = await ask<Job>("GET", `/v2/sync/jobs/${job.job_id}`);
}
for (const file of job.files) {
  for (const id of file.conversation_ids) {
    const conversation = await ask<Conversation>("GET", `/v2/conversations/${id}`);
    for (const segment of conversation.segments) console.log(segment.text);
  }
  // This is the only word on which a client may delete its copy.
  const mayDelete = ["done", "silent"].includes(file.status) && file.code === null;
  const why = file.code === null ? "" : ` (${file.code})`;
  console.error(`${file.name}: ${file.status}${why}; ${mayDelete ? "the file may be deleted" : "keep the file"}`);
  if (file.status === "failed") process.exitCode = 1;
}
