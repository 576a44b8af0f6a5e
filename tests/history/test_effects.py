from __future__ import annotations

import pytest

from kishu_kernel.history.effects import side_effects

SHELL = "runs commands of the shell"


@pytest.mark.parametrize(
    ("code", "effects"),
    [
        ("x = 1", ()),
        ("df = pd.read_csv('a.csv'); df.head()", ()),
        ("with open('a') as file: text = file.read()", ()),
        ("open('a', 'rb')", ()),
        ("open('a', 'w').write('b')", ("writes files",)),
        ("open('a', mode=chosen)", ("writes files",)),
        ("path.open('a').write('b')", ("writes files",)),
        ("gzip.open('a.gz', 'wt')", ("writes files",)),
        ("Path('x').open(mode='w')", ("writes files",)),
        ("path.open(), path.open('rb'), gzip.open(name), gzip.open('a.gz', 'rb')", ()),
        ("df.to_csv('a.csv')", ("writes files",)),
        ("fig.savefig('a.png')", ("writes files",)),
        ("os.remove('a')", ("deletes or moves files",)),
        ("requests.post(url)", ("talks to the network",)),
        ("subprocess.run(['ls'])", ("starts processes",)),
        ("threading.Thread(target=f).start()", ("starts threads",)),
        ("name = input()", ("asks for input",)),
        ("!rm -r data", (SHELL,)),
        ("files = !ls", (SHELL,)),
        ("%%bash\nls", (SHELL,)),
        ("%matplotlib inline\nx = 1", ()),
        ("!ls\nopen('a', 'w')", (SHELL, "writes files")),
        ("df?", ()),
        ("def", ()),
        ('text = \'open("a", "w")\'', ()),
    ],
)
def test_what_a_rerun_might_do(code: str, effects: tuple[str, ...]) -> None:
    assert side_effects(code) == effects
