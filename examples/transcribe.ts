// Uploads one recording, waits for its job and prints what was said. Ends with 0 only if the file may be deleted.
//
// Usage: AFTERWORD_URL=… AFTERWORD_TOKEN=… node --experimental-strip-types transcribe.ts FILE

import { readFile } from "node:fs/promises";
import { basename } from "node:path";

type Accepted = { job_id: string; poll_after_ms: number };
type JobFile = { name: string; status: string; code: string | null; conversation_ids: string[] };
type Job = { status: string; poll_after_ms: number | null; files: JobFile[] };
type Page = { segments: { text: string }[]; next_cursor: string | null };
type Problem = { code: string; detail: string };

const { AFTERWORD_URL: url, AFTERWORD_TOKEN: token } = process.env;
const ended = ["completed", "partial_failure", "failed", "cancelled"];
// A request is made at most this many times. The pauses between the tries double, beginning with a second.
const tries = 8;
// The client does not wait for a server that asks for a longer pause, in seconds.
const longestPause = 300;

// Whether an answer is what docs/API.md describes, as far as this client reads it.
const isText = (value: unknown): value is string => typeof value === "string";
const isNumber = (value: unknown): value is number => typeof value === "number";
const isAccepted = (answer: any): answer is Accepted => isText(answer?.job_id) && isNumber(answer.poll_after_ms);
const isFile = (file: any): file is JobFile =>
  isText(file?.name) &&
  isText(file.status) &&
  (file.code === null || isText(file.code)) &&
  Array.isArray(file.conversation_ids);
const isJob = (answer: any): answer is Job =>
  isText(answer?.status) && Array.isArray(answer.files) && answer.files.every(isFile);
const isPage = (answer: any): answer is Page =>
  Array.isArray(answer?.segments) &&
  answer.segments.every((segment: any) => isText(segment?.text)) &&
  (answer.next_cursor === null || isText(answer.next_cursor));
const isProblem = (answer: any): answer is Problem => isText(answer?.code) && isText(answer.detail);

const sleep = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

// Returns when the text has left this process, and fails if it cannot.
const print = (text: string) =>
  new Promise<void>((resolve, reject) => process.stdout.write(text, (error) => (error ? reject(error) : resolve())));

function giveUp(why: string): never {
  console.error(`${why}; keep the file`);
  process.exit(1);
}

// The seconds for which `Retry-After` asks. It is a number, or a date that a server in between wrote.
function askedPause(retryAfter: string | null): number {
  if (retryAfter === null) return 0;
  if (/^\d+$/.test(retryAfter)) return Number(retryAfter);
  return (Date.parse(retryAfter) - Date.now()) / 1000 || 0;
}

// Returns an answer that `fits`. Any answer that is not what docs/API.md describes is a failed try: it comes from a broken
// connection or from something between the client and the server.
async function ask<T>(method: string, path: string, fits: (answer: unknown) => answer is T, body?: FormData): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    let pause = 2 ** attempt;
    let problem = "no usable answer";
    try {
      const headers = { Authorization: `Bearer ${token}` };
      const signal = AbortSignal.timeout(body ? 600_000 : 60_000);
      const answer = await fetch(url + path, { method, body, headers, signal });
      problem += ` (status ${answer.status})`;
      pause = Math.max(pause, askedPause(answer.headers.get("Retry-After")));
      const found: unknown = await answer.json();
      if (answer.ok && fits(found)) return found;
      if (!answer.ok && isProblem(found)) {
        problem = `${found.code} (${found.detail})`;
        // Another try changes nothing about a refusal.
        if (answer.status < 500 && answer.status !== 408 && answer.status !== 429) giveUp(problem);
      }
    } catch (error) {
      problem += `: ${(error as Error).cause ?? error}`;
    }
    if (attempt + 1 === tries) giveUp(problem);
    if (pause > longestPause) giveUp(`${problem}; the server asks for a pause of ${Math.round(pause)} s`);
    console.error(`${problem}; again in ${Math.round(pause)} s`);
    await sleep(pause);
  }
}

async function printConversation(id: string) {
  let cursor: string | null = "";
  while (cursor !== null) {
    const query: string = cursor && `?cursor=${encodeURIComponent(cursor)}`;
    const page: Page = await ask("GET", `/v2/conversations/${id}${query}`, isPage);
    for (const segment of page.segments) await print(`${segment.text}\n`);
    cursor = page.next_cursor;
  }
}

const path = process.argv[2];
if (!path || !url || !token) {
  console.error("usage: AFTERWORD_URL=… AFTERWORD_TOKEN=… transcribe.ts FILE");
  process.exit(2);
}
// Characters that end a quoted name are sent as browsers write them (%22).
const name = basename(path).replace(/["\\\r\n]/g, encodeURIComponent);
const form = new FormData();
const audio = await readFile(path).catch((error) => giveUp(String(error)));
form.append("files", new Blob([audio]), name);
const accepted = await ask("POST", "/v2/sync/upload", isAccepted, form);
let wait: number | null = accepted.poll_after_ms;
let job: Job;
do {
  await sleep((wait ?? 1000) / 1000);
  job = await ask("GET", `/v2/sync/jobs/${accepted.job_id}`, isJob);
  wait = job.poll_after_ms;
} while (!ended.includes(job.status));
// A recording that the server knows already may be one of many files of an older job.
const file = job.files.find((file) => file.name === name) ?? giveUp("the job does not have the file");
for (const id of file.conversation_ids) await printConversation(id);
// Only this allows a client to delete its copy.
if (!["done", "silent"].includes(file.status) || file.code !== null) {
  giveUp(`${path}: ${file.status}${file.code === null ? "" : ` (${file.code})`}`);
}
console.error(`${path}: ${file.status}; the file may be deleted`);
