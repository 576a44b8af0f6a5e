"""Secrets: what is never stored, whatever is done with it, and what is told of it."""

from __future__ import annotations

import secrets
from contextlib import closing
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from kishu_kernel.model import Version
from kishu_kernel.objects.secret_names import ENVIRONMENT, HIDDEN, is_secret
from kishu_kernel.store.format.signing import KEY_FILE
from kishu_kernel.store.lmdb_store import LmdbStore
from tests.kernel.conftest import Start
from tests.kernel.driver import Kernel

CELLS = """
token = open("key.txt").read(); plain = open("plain.txt").read()
copy = token
pair = [token]; my_token = pair
import os; os.environ["MY_API_KEY"] = token; os.environ["AWS_REGION"] = token; os.environ["PLAIN"] = plain
import json; json.api_key = token; json.word = plain
tokenizer = plain[::-1]
""".strip().splitlines()


def all_in(store: Path) -> bytes:
    """All that a store holds, as it lies on the disk and as a kernel reads it."""
    found = [file.read_bytes() for file in store.iterdir()]
    with closing(LmdbStore(store, readonly=True)) as opened:
        for checkpoint in opened.checkpoints():
            found.append(repr(checkpoint).encode())
            for record in checkpoint.versions:
                if record.stored:
                    found.append(opened.load(Version(record.names, checkpoint.id)).stream)
    return b"\n".join(found)


def begun(start: Start, home: Path) -> Kernel:
    told = {"JPY_SESSION_NAME": str(home / "book.ipynb"), "KISHU_SECRETS": "*token*,!tokenizer*"}
    return start(environment={**told, KEY_FILE: str(home / "key")})


def test_a_secret_is_in_no_store(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_FILE, str(tmp_path / "key"))
    key, plain = (secrets.token_hex(20) for _ in range(2))
    (tmp_path / "key.txt").write_text(key)
    (tmp_path / "plain.txt").write_text(plain)
    kernel = begun(start, tmp_path)
    for cell in CELLS:
        kernel.ok(cell)
    assert kernel.done("hibernate")["durable"]
    [path] = kernel.stores.iterdir()
    held = all_in(path)
    assert all(each.encode() in held for each in (plain, plain[::-1], "word"))
    assert key.encode() not in held
    # nor in what is told of it
    told = [kernel.done("show", target="HEAD"), kernel.done("inspect"), kernel.done("inspect", target="HEAD")]
    told += [kernel.done("log", all=True), kernel.done("diff", target="In[1]", values=True), kernel.done("status")]
    assert plain in str(told)
    assert key not in str(told)
    shown = {each["name"]: (each["stored"], each["summary"]) for each in told[0]["variables"]}
    hidden = {name for name, how in shown.items() if how == (False, HIDDEN)}
    assert hidden == {"token", "copy", "pair", "my_token"}
    reasons = [each["reason"] for each in kernel.done("show", target="In[1]")["checkpoint"]["not_stored"]]
    assert reasons == ["a secret, which is never stored"]
    # an undo and a redo know it, for as long as the process lives
    environment, module = "__import__('os').environ", "__import__('json')"
    look = f"{environment}.get('MY_API_KEY'), {environment}.get('PLAIN'), getattr({module}, 'api_key', None)"
    kernel.done("undo", steps=4)
    assert kernel.value("copy, 'pair' in globals()") == (key, False)
    assert kernel.value(look) == (None, None, None)
    kernel.done("redo", steps=4)
    assert kernel.value(look) == (key, plain, key)


def test_in_a_new_kernel_it_is_made_again_or_told(start: Start, tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_text("first")
    (tmp_path / "plain.txt").write_text("plain")
    kernel = begun(start, tmp_path)
    for cell in CELLS:
        kernel.ok(cell)
    kernel.close(gracefully=True)
    kernel = begun(start, tmp_path)
    plan = kernel.done("resume")["plan"]
    assert "MY_API_KEY" in str(plan["lost"])
    assert "json.api_key, which is never stored: set it by hand" in str(plan["lost"])
    assert "AWS_REGION and MY_API_KEY, which are never stored: set them by hand" in str(plan["lost"])
    assert [step["execution_count"] for step in plan["replay"]] == [1, 2, 3]
    assert kernel.value("(token, copy, my_token is pair, tokenizer)") == ("first", "first", True, "nialp")
    kernel.ok("import os, json; have = 'MY_API_KEY' in os.environ, os.environ['PLAIN'], hasattr(json, 'api_key')")
    assert kernel.value("have") == (False, "plain", False)


def test_which_names_are_secrets() -> None:
    for name in ("HF_TOKEN", "aws_secret_access_key", "AWS_PROFILE", "DB_PASSWORD", "OPENAI_API_KEY", "TOKEN"):
        assert is_secret(name, ENVIRONMENT), name
    for name in ("TOKENIZERS_PARALLELISM", "PATH", "KEYBOARD", "AWSOME", "OMP_NUM_THREADS"):
        assert not is_secret(name, ENVIRONMENT), name


@pytest.mark.parametrize(
    "pattern", ["", "*", "a", "a*", "*a", "*a*", "**a**", "*a*b", "a?c", "[ab]*", "A*", "]", "*]*"]
)
def test_patterns_match_as_those_of_file_names_in_any_case(pattern: str) -> None:
    for name in ("", "a", "ab", "ba", "bab", "abc", "ABC", "]", "x]y", "a\nb"):
        assert is_secret(name, [pattern]) == fnmatchcase(name.lower(), pattern.lower()), name
