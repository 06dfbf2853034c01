#!/usr/bin/env python3
"""Uploads one recording, waits for its job and prints what was said. Ends with 0 only if the file may be deleted.

Usage: AFTERWORD_URL=… AFTERWORD_TOKEN=… transcribe.py FILE
"""

import email.utils
import http.client
import json
import os
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

URL, TOKEN = os.environ.get("AFTERWORD_URL"), os.environ.get("AFTERWORD_TOKEN")
ENDED = {"completed", "partial_failure", "failed", "cancelled"}
# A request is made at most this many times. The pauses between the tries double, beginning with a second.
TRIES = 8
# The client does not wait for a server that asks for a longer pause, in seconds.
LONGEST_PAUSE = 300


def give_up(why):
    sys.exit(f"{why}; keep the file")


def asked_pause(retry_after):
    """The seconds for which `Retry-After` asks. It is a number, or a date that a server in between wrote."""
    try:
        if retry_after.isdecimal():
            return int(retry_after)
        return email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time()
    except (AttributeError, TypeError, ValueError):
        return 0


def send(request):
    """The answer, whatever its status is."""
    try:
        return urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as answer:
        return answer


def ask(method, path, read, body=None, headers=None):
    """Returns what `read` finds in the answer. Any answer that is not what docs/API.md describes is a failed try: it comes
    from a broken connection or from something between the client and the server."""
    headers = {"Authorization": f"Bearer {TOKEN}", **(headers or {})}
    for attempt in range(TRIES):
        pause, problem = 2**attempt, "no usable answer"
        try:
            with send(urllib.request.Request(URL + path, body, headers, method=method)) as answer:
                problem += f" (status {answer.status})"
                pause = max(pause, asked_pause(answer.headers.get("Retry-After")))
                found = json.load(answer)
                if answer.status < 300:
                    return read(found)
                problem = found["code"] + " (" + found["detail"] + ")"
                # Another try changes nothing about a refusal.
                if 400 <= answer.status < 500 and answer.status not in (408, 429):
                    give_up(problem)
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            problem += f": {error}"
        if attempt + 1 == TRIES:
            give_up(problem)
        if pause > LONGEST_PAUSE:
            give_up(f"{problem}; the server asks for a pause of {pause:.0f} s")
        print(f"{problem}; again in {pause:.0f} s", file=sys.stderr)
        time.sleep(pause)


def sent_name(path):
    """The name of the file as it is sent. Characters that end a quoted name are written as browsers write them (%22)."""
    name = os.path.basename(path).encode(errors="replace").decode()
    return re.sub(r'["\\\r\n]', lambda odd: urllib.parse.quote(odd[0]), name)


def upload(path):
    """The id of the job, and the seconds after which to ask for it."""
    boundary = uuid.uuid4().hex
    with open(path, "rb") as file:
        audio = file.read()
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{sent_name(path)}"\r\n\r\n'
    body = head.encode() + audio + f"\r\n--{boundary}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return ask("POST", "/v2/sync/upload", lambda job: (job["job_id"], job["poll_after_ms"] / 1000), body, headers)


def read_job(job):
    """Whether the job is over, the seconds after which to ask again, and the files by their names."""
    files = {file["name"]: (file["status"], file["code"], file["conversation_ids"]) for file in job["files"]}
    return job["status"] in ENDED, (job["poll_after_ms"] or 1000) / 1000, files


def print_conversation(conversation):
    cursor = ""
    while cursor is not None:
        path = f"/v2/conversations/{conversation}" + (f"?cursor={urllib.parse.quote(cursor, safe='')}" if cursor else "")
        lines, cursor = ask(
            "GET", path, lambda page: ([segment["text"] + "\n" for segment in page["segments"]], page["next_cursor"])
        )
        sys.stdout.writelines(lines)
    # A text that is only in a buffer has not been printed.
    sys.stdout.flush()


def main():
    if len(sys.argv) != 2 or not os.path.isfile(sys.argv[1]) or not URL or not TOKEN:
        sys.exit("usage: AFTERWORD_URL=… AFTERWORD_TOKEN=… transcribe.py FILE")
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    path = sys.argv[1]
    job, wait = upload(path)
    over = False
    while not over:
        time.sleep(wait)
        over, wait, files = ask("GET", f"/v2/sync/jobs/{job}", read_job)
    # A recording that the server knows already may be one of many files of an older job.
    if sent_name(path) not in files:
        give_up("the job does not have the file")
    status, code, conversations = files[sent_name(path)]
    for conversation in conversations:
        print_conversation(conversation)
    # Only this allows a client to delete its copy.
    if status not in ("done", "silent") or code is not None:
        give_up(f"{path}: {status} ({code})" if code else f"{path}: {status}")
    print(f"{path}: {status}; the file may be deleted", file=sys.stderr)


main()
