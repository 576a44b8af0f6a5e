"""The kernel conformance suite of the Jupyter project, every optional sample filled in.

The samples are those that its own test of ipykernel fills, and more of them: what plain IPython
answers, this kernel answers.
"""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

import jupyter_kernel_test
import pytest

from kishu_kernel.frontend.kernel import launcher
from tests.kernel.driver import environment_of

KERNEL_NAME = "kishu-under-test"


def install_for(case: type[unittest.TestCase]) -> None:
    """The suite finds a kernel by its installed name only; this one lasts as long as the class."""
    directory = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    case.addClassCleanup(directory.cleanup)
    home = Path(directory.name)
    # By our own command: what it writes keeps pydevd from its warning of frozen modules, which comes
    # before ipykernel's welcome where a client subscribes at that moment (a plain kernel's, too).
    launcher.install(KERNEL_NAME, prefix=home)
    mine = pytest.MonkeyPatch()
    case.addClassCleanup(mine.undo)
    for name, value in environment_of(home, {"JUPYTER_PATH": str(home / "share" / "jupyter")}).items():
        mine.setenv(name, value)


# ruff: noqa: RUF012 -- the samples are lists in the base class


class TestKishuKernel(jupyter_kernel_test.KernelTests):
    kernel_name = KERNEL_NAME
    language_name = "python"
    file_extension = ".py"

    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('oh', file=sys.stderr)"
    code_page_something = "zip?"
    code_generate_error = "raise"
    code_inspect_sample = "zip"
    code_clear_output = "from IPython.display import clear_output; clear_output()"

    def execute_helper(self, *arguments: Any, **options: Any) -> Any:
        """As in the suite; but it gives each message 0.1 s, and a busy machine may take longer over one."""
        channel = self.kc.iopub_channel
        wait = channel.get_msg
        with mock.patch.object(channel, "get_msg", lambda timeout: wait(timeout=max(timeout, 10))):
            return super().execute_helper(*arguments, **options)

    completion_samples = [
        {"text": "zi", "matches": {"zip"}},
        {"text": "import base6", "matches": {"base64"}},
        {"text": "%kis", "matches": {"%kishu"}},
    ]

    complete_code_samples = [
        "1",
        "print('hello, world')",
        "def f(x):\n  return x*2\n\n\n",
        "%kishu log",
    ]
    incomplete_code_samples = ["print('''hello", "def f(x):\n  x*2", "%%time\nfor i in [1]:"]
    invalid_code_samples = ["import = 7q", "x = = 1"]

    code_execute_result = [
        {"code": "1+2+3", "result": "6"},
        {"code": "[n*n for n in range(1, 4)]", "result": "[1, 4, 9]"},
        {"code": "from IPython.display import HTML; HTML('<b>x</b>')", "mime": "text/html"},
    ]
    code_display_data = [
        {
            "code": "from IPython.display import HTML, display; display(HTML('<b>x</b>'))",
            "mime": "text/html",
        },
        {
            "code": r"from IPython.display import Math, display; display(Math('\\frac{1}{2}'))",
            "mime": "text/latex",
        },
    ]

    code_history_pattern = "1?2*"
    # not "range": IPython answers with session 0 where the suite expects the session's number
    supported_history_operations = ("tail", "search")

    @classmethod
    def setUpClass(cls) -> None:
        install_for(cls)
        super().setUpClass()


class TestWelcome(jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = KERNEL_NAME
    support_iopub_welcome = True

    @classmethod
    def setUpClass(cls) -> None:
        install_for(cls)
        super().setUpClass()
