"""What is kept of a cell's outputs: as a notebook would have them, within a limit."""

from __future__ import annotations

from typing import Any

from kishu_kernel.frontend.shell.output_recorder import OutputRecorder

LEFT_OUT = "[more outputs were not kept by Kishu]\n"


class Wire:
    """A Jupyter session that sends to nobody."""

    def __init__(self, limit: int = 1000) -> None:
        self.recorder = OutputRecorder(limit)
        self.recorder.listen(self)
        self.recorder.begin("cell")

    def send(self, stream: Any, message: Any, content: Any, parent: Any) -> None:
        pass

    def say(self, kind: str, **content: Any) -> None:
        self.send(None, kind, content, {"header": {"msg_id": "cell"}})

    def write(self, text: str, name: str = "stdout") -> None:
        self.say("stream", name=name, text=text)

    def taken(self) -> list[Any]:
        return self.recorder.take("cell")


def stream(text: str, name: str = "stdout") -> dict[str, str]:
    return {"output_type": "stream", "name": name, "text": text}


def shown(text: str) -> dict[str, Any]:
    return {"output_type": "display_data", "data": {"text/plain": text}, "metadata": {}}


def test_streams_are_joined_as_long_as_nothing_comes_between() -> None:
    wire = Wire()
    wire.write("a")
    wire.write("b")
    wire.write("c", "stderr")
    wire.write("d")
    assert wire.taken() == [stream("ab"), stream("c", "stderr"), stream("d")]


def test_the_beginning_of_a_long_text_and_the_error_after_it_are_kept() -> None:
    wire = Wire(limit=10)
    wire.write("123456")
    wire.write("789abcdef")
    wire.write("more")
    wire.say("display_data", data={"text/plain": "a picture"}, metadata={})
    wire.say("error", ename="E", evalue="e" * 100, traceback=[])
    *texts, error = wire.taken()
    assert texts == [stream("123456789a"), stream(LEFT_OUT, "stderr")]
    assert error["ename"] == "E"


def test_a_picture_that_does_not_fit_leaves_room_for_what_does() -> None:
    wire = Wire(limit=200)
    wire.say("display_data", data={"image/png": "x" * 500}, metadata={})
    wire.write("done")
    assert wire.taken() == [stream(LEFT_OUT, "stderr"), stream("done")]


def test_a_display_that_is_updated_is_as_it_was_last() -> None:
    wire = Wire()
    wire.say("display_data", data={"text/plain": "0 %"}, metadata={}, transient={"display_id": "bar"})
    wire.write("working")
    wire.say("update_display_data", data={"text/plain": "100 %"}, metadata={}, transient={"display_id": "bar"})
    wire.say("update_display_data", data={"text/plain": "?"}, metadata={}, transient={"display_id": "other"})
    assert wire.taken() == [shown("100 %"), stream("working")]


def test_what_is_cleared_makes_room() -> None:
    wire = Wire(limit=5)
    wire.write("12345678")
    wire.say("clear_output", wait=False)
    wire.write("abc")
    wire.say("clear_output", wait=True)
    wire.write("de")
    assert wire.taken() == [stream("de")]
