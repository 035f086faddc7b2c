"""The table of published checkpoints, and their download with a checksum."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from lamina.encoders import load
from lamina.encoders.load import load_encoder
from lamina.encoders.published import PUBLISHED, fetch, find
from lamina.errors import LaminaError
from lamina.files import file_digest


def test_the_table_has_every_published_model() -> None:
    papers = {published.paper for published in PUBLISHED}
    for code in ("mono_base", "mono_large", "multi_base", "multi_large (400k)", "multi_large (600k)"):
        assert code in papers
    ablations = {
        "B1": "abc",
        "B2": "abc",
        "B3": "a",
        "B4": "ab",
        "B5": "a",
        "B6": "ab",
        "B7": "abcd",
        "B8": "abcdefghij",
    }
    assert {f"{number}-{letter}" for number, letters in ablations.items() for letter in letters} <= papers
    for column in ("name", "paper", "url"):
        values = [getattr(published, column) for published in PUBLISHED]
        assert len(set(values)) == len(values)
    for published in PUBLISHED:
        assert published.url.startswith("https://")
        if published.levels and published.block_layers:
            assert len(published.block_layers) == 2 * len(published.levels) - 1


def test_names() -> None:
    assert find("mr-hubert-base") is find("mono_base") is find("MONO_BASE")
    assert find("B4-a").training.startswith("single prediction")
    with pytest.raises(LaminaError, match="lamina encoder list"):
        find("mr-hubert-tiny")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "model.pt").write_bytes(b"weights")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "site")))
    thread = Thread(target=http.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}/model.pt"
    http.shutdown()
    thread.join()
    http.server_close()


def test_download_with_a_checksum(server: str, tmp_path: Path) -> None:
    good = replace(PUBLISHED[0], url=server, sha256=hashlib.sha256(b"weights").hexdigest())
    path = fetch(good, tmp_path / "cache")
    assert path.read_bytes() == b"weights"
    assert fetch(replace(good, url="http://127.0.0.1:1/none"), tmp_path / "cache") == path  # it is there already
    path.write_bytes(b"changed")
    with pytest.raises(LaminaError, match="was changed"):
        fetch(good, tmp_path / "cache")
    with pytest.raises(LaminaError, match="was changed"):
        fetch(replace(good, sha256="0" * 64), tmp_path / "other")
    with pytest.raises(LaminaError, match="cannot be reached"):
        fetch(replace(good, url=server + ".missing"), tmp_path / "other")
    assert list((tmp_path / "other").iterdir()) == []


def test_loading_by_name_fetches_and_converts_once(
    server: str, tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = shared / "fixtures" / "mr_hubert" / "a_base_2res" / "checkpoint.pt"
    (tmp_path / "site" / "model.pt").write_bytes(checkpoint.read_bytes())
    entry = replace(PUBLISHED[0], name="of-a-test", url=server, sha256=file_digest(checkpoint, length=64))
    monkeypatch.setattr(load, "PUBLISHED", (entry,))
    encoder = load_encoder("of-a-test", cache=tmp_path / "cache")
    assert encoder.name == "of-a-test"
    (tmp_path / "site" / "model.pt").unlink()
    assert load_encoder("of-a-test", cache=tmp_path / "cache").digest == encoder.digest
