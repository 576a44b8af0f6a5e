"""How an object comes apart, is stored as bytes, and comes together again.

In the way of an object:

- `reducers`: how it comes apart. The walk (`detect.walk`) and the codec ask this one table. It asks, in this order:
  `notebook_classes` (classes of the notebook), the libraries (`questions`), `class_shape` (what a class is like).
- `codec`: its parts to bytes and back. `codec.pickling` makes payloads; `codec.buffers` takes the memory of arrays
  out of the stream, `codec.strings` long arrays of strings. `codec.load_guard` and `codec.disarming` make loads safe.
  `codec.class_streams` stores classes apart, and takes the live one where it did not change (`class_tokens`).
- `rebuild`: what streams call to put it together again.
- `libraries`: one file for each library, a subclass of `Library` (`library` lists the questions that it may answer);
  `registry` finds the file of a class. What is known of libraries is open: see `docs/libraries.md`.
- Ways that are short: `codec.plain_values`, `codec.plain_objects` and `codec.usual_instances` for what is plain or
  usual, `told_states` for what a library's `__getstate__` tells wholly. All of them give the same stream.
- `sole_holders`: may a live array be written to, and nobody notices?
- For people: `summaries` (one line about a value), `refusals` (why an object is not stored).
  `ambient_state`: what is state but in no variable.

Three doors to ask about a class:

- `classes`: what Python itself knows (module, attributes, bases), without running code of the class.
- `questions`: what a library's file says of it: may it be walked, is it a value, how is it compared?
- `library_globals`: is this object a library's own, whoever refers to it, because a module or class of it holds it?

(`arrays` answers the first for NumPy's arrays, without importing NumPy.)
"""

from kishu_kernel.objects.library import Library
from kishu_kernel.objects.registry import registry

__all__ = ["Library", "register"]

register = registry.register
