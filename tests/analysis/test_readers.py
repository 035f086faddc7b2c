"""Word vectors as people have them: text in many dialects is read, what is no text says what it is."""

from __future__ import annotations

import gzip
import pickle

import numpy as np
import pytest

from lamina.analysis.targets.readers import read_pairs, read_word_vectors
from lamina.errors import LaminaError

PLAIN = "the 0.1 -0.2 3e-1\nof 1 2 3\n"


@pytest.mark.parametrize(
    "raw",
    [
        PLAIN.encode(),
        PLAIN.encode("utf-8-sig"),
        gzip.compress(PLAIN.encode()),
        gzip.compress(b"\xef\xbb\xbf2 3\n" + PLAIN.encode()),
        f"2 3\n{PLAIN}".encode(),
        PLAIN.replace(" ", "\t").encode(),
        PLAIN.replace(" ", "\t", 1).encode(),
        PLAIN.replace("\n", " \r\n").encode(),
        f"{PLAIN}. . . 1 2 3\nat name@domain.com 4 5 6\n".encode(),
        f"{PLAIN}a\u2028b\u00a0c 1 2 3\n".encode(),
    ],
)
def test_text_in_any_dialect(tmp_path, raw) -> None:
    (tmp_path / "x.txt").write_bytes(raw)
    found = read_word_vectors(tmp_path / "x.txt", {"the", "of", ". . .", "a\u2028b\u00a0c", "not"})
    np.testing.assert_allclose(found["the"], [0.1, -0.2, 0.3], rtol=1e-6)
    np.testing.assert_allclose(found["of"], [1, 2, 3])
    for odd in (". . .", "a\u2028b\u00a0c"):
        assert (odd in found) == (odd.encode() in raw)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (pickle.dumps({"the": [1.0]}), "is a Python pickle, which is never loaded"),
        (b"PK\x03\x04", "is a zip"),
        (b"\x93NUMPY\x01\x00", "is a numpy array"),
        (b"3000000 300\n</s> \x00\x00\x80?", "is word2vec's binary format"),
        ("the 1 2\n".encode("utf-16"), "text in UTF-16"),
        (b"\xba\x16\x4f\x2f\x0c\x00", "a model of fastText"),
        (b"BZh91AY", "packed by bzip2"),
        (gzip.compress(pickle.dumps([1.0])), "is a Python pickle"),
        (gzip.compress(PLAIN.encode())[:-12], "cannot read word vectors"),
        (b"caf\xe9 1 2 3\n", "cannot read word vectors"),
        (b"the 1 2 3\nof 1 2\n", "'of' has 2 numbers, the words before it have 3"),
        (b"the 1 2 3\nof 1 2 3 4\n", "'of' has 4 numbers, the words before it have 3"),
    ],
)
def test_what_is_no_text_says_what_it_is(tmp_path, raw, says) -> None:
    (tmp_path / "x.txt").write_bytes(raw)
    with pytest.raises(LaminaError, match=says):
        read_word_vectors(tmp_path / "x.txt", {"the"})


def test_pairs_keep_their_lines(tmp_path) -> None:
    (tmp_path / "x.tsv").write_text("\ufeffa b 0.5\r\nc\u2028d e 1\n", encoding="utf-8")
    with pytest.raises(LaminaError, match="line 2"):
        read_pairs(tmp_path / "x.tsv")
    (tmp_path / "x.tsv").write_text("\ufeffa b 0.5\r\n\nc d 1\n", encoding="utf-8")
    assert read_pairs(tmp_path / "x.tsv") == [("a", "b", 0.5), ("c", "d", 1.0)]
