"""The panel's modules: joined to one for the widget, in layers, their parts tested by Node.js (`*.test.mjs`).

Where there is no Node.js, what needs it is skipped.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import kishu_kernel
from kishu_kernel.frontend.panel.javascript import NotUnderstood, join

HERE = Path(__file__).resolve().parent
STATIC = Path(kishu_kernel.__file__).parent / "frontend" / "panel" / "static"
MODULES = sorted(path.relative_to(STATIC).as_posix() for path in (STATIC / "timeline").rglob("*.js"))
ENTRY = "timeline.js"

OLDEST_NODE = (20, 19)
"""The first that takes a module for one by its text alone."""


@pytest.fixture(scope="module")
def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.skip("no Node.js")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < OLDEST_NODE:
        pytest.skip(f"Node.js {version.strip()} is older than {'.'.join(map(str, OLDEST_NODE))}")
    return found


def run(node: str, *arguments: str) -> str:
    """What Node.js prints; its whole output is the failure where there is one."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NODE_")}
    done = subprocess.run(
        [node, *arguments], env=environment, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False
    )
    if done.returncode:
        pytest.fail(f"{done.stdout}\n{done.stderr}", pytrace=False)
    return done.stdout


def exports(node: str, module: str, directory: Path) -> dict[str, object]:
    """What a module exports; functions as "function"."""
    (directory / "module.mjs").write_text(module, encoding="utf-8")
    show = "JSON.stringify(module, (_, value) => typeof value === 'function' ? 'function' : value)"
    url = json.dumps((directory / "module.mjs").as_uri())
    printed = run(node, "--input-type=module", "-e", f"import({url}).then((module) => console.log({show}))")
    return dict(json.loads(printed))


def read(path: str) -> str:
    return (STATIC / path).read_text(encoding="utf-8")


def imports(path: str) -> set[str]:
    """The modules that one imports, however it is written."""
    sources = re.findall(r"""^import\b[^;]*?['"]([^'"]+)['"];""", read(path), re.MULTILINE)
    return {os.path.normpath(Path(path).parent / source) for source in sources}


# -- the modules as they are ----------------------------------------------------------------------


def test_parts_without_a_page(node: str) -> None:
    tests = sorted(map(str, HERE.glob("*.test.mjs")))
    assert len(tests) > 10
    run(node, "--test", "--test-reporter=spec", *tests)


def test_each_module_that_needs_no_page_is_tested() -> None:
    tested = {path.name.removesuffix(".test.mjs") for path in HERE.glob("*.test.mjs")}
    extension = HERE.parents[1] / "labextension" / "src"
    own = {path.stem for path in extension.glob("*.js")}
    assert {Path(path).stem for path in MODULES if "/model/" in path} | own == tested


def test_what_needs_no_page_knows_of_none() -> None:
    for path in MODULES:
        if "/model/" in path:
            assert not re.search(r"\b(?:document|window|querySelector|HTMLElement)\b", read(path)), path
            assert all("/model/" in source for source in imports(path)), path


def test_no_module_is_left_over() -> None:
    reached, waiting = set(), {ENTRY}
    while waiting:
        path = waiting.pop()
        reached.add(path)
        waiting |= imports(path) - reached
    assert reached == {ENTRY, *MODULES}


def test_no_module_is_long() -> None:
    assert not [path for path in MODULES if len(read(path).splitlines()) > 400]


def test_the_widget_is_one_module(node: str, tmp_path: Path) -> None:
    """The notebook would have to fetch anything else; and to anywidget an exported `render` is a widget of its own."""
    joined = join(ENTRY, read) + read("widget.js")
    assert not re.search(r"^\s*import\b|\bimport\s*\(", joined, re.MULTILINE)
    assert exports(node, joined, tmp_path) == {"mount": "function", "default": {"render": "function"}}


def test_a_bundler_can_join_them_too(node: str, tmp_path: Path) -> None:
    url = json.dumps((STATIC / ENTRY).as_uri())
    assert exports(node, f"export * from {url};", tmp_path) == {"mount": "function"}


# -- joining --------------------------------------------------------------------------------------


def joined(**modules: str) -> str:
    """`main.js` and what it imports, each named as an argument; `_` in names is a slash."""
    texts = {f"{name.replace('_', '/')}.js": text for name, text in modules.items()}
    return join("main.js", texts.__getitem__)


def test_names_of_modules_stay_their_own(node: str, tmp_path: Path) -> None:
    module = joined(
        main="/** Head. */\n\nimport { one } from './one.js';\nimport {\n  two,\n  Three,\n} from './a/two.js';\n"
        "const secret = 'main';\nexport const all = [secret, one(), two, new Three().own];\n",
        one="const secret = 'one';\nexport function one() {\n  return secret;\n}\n",
        a_two="// Head.\nimport { one } from '../one.js';\nconst secret = one() + 'two';\n"
        "export const two = secret;\nexport class Three {\n  own = secret;\n}\n",
    )
    assert exports(node, module, tmp_path) == {"all": ["main", "one", "onetwo", "onetwo"]}


def test_a_module_runs_once_and_before_who_imports_it(node: str, tmp_path: Path) -> None:
    module = joined(
        main="import { b } from './b.js';\nimport { a } from './a.js';\nimport { log } from './log.js';\n"
        "export const all = [...log, b, a];\n",
        a="import { log } from './log.js';\nlog.push('a ran');\nexport const a = 1;\n",
        b="import { a } from './a.js';\nimport { log } from './log.js';\nlog.push('b ran');\nexport const b = a + 1;\n",
        log="export const log = [];\n",
    )
    assert exports(node, module, tmp_path) == {"all": ["a ran", "b ran", 2, 1]}


def test_words_within_code_are_no_imports() -> None:
    code = "const words = 'import export'; // import or export\nexport async function* important() {}\n"
    assert joined(main=code).endswith(code)


@pytest.mark.parametrize(
    "text",
    [
        "import './part.js';",
        "import part from './part.js';",
        "import * as part from './part.js';",
        "import { x as y } from './part.js';",
        'import { x } from "./part.js";',
        "import { x } from 'elsewhere';",
        "import { x } from './part.js'",
        "const first = 1;\nimport { x } from './part.js';",
        "const part = await import('./part.js');",
        "const here = import.meta.url;",
        "const x = 1;\nexport { x };",
        "export { x } from './part.js';",
        "export * from './part.js';",
        "export default function () {}",
        "export let x = 1;",
        "export const { x } = {};",
        "export const [x] = [];",
        "const y = 1;\n  export const x = y;",
    ],
)
def test_other_ways_to_write_a_module_are_refused(text: str) -> None:
    with pytest.raises(NotUnderstood, match=r"^main\.js: not understood: \S"):
        joined(main=f"/** Head. */\n{text}\n", part="export const x = 1;\n")


def test_an_import_of_what_is_not_exported_is_refused() -> None:
    with pytest.raises(NotUnderstood, match=r"^main\.js: part\.js does not export y$"):
        joined(main="import { x, y } from './part.js';\n", part="export const x = 1;\nconst y = 2;\n")


def test_a_circle_is_refused() -> None:
    with pytest.raises(NotUnderstood, match=r"^b\.js: imports a\.js, which imports it$"):
        joined(
            main="import { a } from './a.js';\n",
            a="import { b } from './b.js';\nexport const a = 1;\n",
            b="import { a } from './a.js';\nexport const b = 1;\n",
        )
