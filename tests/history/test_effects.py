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
        ("log.write('b')", ("writes files",)),
        ("print('b', file=log)", ("writes files",)),
        ("sys.stdout.write('b'); print('b', file=sys.stderr); print('b')", ()),
        ("os.remove('a')", ("deletes or moves files",)),
        ("requests.post(url)", ("talks to the network",)),
        ("cursor.execute('insert into t values (1)')", ("talks to a database",)),
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


@pytest.mark.parametrize(
    ("code", "recorded", "effects"),
    [
        ("save_all()", ("writes files (a.csv)",), ("writes files (a.csv)",)),
        ("df.to_csv(path)", ("writes files (a.csv)",), ("writes files (a.csv)",)),
        ("f()", ("starts processes (ls)", "writes files (a)"), ("starts processes (ls)", "writes files (a)")),
        ("!ls", ("starts processes (sh)",), (SHELL, "starts processes (sh)")),
    ],
)
def test_what_was_recorded_is_told_in_the_place_of_a_guess(
    code: str, recorded: tuple[str, ...], effects: tuple[str, ...]
) -> None:
    assert side_effects(code, recorded) == effects


@pytest.mark.parametrize(
    "code",
    [
        "names.remove('a')",
        "df = df.rename(columns=names)",
        "text = df.to_csv(), df.to_html(index=False)",
        "open(path, mode)",
        "open(path, 'w' if really else 'r')",
        "subprocess.list2cmdline(['a'])",
        "Thread(target=f)",
        "session = requests.Session()",
        "if missing: urlretrieve(url, path)",
    ],
)
def test_a_guess_that_the_recording_refutes_is_dropped(code: str) -> None:
    assert side_effects(code)
    assert side_effects(code, ()) == ()


@pytest.mark.parametrize(
    ("code", "effects"),
    [
        ("df.to_parquet('a.parquet')", ("writes files",)),  # Arrow does not tell
        ("cv2.imwrite('a.png', image)", ("writes files",)),
        ("torch.save(net, 'net.pt')", ("writes files",)),
        ("df.to_csv(log)", ("writes files",)),  # open since an earlier cell
        ("log.write('b')", ("writes files",)),
        ("writer.writerow(row)", ("writes files",)),
        ("json.dump(x, log)", ("writes files",)),
        ("connection.execute('delete from t')", ("talks to a database",)),
        ("connection.commit()", ("talks to a database",)),
        ("pd.read_sql(query, engine)", ("talks to a database",)),
        ("name = input()", ("asks for input",)),
        ("%cd data", (SHELL,)),
    ],
)
def test_a_guess_stays_where_nobody_could_have_heard_it(code: str, effects: tuple[str, ...]) -> None:
    assert side_effects(code, ()) == effects
