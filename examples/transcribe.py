#!/usr/bin/env python3
"""Uploads one recording, waits for its job and prints what was said.

Usage: AFTERWORD_URL=… AFTERWORD_TOKEN=… transcribe.py FILE
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid

URL, TOKEN = os.environ["AFTERWORD_URL"], os.environ["AFTERWORD_TOKEN"]
ENDED = {"completed", "partial_failure", "failed", "cancelled"}
# A request that fails is made again after a pause that doubles, up to this many times.
TRIES = 8


def ask(method, path, body=None, headers=None):
    """One request. Only answers that another try can change are asked for again."""
    for attempt in range(TRIES):
        request = urllib.request.Request(URL + path, data=body, method=method, headers=headers or {})
        request.add_header("Authorization", f"Bearer {TOKEN}")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            problem = json.load(error)
            if error.code not in (408, 429) and error.code < 500:
                sys.exit(f"{problem['code']}: {problem['detail']}")
            pause = float(error.headers.get("Retry-After", 2**attempt))
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            problem, pause = {"code": "no answer", "detail": str(error)}, 2**attempt
        print(f"{problem['code']}; again in {pause:.0f} s", file=sys.stderr)
        time.sleep(pause)
    sys.exit(f"{problem['code']}: {problem['detail']}")


def upload(path):
    boundary = uuid.uuid4().hex
    with open(path, "rb") as file:
        audio = file.read()
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{os.path.basename(path)}"\r\n\r\n'
    body = head.encode() + audio + f"\r\n--{boundary}--\r\n".encode()
    return ask("POST", "/v2/sync/upload", body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})


def main():
    if len(sys.argv) != 2 or not os.path.isfile(sys.argv[1]):
        sys.exit("usage: transcribe.py FILE")
    job = upload(sys.argv[1])
    while job["status"] not in ENDED:
        time.sleep(job.get("poll_after_ms", 1000) / 1000)
        job = ask("GET", f"/v2/sync/jobs/{job['job_id']}")
    if "files" not in job:
        job = ask("GET", f"/v2/sync/jobs/{job['job_id']}")
    file = job["files"][0]
    for conversation in file["conversation_ids"]:
        for segment in ask("GET", f"/v2/conversations/{conversation}")["segments"]:
            print(segment["text"])
    # This is the only word on which a client may delete its copy.
    may_delete = file["status"] in ("done", "silent") and file.get("code") is None
    why = f" ({file['code']})" if file.get("code") else ""
    print(f"{file['name']}: {file['status']}{why}; {'the file may be deleted' if may_delete else 'keep the file'}", file=sys.stderr)
    sys.exit(file["status"] == "failed")


main()
