"""Reads what `shared/formats` wrote by parsers of other people, and compares it with what was said.

The folder has `cases.json`, and for each case a file of each format. What is wrong is printed, and the exit code is 1.
"""

import csv
import html
import json
import sys
import unicodedata
from pathlib import Path

import srt
import webvtt
from markdown_it import MarkdownIt

# All that may come of our Markdown: no link, no image, no list, no code, no HTML.
BLOCKS = {"heading_open", "heading_close", "paragraph_open", "paragraph_close", "inline"}
INLINES = {"text", "em_open", "em_close", "strong_open", "strong_close"}
FORMULA = tuple("=+-@\t\r\n＝＋－＠﹦﹢﹣﹫−")


def visible(text):
    """The text without white space, control characters and what shows nothing."""
    return "".join(c for c in text if unicodedata.category(c) not in {"Cc", "Cf", "Cn", "Zs", "Zl", "Zp"})


def without_names(text, names):
    for name in names:
        text = text.replace(f"{visible(name)}:", "")
    return text


def check_srt(path, case):
    text = path.read_text(encoding="utf-8")
    cues = list(srt.parse(text))
    assert srt.compose(cues, reindex=False) == text, "it is composed anew as another file"
    assert [cue.index for cue in cues] == list(range(1, len(cues) + 1)), "the numbers have gaps"
    check_times([(cue.start.total_seconds(), cue.end.total_seconds()) for cue in cues])
    said = without_names(visible("".join(cue.content for cue in cues)), case["names"])
    assert sorted(said) == sorted(visible(case["text"])), "the text differs"
    # It refuses a file without a cue, which others accept.
    assert not cues or len(webvtt.from_srt(str(path))) == len(cues), "another parser finds another number of cues"
    return len(cues)


def check_vtt(path, case):
    cues = webvtt.WebVTT.from_string(path.read_text(encoding="utf-8"), strict=True)
    check_times([(cue.start_time.in_milliseconds() / 1000, cue.end_time.in_milliseconds() / 1000) for cue in cues])
    said = visible(html.unescape("".join(cue.text for cue in cues)))
    assert sorted(said) == sorted(visible(case["text"])), "the text differs"
    voices = {html.unescape(cue.voice) for cue in cues if cue.voice}
    assert voices <= set(case["names"]), f"somebody else speaks: {voices}"
    return len(cues)


def check_times(times):
    free_from = 0
    for start, end in times:
        assert start >= free_from and 0.9999 < end - start < 7.0001, f"wrong times: {start} to {end}"
        free_from = end


def check_csv(path, case):
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    assert len(rows) == len(case["texts"]), "another number of rows"
    for row, text in zip(rows, case["texts"]):
        assert None not in row and None not in row.values(), "another number of cells"
        assert not any(cell.startswith(FORMULA) for cell in row.values()), f"a formula: {row}"
        cell, text = visible(row["text"]), visible(text)
        assert cell in (text, f"'{text}"), f"the text differs: {row}"
    return len(rows)


def check_md(path, case):
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = parser.parse(path.read_text(encoding="utf-8"))
    assert {token.type for token in tokens} <= BLOCKS, f"other blocks: {[token.type for token in tokens]}"
    said, headings = "", []
    for before, token in zip(tokens, tokens[1:]):
        if token.type != "inline":
            continue
        types = [child.type for child in token.children]
        assert set(types) <= INLINES, f"other markup: {token.content}"
        content = "".join(child.content for child in token.children)
        if before.type == "heading_open":
            headings.append(content)
        elif types[0] == "text" and "strong_close" in types:
            said += "".join(child.content for child in token.children[types.index("strong_close"):])
    assert visible(said) == visible(case["text"]), "the text differs"
    assert len(headings) == 1 and (not visible(case["title"]) or visible(headings[0]) == visible(case["title"]))
    return len(tokens)


def main():
    folder = Path(sys.argv[1])
    checks = {"srt": check_srt, "vtt": check_vtt, "csv": check_csv, "md": check_md}
    counts, wrong = dict.fromkeys(checks, 0), 0
    for number, case in enumerate(json.loads((folder / "cases.json").read_text(encoding="utf-8"))):
        for kind, check in checks.items():
            try:
                counts[kind] += check(folder / f"{number}.{kind}", case)
            except Exception as error:  # A parser that refuses the file raises whatever it likes.
                wrong += 1
                print(f"{number}.{kind}: {type(error).__name__}: {error}")
    print(json.dumps(counts))
    return 1 if wrong else 0


sys.exit(main())
