"""Status, checkouts, stores, branches and tags as pages."""

from __future__ import annotations

from collections.abc import Sequence

from kishu_kernel.frontend.pages.confirmation import made_by
from kishu_kernel.frontend.pages.html import ago, chip, code_line, esc, id_of, name_chips, page, table
from kishu_kernel.frontend.pages.wording import (
    Reply,
    View,
    first_line,
    lasted,
    listed,
    losses,
    lost_names,
    not_in_state,
    remote_lines,
    states,
    told,
    untold_notes,
)
from kishu_kernel.model.amounts import size


def status_page(reply: Reply, view: View) -> str:
    """Returns HEAD, the session, and what the store holds."""
    store = reply["store"]
    branch = f' on branch <span class="k-ref">{esc(reply["branch"])}</span>' if reply["branch"] else ""
    held = f"{states(store['checkpoints'])}, {size(store['bytes'])}"
    where = f"<code>{esc(store['path'])}</code>" if store["path"] else "memory only, until the kernel ends"
    facts = [("HEAD", f"{id_of(reply['head'])}{branch}"), ("Session", f"<code>{esc(reply['session'])}</code>")]
    facts += [("Store", f"{held}, in {where}")]
    facts += [("Remote", esc(line)) for line in remote_lines(reply, view.now)]
    facts += [("Warning", chip("!", "k-bad") + esc(warning)) for warning in reply["warnings"]]
    rows = "".join(f'<tr><th scope="row">{name}</th><td class="k-wrap">{value}</td></tr>' for name, value in facts)
    commands = (("log", "shows the history"), ("undo", "takes back the last cell"), ("help", "lists all commands"))
    hints = " &middot; ".join(f"<code>%kishu {name}</code> {what}" for name, what in commands)
    return page(f'<table class="k-top"><tbody>{rows}</tbody></table><p class="k-soft">{hints}</p>')


def travel_page(reply: Reply, view: View) -> str:
    """Returns what a checkout did, or would do."""
    plan = reply["plan"]
    first, *rest = told(reply)
    if reply["applied"]:
        at = code_line(view.at) if view.at and view.at["code"] else ""
        took = f'<span class="k-soft">{id_of(reply["head"])} in {lasted(reply["seconds"])}</span>'
        title = f'<p class="k-line"><b>{esc(first)}</b> {at} {took}</p>'
    else:
        title = f"<p><b>{esc(first)}</b> Nothing has been done.</p>"
    title += "".join(f"<p>{esc(each)}</p>" for each in rest)
    parts = [
        ("brought back", name_chips([name for step in plan["load"] for name in step["names"]], "~")),
        ("re-run to get", name_chips([name for step in plan["replay"] for name in step["gives"]], "~")),
        ("removed", name_chips(plan["delete"], "-")),
        ("restored", esc(listed(plan["ambient"]))),
        ("lost", name_chips(lost_names(plan), "-")),
    ]
    kept = len(plan["keep"])
    changes = [f'<span class="k-soft">{name}</span> {chips}' for name, chips in parts if chips]
    changes += [f'<span class="k-soft">{kept} kept as they are</span>'] if kept and changes else []
    body = f"<p>{' '.join(changes) or 'Nothing differs.'}</p>" + reruns_table(plan["replay"], reply["applied"])
    body += lost_lines(reply)
    body += "".join(f"<p>{esc(note)}</p>" for note in untold_notes(reply))
    if cells := not_in_state(reply):
        body += f"<p>{esc(cells)}.</p>"
    if reply["applied"]:
        body += f'<p class="k-soft">To go back: <code>{esc(_back(reply, view))}</code></p>' if reply["from"] else ""
    return page(f'<div class="k-card">{title}{body}</div>')


def _back(reply: Reply, view: View) -> str:
    opposite = {"undo": "redo", "redo": "undo"}.get(reply["operation"])
    if opposite is None:
        return f"%kishu checkout {reply['from'][:8]}"
    steps = view.asked.get("steps", 1)
    return f"%kishu {opposite}" + (f" {steps}" if steps != 1 else "")


def reruns_table(steps: Sequence[Reply], done: bool) -> str:
    """Returns the cells of a plan that are re-run, as a table; empty where none is."""
    rows = [
        f'<tr><td>{esc(made_by(step))}</td><td class="k-line"><code>{esc(first_line(step["code"]))}</code></td>'
        f'<td class="k-right">{lasted(step["seconds"])}</td>'
        f"<td>{''.join(chip(effect, 'k-bad') for effect in step['side_effects'])}</td></tr>"
        for step in steps
    ]
    caption = "Cells that were re-run" if done else "Cells that would be re-run"
    return table((caption, "", "First run took", "Side effects"), rows) if rows else ""


def lost_lines(reply: Reply) -> str:
    """Returns what is lost by a plan, and why."""
    return "".join(f"<p>Lost: {esc(names)}: {esc(reason)}</p>" for names, reason in losses(reply["plan"]))


def stores_page(reply: Reply, view: View) -> str:
    """Returns the stores of all notebooks."""
    if not reply["stores"]:
        return page("<p>There are no stores yet.</p>")
    rows = []
    for each in reply["stores"]:
        notebook = esc(each["notebook"] or "(no notebook)")
        gone = "" if each["exists"] or not each["notebook"] else chip("no longer there", "k-note")
        own = '<span class="k-ref">this notebook</span>' if each["own"] else ""
        rows.append(
            f'<tr><td class="k-wrap">{own}{notebook} {gone}</td><td class="k-right">{size(each["bytes"])}</td>'
            f"<td>{ago(each['used'], view.now)}</td><td><code>{esc(each['name'])}</code></td></tr>"
        )
    hint = '<p class="k-soft"><code>%kishu attach STORE</code> gives this notebook the history of another one.</p>'
    return page(table(("Notebook", "Size", "Last used", "Store"), rows), hint)


def names_page(reply: Reply, view: View) -> str:
    """Returns branches or tags."""
    kind = reply["operation"]
    names = reply["branches" if kind == "branch" else "tags"]
    if not names:
        return page(f"<p>No {'branches' if kind == 'branch' else 'tags'} yet.</p>")
    look = "k-ref" if kind == "branch" else "k-ref k-tag"
    rows = []
    for name, id in names.items():
        head = ' <span class="k-soft">HEAD is on it</span>' if kind == "branch" and name == view.branch else ""
        rows.append(f'<tr><td><span class="{look}">{esc(name)}</span>{head}</td><td>{id_of(id)}</td></tr>')
    return page(table((kind.capitalize(), "State"), rows))
