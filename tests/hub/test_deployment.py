"""What administrators are given: the image, its files and the values for the chart fit each other."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from traitlets.config import Configurable
from traitlets.config.loader import PyFileConfigLoader

from kishu_kernel.frontend.kernel import options
from kishu_kernel.server.culler import KishuCuller
from kishu_kernel.server.extension import KishuServer

yaml = pytest.importorskip("yaml", reason="Jupyter's own libraries need it")

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
IMAGE = (ROOT / "Dockerfile").read_text("utf-8")
CLASSES = {
    "KishuCuller": KishuCuller,
    "KishuServer": KishuServer,
    "KishuKernel": options.KishuOptions,
}


def check(config: dict[str, dict[str, Any]]) -> None:
    """Each setting is one of ours, and its value is accepted."""
    for section, values in config.items():
        for name, value in values.items():
            trait = CLASSES[section].class_traits(config=True)[name]
            assert trait.validate(Configurable(), value) == value


def test_the_files_of_the_image_for_hubs() -> None:
    check(json.loads((DEPLOY / "hub" / "jupyter_server_config.json").read_text("utf-8")))
    kernel = PyFileConfigLoader("ipython_kernel_config.py", str(DEPLOY / "hub")).load_config()
    check(kernel)
    assert kernel.KishuKernel.auto_resume is True
    for name in ("jupyter_server_config.json", "ipython_kernel_config.py"):
        assert f"deploy/hub/{name}" in IMAGE
    assert 'CMD ["jupyterhub-singleuser"]' in IMAGE.partition("AS hub")[2].partition("FROM")[0]


def test_images_run_as_a_user_and_have_what_was_pinned() -> None:
    stages = re.split(r"^FROM ", IMAGE, flags=re.MULTILINE)[1:]
    for stage in stages:
        if "CMD" in stage:
            assert re.search(r"^USER kishu$", stage, re.MULTILINE)
    installs = re.findall(r"^RUN python -m pip install .*", IMAGE, re.MULTILINE)
    assert installs
    assert all("--constraint deploy/constraints.txt" in each for each in installs)
    lines = (DEPLOY / "constraints.txt").read_text("utf-8").splitlines()
    assert all(re.fullmatch(r"[a-z0-9-]+==\S+", line) for line in lines if not line.startswith("#"))
    allowed = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert {"!deploy", "!jupyter-config"} <= set(allowed)


def test_values_for_the_chart() -> None:
    values = yaml.safe_load((DEPLOY / "z2jh-values.yaml").read_text("utf-8"))
    user = values["singleuser"]
    (file,) = user["extraFiles"].values()
    check(file["data"])
    assert file["mountPath"] == "/usr/local/etc/jupyter/jupyter_server_config.json"
    grace = values["hub"]["config"]["KubeSpawner"]["delete_grace_period"]
    assert grace >= file["data"]["KishuServer"]["stop_timeout"] + 10  # the server's own shutdown
    assert file["data"]["KishuCuller"]["idle_timeout"] < values["cull"]["timeout"]
    assert values["cull"]["enabled"] is True
    # the home of the image's user, which is kept, has the stores
    assert f"useradd --create-home --uid {user['uid']} kishu" in IMAGE
    assert user["storage"]["homeMountPath"] == "/home/kishu"
    assert user["storage"]["type"] == "dynamic"
    assert user["storage"]["dynamic"]["storageAccessModes"] == ["ReadWriteOnce"]
    assert "KISHU_STORE_DIR" not in user["extraEnv"]
    variables = set(re.findall(r"KISHU_\w+", Path(options.__file__).read_text("utf-8")))
    assert set(user["extraEnv"]) <= variables
    assert user["cmd"] == "jupyterhub-singleuser"
