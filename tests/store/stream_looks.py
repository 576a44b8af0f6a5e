"""What the cells of `data/streams_v3_cells.py` and of those beside it made, as a user would see it."""

from __future__ import annotations

FUNCTIONS = {
    "plain": """
        LIMIT == 10
        plain(1, 3, 4, z=5) == "1 3 (4,) k {'z': 5} 10"
        (plain.__defaults__, plain.__kwdefaults__) == ((2,), {"key": "k"})
        plain.__annotations__ == {"rest": int, "return": str}
        (plain.__doc__, plain.__name__, plain.__qualname__) == ("Its text.", "plain", "plain")
        plain.__module__ == "__main__"
        plain.tag == ["of the function"]
        plain.__globals__ is globals()
        plain.__code__.co_filename == "<cell>"
    """,
    "keep": """
        keep.__defaults__[0] is kept
        keep(1) is kept and kept == [1]
    """,
    "up": """
        (up(), up(), down()) == (2, 3, 2)
        up.__closure__[0] is down.__closure__[0]
        up.__qualname__ == "make_counter.<locals>.up"
    """,
    "make_counter": "[each() for each in make_counter()] == [1, 0]",
    "factorial": """
        factorial(5) == 120
        factorial.__closure__[0].cell_contents is factorial
    """,
    "make_factorial": "make_factorial()(3) == 6",
    "early": "early.__closure__ == (types.CellType(),)",
    "make_early": "make_early().__closure__ == (types.CellType(),)",
    "cell": "cell.cell_contents == [1, 2]",
    "empty_cell": "empty_cell == types.CellType()",
    "square": """
        square.cache_info() == (0, 0, 3, 0)
        square(7) == square(7) == 49
        square.cache_info().hits == 1
        square.cache_parameters() == {"maxsize": 3, "typed": True}
    """,
    "middle": """
        middle([1, 2, 6]) == 3.0
        middle.__globals__ is vars(statistics)
    """,
    "expression": "(eval(expression), expression.co_filename) == (42, '<mine>')",
    "half": "(half(5), half.keywords) == (2.5, {'b': 2})",
}

CLASSES = {
    "account": """
        account is same_account
        type(account) is Account
        deposit.__self__ is account
        deposit.__func__ is Account.deposit
        (Account.opened, Account.__doc__) == (2, "An account.")
        (account.double, deposit(1), account.balance, Account.rate()) == (10, 6, 6, 0.5)
        type(savings[0]) is Savings and Savings.__base__ is Account
        (savings[0].deposit(1), Savings.empty().balance) == (1002, 0)
        type(savings[1]) is Account.Entry
        Account.Entry.__qualname__ == "Account.Entry"
    """,
    "spot": """
        type(spot) is Spot
        (spot.x, hasattr(spot, "y"), hasattr(spot, "__dict__")) == (1, False, False)
    """,
    "guarded": """
        guarded.held == [1]
        guarded.held is guarded.besides
        (hasattr(guarded, "empty"), vars(guarded)) == (False, {"besides": [1]})
        "__setattr__" in vars(Guarded)
    """,
    "item": """
        item == Item("one", ["tag"])
        repr(item) == "Item(name='one', tags=['tag'])"
        Item("b") > Item("a")
        Item("a").tags == []
        dataclasses.fields(Item)[0].default is dataclasses.MISSING
    """,
    "keys": """
        keys == [Key(1), Key(2, "c")]
        len({*keys, Key(1)}) == 2
        type(keys[0]) is Key
        Key.__dataclass_params__.frozen
    """,
    "planet": """
        planet is Planet.EARTH is Planet.HOME
        (list(Planet.__members__), len(Planet)) == (["EARTH", "HOME", "MARS"], 2)
        Planet((1, 3)) is Planet.MARS
        (planet.mass, planet.weigh(), Planet.MARS.note) == (5, 50, "red")
    """,
    "colours": """
        colours == [Colour.RED, Colour(2)]
        colours[0] is Colour.ROT is Colour["RED"]
        (colours[1].name, colours[1].value, len(Colour)) == ("BLUE", 2, 2)
    """,
    "pair": """
        pair == (1, "r") and type(pair) is Pair
        pair._replace(left=2) == Pair(2)
        (Pair._fields, Pair.__annotations__) == (("left", "right"), {"left": int, "right": str})
    """,
    "corner": """
        type(corner) is Corner
        (corner.x, corner.y, corner._asdict()) == (1, 2, {"x": 1, "y": 2})
    """,
    "shapes": """
        isinstance(shapes[0], Shape) and type(shapes[0]) is Square
        isinstance(shapes[1], Shape) and type(shapes[1]) is Circle is registered
        not issubclass(int, Shape)
        shapes[0].area() == 9
        (Shape.__abstractmethods__, Square.__abstractmethods__) == ({"area"}, set())
    """,
    "widget": """
        type(Widget) is Meta and type(widget) is Widget
        Meta.made == [Widget]
        (Widget.size, widget.colour) == (3, ["red"])
    """,
    "Plugin": """
        Plugin.plugins == {"Csv": Csv}
        Csv.__base__ is Plugin
        type("More", (Plugin,), {}) is Plugin.plugins["More"]
    """,
    "box": """
        type(box) is Box and box.content == 3
        box.__orig_class__ == Box[int]
        Box.__parameters__ == (T,)
        Box[str]("a").__orig_class__.__args__ == (str,)
    """,
}

INSTANCES = {
    "words": """
        type(words) is Words and list(words) == ["A"]
        words.tag is words
        words.append("b") is None and words[1] == "B"
    """,
    "counted": """
        type(counted) is Counted and dict(counted) == {"a": 2}
        counted.puts == 2
    """,
    "ordered": """
        type(ordered) is Ordered and list(ordered) == ["a", "b"]
        (ordered["a"], ordered.items()) == (2, [("no", "items")])
    """,
    "grouped": """
        type(grouped) is Grouped and grouped["x"] == [1]
        (len(grouped), grouped.default_factory) == (1, list)
    """,
    "unique": """
        type(unique) is Unique and len(unique) == 2
        1 in unique and 2 in unique
        list(unique) == list("none")
    """,
    "octets": """
        type(octets) is Octets and bytes(octets) == b"abd"
        octets.append(100) is None and bytes(octets) == b"abde"
    """,
    "queue": """
        type(queue) is Queue and list(queue) == [(1,)]
        queue.maxlen == 3
    """,
    "values": """
        [type(each).__name__ for each in values[:3]] == ["Ownint", "Ownfloat", "Owncomplex"]
        values[:7] == [5, 0.5, 1j, "text", b"raw", (1, 2), frozenset({1})]
        values[7] == decimal.Decimal("1.50") and str(values[7]) == "1.50"
        values[8:10] == [datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 12)]
        values[10:12] == [datetime.time(12, 30), datetime.timedelta(3)]
        values[12].tolist() == [1.5]
        vars(values[13]) == {"tag": ["SimpleNamespace"]}
        [each.tag[0] for each in values] == [type(each).__base__.__name__ for each in values]
        type(values[0])(6) == 6
    """,
    "settings": """
        type(settings) is Settings and settings == {"a": 1}
        settings.source is settings
    """,
    "problem": """
        type(problem) is Problem
        problem.args == (2, "problem 2")
        (problem.errno, problem.filename, problem.hint) == (2, "file", "try again")
        type(problem.__cause__) is KeyError and problem.__cause__.args == ("a",)
        problem.__context__ is problem.__cause__ and problem.__suppress_context__
    """,
    "failure": """
        type(failure) is ValueError and failure.args == ("outer", 3)
        type(failure.__context__) is KeyError and failure.__context__.args == ("b",)
        failure.__cause__ is None and not failure.__suppress_context__
    """,
    "alone": """
        type(alone) is RuntimeError and alone.args == ("alone",)
        alone.__context__ is None and alone.__suppress_context__
    """,
    "alive": """
        type(target) is Target
        alive() is target
        proxy is weakref.proxy(target)
    """,
    "dead": "type(dead) is weakref.ref and dead() is None",
    "watching": """
        watching() is watched and type(watched) is Watched
        watching.__callback__(watching) is None
        heard == ["gone"]
    """,
    "views": """
        [type(each).__name__ for each in views] == ["dict_keys", "dict_values", "dict_items", "mappingproxy"]
        table == {"a": 1} and table.update(b=2) is None
        [list(each) for each in views[:3]] == [["a", "b"], [1, 2], [("a", 1), ("b", 2)]]
        views[3]["b"] == 2
    """,
    "sentinels": "sentinels[0] is dataclasses.MISSING and sentinels[1] is dataclasses.KW_ONLY",
    "number": "type(number) is ctypes.c_int and number.value == 7",
    "numbers": "type(numbers) is ctypes.c_int * 3 and list(numbers) == [1, 2, 3]",
    "point": "type(point) is wintypes.POINT and (point.x, point.y) == (3, 4)",
    "text_file": """
        type(text_file) is io.TextIOWrapper and text_file.closed
        (text_file.name, text_file.mode) == ("closed.txt", "w")
        (text_file.encoding, text_file.errors) == ("latin-1", "strict")
    """,
    "binary_file": """
        type(binary_file) is io.BufferedReader and binary_file.closed
        (binary_file.name, binary_file.mode) == ("closed.txt", "rb")
    """,
    "raw_file": """
        type(raw_file) is io.FileIO and raw_file.closed
        (raw_file.name, raw_file.mode) == ("closed.txt", "rb")
    """,
    "cookie": """
        type(cookie) is http.cookies.SimpleCookie and list(cookie) == ["a", "b"]
        (cookie["a"].value, cookie["a"]["path"], cookie["b"].value) == ("1", "/x", "2")
    """,
    "polynomial": "type(polynomial) is np.polynomial.Polynomial and polynomial(3) == 7",
    "above": "above.name() == 'lower' and above.__self__.name() == 'upper' and type(above.__self__) is Upper",
    "by_hand": """
        by_hand[0].grad == [0.5]
        by_hand[1]._trainable_variables_indices == {"WEIGHT": 0, "BIAS": 1}
        type(by_hand[2]) is str and len(by_hand[2]) == 36
    """,
}

ARRAYS = {
    "small": "small.tolist() == list(range(10)) and small.flags.writeable and small.flags.owndata",
    "large": "(large == np.arange(5000) / 4).all() and large.flags.writeable and large.flags.owndata",
    "fortran": "fortran.flags.f_contiguous and (fortran == np.arange(6000.0).reshape(60, 100)).all()",
    "frozen": "frozen.tolist() == [0, 1, 2, 3] and not frozen.flags.writeable",
    "dates": "dates.dtype == 'M8[D]' and str(dates[0]) == '2024-02-29' and np.isnat(dates[1])",
    "records": "records.dtype.names == ('a', 'b') and records.tolist() == [(1, 2.5)]",
    "gaps": "gaps.tolist() == list(range(0, 20, 2))",
    "window": """
        owner.flags.owndata and (owner == np.arange(1000)).all()
        owner.__setitem__(12, -1) is None
        (len(window), window[2]) == (10, -1)
        (table_of_it.shape, table_of_it[2, 1], table_of_it[3, 1]) == ((10, 10), -1, 13)
    """,
    "left": """
        (len(left), len(right)) == (700, 700) and not left.any() and not right.any()
        left.__setitem__(500, 1.0) is None and right[200] == 1.0
    """,
    "backwards": "backwards.tolist() == [4, 3, 2, 1, 0] and backwards.strides == (-8,)",
    "text": """
        text.dtype == object and text.tolist() == [f"line {n}: {n * n % 7919}" for n in range(3000)]
        text.__setitem__(6, "new") is None
        some_text.tolist() == ["line 5: 25", "new", "line 7: 49"]
    """,
    "few_words": """
        (few_words[:2].tolist(), len(few_words)) == (["red", "green"], 4096)
        all(each is None for each in few_words[2::4])
        all(each is np.nan for each in few_words[3::4])
    """,
    "odd_words": """
        odd_words[0] == "a" and odd_words[1] is np.nan and odd_words[2] is None
        not odd_words.flags.writeable
    """,
    "things": "things[0] == {'a': 1} and things[1] is the_same == [2]",
    "matrix": "type(matrix) is np.matrix and matrix.tolist() == [[1, 2], [3, 4]] and matrix.tag == 'mine'",
    "still": "type(still) is np.matrix and still.tolist() == [[1, 2]] and not still.flags.writeable",
    "masked": "masked.tolist() == [1, None, 3] and masked.flags.writeable",
    "still_masked": "still_masked.tolist() == [None, 5] and not still_masked.flags.writeable",
    "labelled": """
        type(labelled) is Labelled and labelled.tolist() == [1.0, 2.0]
        (labelled.label, sealed.label, sealed.tolist()) == ("metres", "kilos", [3])
        (labelled.flags.writeable, sealed.flags.writeable) == (True, False)
        Labelled([5], "grams").label == "grams"
    """,
    "frame": """
        (frame["n"].tolist(), frame.index.tolist()) == ([1, 2, 3], [10, 20, 30])
        frame["x"].isna().tolist() == [False, True, False]
    """,
    "by_na": """
        by_na["name"].dtype == "string[python]" and by_na["name"].iloc[2999] is pd.NA
        by_na["name"].tolist()[:-1] == [f"name {n}" for n in range(2999)]
    """,
    "by_nan": """
        str(by_nan["name"].dtype) == "str" and by_nan["name"].iloc[2999] is np.nan
        by_nan["name"].tolist()[:-1] == [f"name {n}" for n in range(2999)]
    """,
    "by_objects": """
        by_objects["name"].dtype == object and by_objects["n"].tolist() == list(range(3000))
        by_objects["name"].tolist() == [*[f"name {n}" for n in range(2999)], None]
    """,
    "figure": """
        figure.axes == [axes] and axes.get_title() == "A title"
        shown.get_array().tolist() == [[1, 2], [3, 4]] and shown.get_cmap().name == "viridis"
        shown.figure is figure
    """,
}

LOOKS = {**FUNCTIONS, **CLASSES, **INSTANCES, **ARRAYS}
"""Of each co-variable, by one of its names: expressions that hold, one after the other."""

NEWER = {
    "cube": """
        cubes == [8, 8, 9] and cube.tag == "of the function"
        cube.cache_info() == (1, 2, 4, 2)
        (cube(2), cube(3, base=2), cube.cache_info().hits) == (8, 9, 3)
        (cube(5), cube.__wrapped__(2), cube.cache_parameters()["maxsize"]) == (125, 8, 4)
    """,
    "Cart": "Cart.names == ['cart'] and Cart().total() == 7",
    "Trolley": "Trolley.__base__ is Cart and Trolley().total() == 8",
    "cart": """
        type(cart) is Trolley and methods[0].__self__ is cart and methods[0].__func__ is Trolley.total
        methods[1].__self__ is Cart and methods[1]() is Cart.names
        type(above) is super and above.__self__ is cart and above.total() == 7
    """,
    "bare": "type(bare) is super and bare.__thisclass__ is Trolley and bare.__self__ is None",
    "Borg": "Borg.shared == {}",
    "borgs": """
        type(borgs[0]) is Borg and vars(borgs[0]) is vars(borgs[1]) is common
        common.update(level=4) is None and borgs[1].level == 4
    """,
    "hiding": "hiding.name == 'tag' and hiding.root is root == ['of both']",
    "raw": """
        type(raw) is bytearray and over_raw.tolist() == [2, 3, 4, 5]
        raw.__setitem__(2, 9) is None and over_raw[0] == 9
    """,
    "numbers": """
        type(numbers) is array.array and over_numbers.tolist() == [1.5, 2.5]
        over_numbers.__setitem__(1, 4.0) is None and numbers[1] == 4.0
    """,
    "matrix": """
        type(matrix) is np.matrix and matrix.unit == "m" and whole.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
        type(whole) is np.ndarray and whole.__setitem__((0, 1), 7.0) is None and matrix[0, 1] == 7.0
    """,
    "waiting": """
        type(waiting) is threading.Thread and (waiting.name, waiting.daemon) == ("waiting", True)
        waiting.ident is None and not waiting.is_alive() and waiting._target is double and double(4) == 8
        waiting.start() is waiting.join() is None and not waiting.is_alive()
    """,
    "ended": "ended.name == 'ended' and ended.ident is not None and not ended.is_alive() and ended.join() is None",
    "process": """
        (process.name, process.daemon, process.pid, process.exitcode) == ("process", True, None, None)
        not process.is_alive() and (process._target, process._args) == (divmod, (6, 4))
    """,
    "executor": "executor._shutdown and executor._max_workers == 2",
    "future": "(future.done(), future.result(), answer) == (True, 42, 42)",
    "idle": "idle.submit(divmod, 7, 2).result() == (3, 1) and idle.shutdown() is None",
    "handler": "type(handler) is logging.StreamHandler and handler.level == logging.ERROR and bool(handler.stream)",
    "Kept": "Kept.__base__ is logging.Handler",
    "kept": """
        type(kept) is Kept and kept.lines == ["before"] and kept.level == logging.INFO
        kept.handle(logging.makeLogRecord({"msg": "after", "levelno": 40})) and kept.lines == ["before", "after"]
    """,
    "Dial": "Dial.class_trait_names() and Dial().turns == 1",
    "dial": """
        type(dial) is Dial and (dial.turns, dial.seen, noted) == (2, [2], [2])
        setattr(dial, "turns", 5) is None and (dial.seen, noted) == ([2, 5], [2, 5])
    """,
    "priced": "priced(4) == 8 and priced.__module__ == 'streams_shop'",
    "shelf": "type(shelf) is streams_shop.Shelf",
}
"""Of the second store."""

LATEST = {
    "backwards": "type(backwards) is type(reversed([])) and [*backwards] == []",
    "letters": "type(letters) is type(iter('a')) and [*letters] == []",
    "calls": "type(calls) is type(iter(list, 0)) and [*calls] == []",
    "at_end": "at_end == [[2, 1], ['a', 'b'], []]",
}

OF_MODULES = {
    "press": """
        press is __import__("streams_desk").pack.__defaults__[0]
        press.copy().compress(b"") == __import__("zlib").compressobj().compress(b"")
    """,
}
