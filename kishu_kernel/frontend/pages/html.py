"""Parts of the pages that `%kishu` displays.

Law: no script, nothing loaded from elsewhere, and every text escaped: names, code and messages may be hostile. A page
can be read where a frontend removes its style or its drawings, as some do in a notebook that they do not trust.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence

from kishu_kernel.frontend.pages.wording import (
    Marked,
    Reply,
    cell,
    changed,
    code_lines,
    first_line,
    fitted,
    headline,
    is_result,
    moment,
    notes,
    time_ago,
)
from kishu_kernel.frontend.printable import printable

ROOT = "kishu-v2"
"""Changes whenever the style does: a notebook keeps older pages, and frontends mix the styles of all."""

_HOVER = 400
"""Characters of a cell that are shown where the pointer rests: each row repeats them."""

# Text has the colour of its surroundings, and what is coloured shines through, so that it fits any theme.
# (`prefers-color-scheme` would not do: it is the desktop's, and a light JupyterLab on a dark one is no rarity.)
# VS Code's colours come first: its Jupyter extension sets some of JupyterLab's, too, to the same values in every theme.
_STYLE = """
@ {font: 13px/1.5 var(--vscode-font-family, var(--jp-ui-font-family, system-ui, sans-serif));
 color: var(--vscode-editor-foreground, var(--jp-content-font-color1, inherit)); overflow-x: auto; margin: 2px 0 6px;
 --k-mono: var(--vscode-editor-font-family, var(--jp-code-font-family, ui-monospace, Menlo, Consolas, monospace));
 --k-accent: var(--vscode-textLink-foreground, var(--jp-brand-color1, #3f83e0));
 --k-rule: rgba(128, 128, 128, .28)}
@ table {border-collapse: collapse; border: 0; margin: 0; font-size: 13px; color: inherit; width: auto;
 table-layout: auto}
@ caption, @ h4 {font: 600 14px/1.5 inherit; font-size: 14px; font-weight: 600; text-align: left; caption-side: top;
 padding: 0; margin: 0 0 4px; color: inherit}
@ th, @ td {text-align: left; vertical-align: middle; padding: 3px 14px 3px 0; border: 0; line-height: 1.5;
 white-space: nowrap; background: none; color: inherit; max-width: none}
@ thead th {font-size: 12px; font-weight: 400; opacity: .7; border-bottom: 1px solid var(--k-rule)}
@ thead, @ thead tr {border: 0}
@ tbody tr, @ tbody tr:nth-child(n), @ tbody tr:hover {background: none; border: 0}
@ code, @ pre {font-family: var(--k-mono); font-size: 12px; background: none; color: inherit; padding: 0; border: 0}
@ td code, @ th code {white-space: inherit}
@ pre {margin: 6px 0; padding: 8px 12px; line-height: 1.5; white-space: pre; overflow-x: auto;
 background: rgba(128, 128, 128, .1); border-radius: 4px}
@ p {margin: 4px 0; max-width: 70em}
@ details {margin: 6px 0} @ summary {cursor: pointer}
@ .k-soft {opacity: .7}
@ .k-right {text-align: right; font-variant-numeric: tabular-nums}
@ .k-wrap {white-space: normal; overflow-wrap: anywhere; vertical-align: top; max-width: 34em}
@ .k-top td, @ .k-top th {vertical-align: top}
@ .k-line {max-width: 34em; overflow: hidden; text-overflow: ellipsis}
@ .k-name {max-width: 16em; overflow: hidden; text-overflow: ellipsis}
@ .k-chip, @ .k-ref {display: inline-block; padding: 0 6px; margin: 0 4px 0 0; border-radius: 4px;
 font: 12px/18px var(--k-mono); max-width: 13em; overflow: hidden;
 text-overflow: ellipsis; vertical-align: middle; white-space: nowrap}
@ .k-card .k-chip {max-width: 26em}
@ .k-add {background: rgba(46, 160, 67, .22)} @ .k-mod {background: rgba(210, 140, 0, .24)}
@ .k-del {background: rgba(218, 54, 51, .22)} @ .k-bad {background: rgba(218, 54, 51, .22)}
@ .k-note {background: rgba(128, 128, 128, .2)}
@ .k-ref {border: 1px solid var(--k-accent); border-radius: 9px; line-height: 16px; font-weight: 600}
@ .k-at {background: var(--k-accent); color: var(--vscode-editor-background, var(--jp-ui-inverse-font-color1, #fff))}
@ .k-tag {border-style: dashed}
@ .k-part th {padding-left: 14px; font-weight: 400; opacity: .8}
@ .k-card {border-left: 3px solid var(--k-accent); padding: 2px 0 2px 12px}
@ mark {background: rgba(255, 200, 0, .25); color: inherit; padding: 0}
@ .k-kw {color: var(--vscode-symbolIcon-keywordForeground, var(--jp-mirror-editor-keyword-color, inherit));
 font-weight: 600}
@ .k-str {color: color-mix(in srgb, var(--vscode-debugTokenExpression-string,
 var(--jp-mirror-editor-string-color, currentColor)) 80%, currentColor)}
@ .k-num {color: color-mix(in srgb, var(--vscode-debugTokenExpression-number,
 var(--jp-mirror-editor-number-color, currentColor)) 80%, currentColor)}
@ .k-com {opacity: .8; font-style: italic}
@ .k-lanes {padding: 0; line-height: 0} @ .k-lanes svg {display: block; overflow: visible; max-width: none}
@ .k-log td, @ .k-log th {padding-top: 0; padding-bottom: 0} @ .k-log tbody td {height: 30px}
@ .k-log .k-here td {background: rgba(128, 128, 128, .14)}
"""
SIGNS = {"+": "+", "~": "~", "-": "\N{MINUS SIGN}"}
_KINDS = {"+": ("k-add", "created"), "~": ("k-mod", "modified"), "-": ("k-del", "deleted")}


def _scoped(style: str) -> str:
    """Returns the style for our pages only, with more weight than a frontend's style for all tables in outputs."""
    return re.sub(r"\s*\n\s*", " ", style.replace("@ ", f".{ROOT}.{ROOT}.{ROOT} ")).replace(
        f".{ROOT}.{ROOT}.{ROOT} {{", f".{ROOT} {{"
    )


STYLE = f"<style>{_scoped(_STYLE).strip()}</style>"


def page(*parts: str) -> str:
    """Returns a whole output."""
    return f'<div class="{ROOT}">{STYLE}{"".join(parts)}</div>'


def esc(text: object) -> str:
    """Returns a text escaped for HTML and for its attributes."""
    return html.escape(printable(text))


def with_code(text: str) -> str:
    """Returns one of our sentences as HTML: what stands between backticks becomes code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(text))


def table(head: Sequence[str], rows: Iterable[str], *, caption: str = "", kind: str = "") -> str:
    """Returns a table with headings that screen readers recognise. Caption and rows are HTML, headings are text."""
    titled = f"<caption>{caption}</caption>" if caption else ""
    headings = "".join(f'<th scope="col">{esc(each)}</th>' for each in head)
    return f'<table class="{kind}">{titled}<thead><tr>{headings}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def chip(text: str, kind: str, title: str = "") -> str:
    """Returns a word on a coloured ground."""
    hover = f' title="{esc(title)}"' if title else ""
    return f'<span class="k-chip {kind}"{hover}>{esc(text)}</span>'


def change_chips(marked: Sequence[Marked], most: int) -> str:
    """Returns a chip for each variable that changed; the rest share one with their number, and names on hover."""
    shown = "".join(
        chip(SIGNS[mark] + name, _KINDS[mark][0], f"{_KINDS[mark][1]}: {name}") for mark, name in marked[:most]
    )
    rest = [mark + name for mark, name in marked[most:]]
    return shown + (chip(f"{len(rest)} more", "k-note", " ".join(rest)[:_HOVER]) if rest else "")


def name_chips(names: Iterable[str], mark: str) -> str:
    """Returns chips of variables that all changed in the same way."""
    return change_chips([(mark, printable(name)) for name in dict.fromkeys(names) if not is_result(name)], 30)


def refs(each: Reply, is_head: bool = False) -> str:
    """Returns the labels of a checkpoint: HEAD, branches and tags."""
    labels = ['<span class="k-ref k-at" title="the state that you are in">HEAD</span>'] if is_head else []
    labels += [f'<span class="k-ref" title="branch">{esc(name)}</span>' for name in each["branches"]]
    labels += [f'<span class="k-ref k-tag" title="tag">{esc(name)}</span>' for name in each["tags"]]
    return "".join(labels)


def note_chips(each: Reply) -> str:
    """Returns chips that say what is wrong with a checkpoint."""
    hover = {"failed": each.get("error") or ""}
    return "".join(chip(note, "k-bad" if note == "failed" else "k-note", hover.get(note, "")) for note in notes(each))


def message(each: Reply) -> str:
    """Returns the message of a checkpoint, if it has one."""
    text = each["message"]
    return f'<em title="{esc(text[:_HOVER])}">{esc(fitted(printable(text), 40))}</em> ' if text else ""


def ago(timestamp: str, now: float) -> str:
    """Returns how long ago, with the time itself on hover, since a page that is kept grows old."""
    return f'<time datetime="{esc(timestamp)}" title="{esc(moment(timestamp))}">{esc(time_ago(timestamp, now))}</time>'


def id_of(id: str | None) -> str:
    """Returns as much of an id as a person needs."""
    return f'<code title="{esc(id)}">{esc(id[:8])}</code>' if id else "<code>(start)</code>"


def cell_of(each: Reply) -> str:
    """Returns `In[7]`."""
    return f"<code>{esc(cell(each))}</code>"


def code_line(each: Reply) -> str:
    """Returns the first line of a cell, with all of it on hover."""
    code = each["code"]
    if not code.strip() or each.get("take"):
        return f'<span class="k-soft">{esc(headline(each))}</span>'
    whole = html.escape("\n".join(code_lines(code[:_HOVER]))) + ("…" if len(code) > _HOVER else "")
    return f'<code title="{whole}">{esc(headline(each))}</code>'


def code_block(code: str) -> str:
    """Returns the code of a cell, highlighted as far as the theme has colours for it."""
    if not code.strip():
        return f'<p class="k-soft">{esc(first_line(code))}</p>'
    return f"<pre><code>{_highlighted(code)}</code></pre>"


def changes_of(each: Reply, room: int = 32) -> str:
    """Returns chips of what a checkpoint changed: as many as fit into about so many characters."""
    marked = changed(each)
    most = 1
    while most < len(marked) and sum(3 + min(len(name), 18) for _, name in marked[: most + 1]) <= room:
        most += 1
    return change_chips(marked, most) or '<span class="k-soft">nothing</span>'


def highlighted_search(text: str, wanted: str) -> str:
    """Returns a text in which the searched words are marked."""
    shown = printable(text)
    parts = re.split(f"({re.escape(printable(wanted))})", shown, flags=re.IGNORECASE) if wanted else [shown]
    return "".join(
        f"<mark>{html.escape(part)}</mark>" if at % 2 else html.escape(part) for at, part in enumerate(parts)
    )


def _highlighted(code: str) -> str:
    # IPython depends on it, and imports it before long.
    from pygments.lexers.python import PythonLexer  # type: ignore[import-untyped, unused-ignore]
    from pygments.token import (  # type: ignore[import-untyped, unused-ignore]
        Comment,
        Keyword,
        Number,
        Operator,
        String,
    )

    kinds: Mapping[object, str] = {
        Keyword: "k-kw",
        Operator.Word: "k-kw",
        String: "k-str",
        Number: "k-num",
        Comment: "k-com",
    }
    text = "\n".join(code_lines(code))
    pieces = []
    for token, piece in PythonLexer(stripnl=False, ensurenl=False).get_tokens(text):
        kind = next((name for family, name in kinds.items() if token in family), None)  # type: ignore[operator]
        pieces.append(f'<span class="{kind}">{html.escape(piece)}</span>' if kind else html.escape(piece))
    return "".join(pieces)
