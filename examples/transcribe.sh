#!/bin/sh
# Uploads one recording, waits for its job and prints what was said. Ends with 0 only if the file may be deleted. It needs curl,
# and python3 to read JSON.
#
# Usage: AFTERWORD_URL=… AFTERWORD_TOKEN=… transcribe.sh FILE
set -eu
if [ $# -ne 1 ] || [ ! -f "$1" ] || [ -z "${AFTERWORD_URL:-}" ] || [ -z "${AFTERWORD_TOKEN:-}" ]; then
    echo "usage: AFTERWORD_URL=… AFTERWORD_TOKEN=… transcribe.sh FILE" >&2
    exit 2
fi
# A request is made at most this many times. The pauses between the tries double, beginning with a second.
tries=8
# The client does not wait for a server that asks for a longer pause, in seconds.
longest_pause=300
export PYTHONIOENCODING=utf-8:replace

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

give_up() {
    echo "$1; keep the file" >&2
    exit 1
}

# Prints the lines that a Python expression reads from the last answer. It fails if the answer does not have them.
lines() {
    python3 -c '
import json, sys
answer, name = json.load(open(sys.argv[1], "rb")), sys.argv[2]
print("\n".join(eval(sys.argv[3])))
' "$folder/answer" "$name" "$1" 2>"$folder/error"
}

# The seconds for which Retry-After asks. It is a number, or a date that a server in between wrote.
asked_pause() {
    python3 -c '
import email.utils, sys, time
value = sys.argv[1].strip()
try:
    pause = int(value) if value.isdecimal() else email.utils.parsedate_to_datetime(value).timestamp() - time.time()
except (TypeError, ValueError):
    pause = 0
print(round(max(0, min(pause, 10**9))))
' "$(grep -i '^retry-after:' "$folder/headers" | tail -n 1 | cut -d : -f 2-)"
}

# One request with the arguments of curl. The lines that the expression reads from its answer are in "$folder/lines" afterwards.
# Any answer that is not what docs/API.md describes is a failed try: it comes from a broken connection or from something between
# the client and the server.
ask() {
    expression=$1
    shift
    try=1
    pause=1
    while true; do
        : >"$folder/answer"
        : >"$folder/headers"
        if status=$(curl -sS --connect-timeout 60 --speed-limit 1 --speed-time 60 -H "Authorization: Bearer $AFTERWORD_TOKEN" \
            -D "$folder/headers" -o "$folder/answer" -w '%{http_code}' "$@"); then
            problem="no usable answer (status $status)"
            case $status in
                2*) if lines "$expression" >"$folder/lines"; then return; fi ;;
                *)
                    if lines '[answer["code"] + " (" + answer["detail"] + ")"]' >"$folder/lines"; then
                        problem=$(cat "$folder/lines")
                        # Another try changes nothing about a refusal.
                        case $status in 408 | 429) ;; 4*) give_up "$problem" ;; esac
                    fi
                    ;;
            esac
        else
            problem='no usable answer'
        fi
        [ "$try" -lt "$tries" ] || give_up "$problem"
        seconds=$(asked_pause)
        [ "$seconds" -ge "$pause" ] || seconds=$pause
        [ "$seconds" -le "$longest_pause" ] || give_up "$problem; the server asks for a pause of $seconds s"
        echo "$problem; again in $seconds s" >&2
        sleep "$seconds"
        try=$((try + 1))
        pause=$((pause * 2))
    done
}

# Characters that end a quoted name are sent as browsers write them (%22).
name=$(python3 -c '
import os, re, sys, urllib.parse
print(re.sub(r"[\"\\\r\n]", lambda odd: urllib.parse.quote(odd[0]), os.path.basename(sys.argv[1])))
' "$1")
# In a quoted path, curl wants a backslash before these two.
path=$(printf '%s' "$1" | LC_ALL=C sed 's/[\\"]/\\&/g')
ask '[answer["job_id"], str(answer["poll_after_ms"] // 1000)]' \
    -F "files=@\"$path\";filename=\"$name\"" "$AFTERWORD_URL/v2/sync/upload"
{
    read -r job
    read -r poll_after
} <"$folder/lines"

# A recording that the server knows already may be one of many files of an older job.
read_job='[answer["status"], str((answer["poll_after_ms"] or 1000) // 1000)] + next(
    ([file["status"], file["code"] or "", *file["conversation_ids"]] for file in answer["files"] if file["name"] == name),
    ["not in the job", ""])'
job_status=
while true; do
    case $job_status in completed | partial_failure | failed | cancelled) break ;; esac
    sleep "$poll_after"
    ask "$read_job" "$AFTERWORD_URL/v2/sync/jobs/$job"
    {
        read -r job_status
        read -r poll_after
        read -r file_status
        read -r code
        conversations=$(cat)
    } <"$folder/lines"
done

for conversation in $conversations; do
    cursor=
    while true; do
        ask '[answer["next_cursor"] or ""] + [segment["text"] for segment in answer["segments"]]' \
            -G ${cursor:+--data-urlencode "cursor=$cursor"} "$AFTERWORD_URL/v2/conversations/$conversation"
        cursor=$(head -n 1 "$folder/lines")
        tail -n +2 "$folder/lines"
        [ -n "$cursor" ] || break
    done
done
# Only this allows a client to delete its copy.
case $file_status:$code in
    done: | silent:) echo "$1: $file_status; the file may be deleted" >&2 ;;
    *) give_up "$1: $file_status${code:+ ($code)}" ;;
esac
