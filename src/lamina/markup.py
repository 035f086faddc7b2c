"""Text of others on a page: what is shown of it, how it is written for a browser, and what the browser may run.

Rows, configs, corpora and checkpoints come from anyone. Whatever a page shows of them passes `escaped`, in text
and in quoted attributes alike; `policy` lets the browser run the page's own scripts and nothing else. Names of
files are made by `lamina.files.file_name`.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re

# Control characters, halves of characters, what XML forbids, and marks that turn the direction of reading.
_HIDDEN = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


def visible(text: object) -> str:
    """A value as text, U+FFFD in the place of what nobody would see."""
    return _HIDDEN.sub("\N{REPLACEMENT CHARACTER}", str(text))


def escaped(text: object) -> str:
    """A value as HTML: for text, and for attributes in double quotes."""
    return html.escape(visible(text))


def shortened(text: str, most: int = 80) -> str:
    """At most so many characters of a text, both its ends where it is longer: names of others have any length."""
    return text if len(text) <= most else f"{text[: most * 2 // 3]}…{text[len(text) - most // 3 + 1 :]}"


def policy(*scripts: str) -> str:
    """The ``<meta>`` element of a page that runs these scripts and no other, and asks nothing of any network.

    Styles may stand anywhere in the page (drawing libraries write them), pictures in ``data:``, and in ``blob:``
    where scripts may make them. It goes before everything that could run.
    """
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{each}'" for each in hashes) or "'none'"
    rules = (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        f"img-src data:{' blob:' if scripts else ''}; form-action 'none'; base-uri 'none'"
    )
    return f'<meta http-equiv="Content-Security-Policy" content="{rules}">'
