# shellcheck shell=bash
# Sourced by the setup scripts: packages of npm and PyPI by their own clients, and one list of what cannot be had.

# Each thing that is missing is one line of this file, so that a person is told of all of them at once.
missing_file=${AFTERWORD_MISSING:-}

missing() { # what, and how to get it
    if [ -n "$missing_file" ]; then echo "$1" >>"$missing_file"; else echo "setup: missing: $1" >&2; fi
}

cache_folder() { # name of a folder in the project's own cache
    if [ -n "${XDG_CACHE_HOME:-}" ]; then
        echo "$XDG_CACHE_HOME/afterword/$1"
    else
        echo "${HOME:?neither XDG_CACHE_HOME nor HOME says where the cache folder is}/.cache/afterword/$1"
    fi
}

# Beside the files, so that moving them is atomic. A run that was cut off leaves only this, and a later one removes it.
work_folder() { # the folder that the files are for
    mkdir -p "$1"
    find "$1" -maxdepth 1 -name '.setup.*' -mtime +0 -exec rm -rf {} +
    mktemp -d "$1/.setup.XXXXXX"
}

said() { # what went wrong, the log with the reason
    missing "$1: $(tail -n 1 "$2"). Is there a network? \`make setup\` goes on where it stopped."
}

from_npm() { # package, folder to unpack into, folder for what is only needed meanwhile
    if ! command -v npm >/dev/null 2>&1; then
        missing "\`npm\`, through which packages are fetched: \`apt-get install npm\` on Debian or Ubuntu, \`brew install node\` on macOS."
        return 1
    fi
    mkdir -p "$2"
    if ! (cd "$3" && npm pack --silent "$1" >"$2.name" 2>"$2.log"); then
        said "npm cannot fetch $1" "$2.log"
        return 1
    fi
    tar -xzf "$3/$(tail -n 1 "$2.name")" -C "$2" --strip-components 1
}

from_pip() { # package, folder to unpack into, folder for what is only needed meanwhile
    if ! command -v python3 >/dev/null 2>&1; then
        missing "\`python3\`, through which packages are fetched: \`apt-get install python3-venv\` on Debian or Ubuntu, \`brew install python\` on macOS."
        return 1
    fi
    local python=python3
    if ! python3 -m pip --version >/dev/null 2>&1; then
        # Debian's python3 may come without pip; a virtual environment has one.
        python=$3/python/bin/python3
        if [ ! -x "$python" ] && ! python3 -m venv "$3/python" >/dev/null 2>&1; then
            missing "Python's pip, through which packages are fetched: \`apt-get install python3-venv\` on Debian or Ubuntu, \`python3 -m ensurepip\` elsewhere."
            return 1
        fi
    fi
    mkdir -p "$2"
    if ! "$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$2.wheels" "$1" >"$2.log" 2>&1; then
        said "pip cannot fetch $1" "$2.log"
        return 1
    fi
    "$python" -m zipfile -e "$2.wheels"/*.whl "$2"
}
