#!/bin/sh
# Uploads one recording, waits for its job and prints what was said.
#
# Usage: AFTERWORD_URL=… AFTERWORD_TOKEN=… transcribe.sh FILE
set -eu
if [ $# -ne 1 ] || [ ! -f "$1" ]; then
    echo "usage: transcribe.sh FILE" >&2
    exit 2
fi

# One request. curl makes it again after 408, 429, 5xx and a broken connection, and waits as long as Retry-After says.
ask() {
    answer=$(curl -sS --fail-with-body --retry 8 --retry-connrefused --max-time 600 \
        -H "Authorization: Bearer ${AFTERWORD_TOKEN:?}" "$@") || {
        # A refusal says in its body what is wrong.
        printf '%s\n' "$answer" >&2
        exit 1
    }
    printf '%s\n' "$answer"
}

# The first string of this name in a JSON object.
field() {
    sed -n 's/.*"'"$1"'":"\([^"]*\)".*/\1/p' | head -n 1
}

job=$(ask -F "files=@$1" "${AFTERWORD_URL:?}/v2/sync/upload")
id=$(printf '%s\n' "$job" | field job_id)
while true; do
    job=$(ask "$AFTERWORD_URL/v2/sync/jobs/$id")
    # The job's own status stands before those of its files.
    case $(printf '%s\n' "$job" | grep -o '"status":"[a-z_]*"' | head -n 1) in
        *completed* | *partial_failure* | *failed* | *cancelled*) break ;;
    esac
    sleep 1
done

conversations=$(printf '%s\n' "$job" | sed -n 's/.*"conversation_ids":\[\([^]]*\)\].*/\1/p' | tr -d '"' | tr ',' ' ')
for conversation in $conversations; do
    # Each segment may have a list of its words, each of which has a text, too.
    ask "$AFTERWORD_URL/v2/conversations/$conversation" | sed 's/"words":\[[^]]*\]//g' |
        grep -o '"text":"[^"]*"' | sed 's/^"text":"//; s/"$//'
done
file=$(printf '%s\n' "$job" | sed 's/.*"files":\[//')
status=$(printf '%s\n' "$file" | field status)
code=$(printf '%s\n' "$file" | grep -o '"code":[^,}]*' | head -n 1)
# This is the only word on which a client may delete its copy.
case $status:$code in
    'done:"code":null' | 'silent:"code":null') echo "$1: $status; the file may be deleted" >&2 ;;
    *) echo "$1: $status ($(printf '%s\n' "$file" | field code)); keep the file" >&2 ;;
esac
[ "$status" != failed ]
