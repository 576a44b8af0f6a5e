/* The native twin of pickle's pickler, for what is plain: Python's own containers, atoms, and instances that are their
 * attributes.
 *
 * Law: it writes the very bytes that the pickler writes (protocol 5), frames included; where it does not know how, it
 * gives up, and the pickler does all of it. Nothing runs meanwhile that may run code: so what is reached stays as it is,
 * and borrowed references are good.
 */
#include "pickle.h"

#define BATCH 1000
#define DEEPEST 200 /* what is nested deeper is left to the pickler, which looks at Python's own limit */

/* -- containers --------------------------------------------------------------------------------------- */

static int save(Pickling *p, PyObject *obj);

#define TRY(step)          \
    do {                   \
        int done = (step); \
        if (done <= 0) {   \
            return done;   \
        }                  \
    } while (0)

#define KEPT_MOST 4

typedef struct {
    PyObject *tuples[KEPT_MOST];
    int count;
} Kept;

/* Kept tuples that may hold what a container of this size holds, of which this is the first, or held when they were made. Each
 * must be nobody's but the keeper's: then each of its places accounts for a reference, and no other way leads there.
 */
static Kept
kept_like(Pickling *p, Py_ssize_t size, PyObject *first)
{
    Kept found = {.count = 0};
    Py_ssize_t kept = p->kept == NULL || size < LONG_SEQUENCE ? 0 : PyTuple_GET_SIZE(p->kept);
    for (Py_ssize_t place = 0; place < kept && found.count < KEPT_MOST; place++) {
        PyObject *tuple = PyTuple_GET_ITEM(p->kept, place);
        if (PyTuple_GET_SIZE(tuple) && PyTuple_GET_ITEM(tuple, 0) == first && Py_REFCNT(tuple) == 2) {
            found.tuples[found.count++] = tuple;
        }
    }
    return found;
}

/* An item of a container, at a place where some of `kept` may hold the same one. */
static inline int
save_item(Pickling *p, PyObject *item, const Kept *kept, Py_ssize_t place)
{
    if (kept->count == 0 || !(PyUnicode_CheckExact(item) || PyBytes_CheckExact(item))) {
        return save(p, item);
    }
    for (int number = 0; number < kept->count; number++) {
        PyObject *tuple = kept->tuples[number];
        p->expected += place < PyTuple_GET_SIZE(tuple) && PyTuple_GET_ITEM(tuple, place) == item;
    }
    int done = save(p, item);
    p->expected = 1;
    return done;
}

#define LARGE (8 * BATCH)
#define MOST_ROOM (64 << 20)

/* A container has so many items, of which a first batch is written from `start` on. If the others are half as long again at
 * most, there is room, and what is written need not be moved when the stream grows. What is not used goes at the end.
 */
static int
room_for_all(Pickling *p, size_t start, Py_ssize_t size)
{
    if (size < LARGE) {
        return WRITTEN;
    }
    double wanted = (double)(p->out.length - start) / BATCH * (double)(size - BATCH) * 1.5;
    size_t more = wanted < MOST_ROOM ? (size_t)wanted : MOST_ROOM;
    return p->out.capacity - p->out.length < more ? grow(p, more) : WRITTEN;
}

static int
save_list(Pickling *p, PyObject *list)
{
    Py_ssize_t size = PyList_GET_SIZE(list);
    size_t start = p->out.length;
    Kept kept = kept_like(p, size, size ? PyList_GET_ITEM(list, 0) : NULL);
    TRY(put_code(p, EMPTY_LIST));
    TRY(memoize(p, list));
    if (size == 1) {
        TRY(save(p, PyList_GET_ITEM(list, 0)));
        return put_code(p, APPEND);
    }
    for (Py_ssize_t place = 0; place < size;) {
        Py_ssize_t stop = size - place < BATCH ? size : place + BATCH;
        TRY(put_code(p, MARK));
        for (; place < stop; place++) {
            if (place + AHEAD < size) {
                fetch(PyList_GET_ITEM(list, place + AHEAD));
            }
            TRY(save_item(p, PyList_GET_ITEM(list, place), &kept, place));
        }
        TRY(put_code(p, APPENDS));
        if (place == BATCH) {
            TRY(room_for_all(p, start, size));
        }
    }
    return WRITTEN;
}

static int
save_tuple(Pickling *p, PyObject *tuple)
{
    Py_ssize_t size = PyTuple_GET_SIZE(tuple);
    if (size == 0) {
        return put_code(p, EMPTY_TUPLE);
    }
    if (size > 3) {
        TRY(put_code(p, MARK));
    }
    for (Py_ssize_t place = 0; place < size; place++) {
        TRY(save(p, PyTuple_GET_ITEM(tuple, place)));
    }
    Slot *slot = met(p, tuple);
    if (slot == NULL) {
        TRY(put_code(p, size > 3 ? TUPLE : TUPLE1 + (int)size - 1));
        return memoize(p, tuple);
    }
    if (size > 3) { /* it holds itself */
        TRY(put_code(p, POP_MARK));
    }
    for (Py_ssize_t place = 0; size <= 3 && place < size; place++) {
        TRY(put_code(p, POP));
    }
    return put_again(p, slot);
}

/* What stands in a dictionary that was just written as an empty one. */
static int
save_pairs(Pickling *p, PyObject *dict)
{
    PyObject *key, *value;
    Py_ssize_t place = 0, size = PyDict_GET_SIZE(dict);
    size_t start = p->out.length;
    if (size == 1) {
        PyDict_Next(dict, &place, &key, &value);
        TRY(save(p, key));
        TRY(save(p, value));
        return put_code(p, SETITEM);
    }
    Kept kept_keys = {.count = 0}, kept_values = {.count = 0};
    if (p->kept != NULL && PyDict_Next(dict, &place, &key, &value)) {
        kept_keys = kept_like(p, size, key);
        kept_values = kept_like(p, size, value);
        place = 0;
    }
    int batch = size ? BATCH : 0;
    for (Py_ssize_t number = 0; batch == BATCH;) { /* after the last full one comes an empty one */
        batch = 0;
        TRY(put_code(p, MARK));
        while (batch < BATCH && PyDict_Next(dict, &place, &key, &value)) {
            TRY(save_item(p, key, &kept_keys, number));
            TRY(save_item(p, value, &kept_values, number++));
            batch++;
        }
        TRY(put_code(p, SETITEMS));
        if (number == BATCH) {
            TRY(room_for_all(p, start, size));
        }
    }
    return WRITTEN;
}

static int
save_dict(Pickling *p, PyObject *dict)
{
    TRY(put_code(p, EMPTY_DICT));
    TRY(memoize(p, dict));
    return save_pairs(p, dict);
}

static int
save_set(Pickling *p, PyObject *set)
{
    Py_ssize_t place = 0, size = PySet_GET_SIZE(set);
    size_t start = p->out.length;
    TRY(put_code(p, EMPTY_SET));
    TRY(memoize(p, set));
    int batch = size ? BATCH : 0;
    for (int first = 1; batch == BATCH; first = 0) {
        PyObject *item;
        batch = 0;
        TRY(put_code(p, MARK));
        while (batch < BATCH && (item = next_in((PySetObject *)set, &place)) != NULL) {
            TRY(save(p, item));
            batch++;
        }
        TRY(put_code(p, ADDITEMS));
        if (first) {
            TRY(room_for_all(p, start, size));
        }
    }
    return WRITTEN;
}

static int
save_frozenset(Pickling *p, PyObject *set)
{
    PyObject *item;
    Py_ssize_t place = 0;
    TRY(put_code(p, MARK));
    while ((item = next_in((PySetObject *)set, &place)) != NULL) {
        TRY(save(p, item));
    }
    Slot *slot = met(p, set);
    if (slot != NULL) {
        TRY(put_code(p, POP_MARK));
        return put_again(p, slot);
    }
    TRY(put_code(p, FROZENSET));
    return memoize(p, set);
}

/* -- instances ---------------------------------------------------------------------------------------- */

/* What goes by its name. */
static int
save_global(Pickling *p, PyObject *module, PyObject *name, PyObject *obj)
{
    boundary(p);
    Slot *slot = met(p, obj);
    if (slot != NULL) {
        return put_again(p, slot);
    }
    TRY(save(p, module));
    TRY(save(p, name));
    TRY(put_code(p, STACK_GLOBAL));
    return memoize(p, obj);
}

static int
save_type(Pickling *p, PyObject *way, PyObject *kind)
{
    PyObject *named = PyTuple_GET_ITEM(way, 2);
    if (PyTuple_GET_SIZE(way) == 3) {
        return save_global(p, PyTuple_GET_ITEM(way, 0), PyTuple_GET_ITEM(way, 1), named);
    }
    boundary(p);
    Slot *slot = met(p, kind);
    if (slot != NULL) {
        return put_again(p, slot);
    }
    TRY(save_global(p, PyTuple_GET_ITEM(way, 0), PyTuple_GET_ITEM(way, 1), named));
    TRY(save(p, PyTuple_GET_ITEM(way, 3)));
    TRY(put_code(p, REDUCE));
    return memoize(p, kind);
}

static PyObject *
way_of(Pickling *p, PyTypeObject *kind)
{
    if (p->last != kind) {
        if (Py_TYPE(kind) != &PyType_Type) { /* its metaclass may have a hash of its own */
            return NULL;
        }
        PyObject *way = PyDict_GetItemWithError(p->ways, (PyObject *)kind);
        if (way == NULL) {
            p->unknown = kind;
            return NULL;
        }
        p->last = kind;
        p->last_way = way;
    }
    return PyTuple_Check(p->last_way) ? p->last_way : NULL;
}

static int
is_usual(PyObject *name)
{
    if (!PyUnicode_CheckExact(name)) {
        return 0;
    }
    int special = PyUnicode_GET_LENGTH(name) > 1 && PyUnicode_READ_CHAR(name, 0) == '_' && PyUnicode_READ_CHAR(name, 1) == '_';
    return !special; /* among those are the ways in which an instance says how it is to be pickled */
}

static int
save_attributes(Pickling *p, const Attributes *found)
{
    TRY(put_code(p, EMPTY_DICT));
    TRY(put_code(p, MEMOIZE));
    p->numbered++;
    if (found->dict != NULL) {
        return save_pairs(p, found->dict);
    }
    if (found->count > 1) {
        TRY(put_code(p, MARK));
    }
    for (Py_ssize_t place = 0; place < found->count; place++) {
        TRY(save(p, found->names[place]));
        TRY(save(p, found->values[place]));
    }
    return put_code(p, found->count > 1 ? SETITEMS : SETITEM);
}

static int
has_usual_names(const Attributes *found)
{
    PyObject *key, *value;
    Py_ssize_t place = 0;
    for (Py_ssize_t name = 0; name < found->count; name++) {
        if (!is_usual(found->names[name])) {
            return 0;
        }
    }
    while (found->dict != NULL && PyDict_Next(found->dict, &place, &key, &value)) {
        if (!is_usual(key)) {
            return 0;
        }
    }
    return 1;
}

static int
save_instance(Pickling *p, PyObject *obj)
{
    Attributes found;
    PyObject *way = way_of(p, Py_TYPE(obj));
    int known = way == NULL ? 0 : attributes_read(obj, &found);
    if (known <= 0) {
        return known;
    }
    if (found.dict != NULL) {
        Py_DECREF(found.dict); /* the instance has it, and nothing runs */
    }
    int is_empty = found.dict != NULL && PyDict_GET_SIZE(found.dict) == 0;
    if (found.shared || (is_empty && PY_VERSION_HEX < 0x030B0000) || !has_usual_names(&found)) { /* 3.10 writes an empty one */
        return NOT_PLAIN;
    }
    TRY(save_type(p, way, (PyObject *)Py_TYPE(obj)));
    boundary(p);
    TRY(put_code(p, EMPTY_TUPLE));
    TRY(put_code(p, NEWOBJ));
    TRY(memoize(p, obj));
    if (is_empty || (found.dict == NULL && found.count == 0)) {
        return WRITTEN;
    }
    boundary(p);
    TRY(save_attributes(p, &found));
    return put_code(p, BUILD);
}

/* -- any object --------------------------------------------------------------------------------------- */

static int
save_nested(Pickling *p, PyObject *obj)
{
    PyTypeObject *kind = Py_TYPE(obj);
    return kind == &PyDict_Type        ? save_dict(p, obj)
           : kind == &PyList_Type      ? save_list(p, obj)
           : kind == &PyTuple_Type     ? save_tuple(p, obj)
           : kind == &PySet_Type       ? save_set(p, obj)
           : kind == &PyFrozenSet_Type ? save_frozenset(p, obj)
                                       : save_instance(p, obj);
}

static int
save(Pickling *p, PyObject *obj)
{
    boundary(p);
    int plain = plain_kind(obj);
    switch (plain) {
    case PLAIN_NONE:
        return put_code(p, NONE);
    case PLAIN_BOOL:
        return put_code(p, obj == Py_True ? TRUE : FALSE);
    case PLAIN_INT:
        return save_int(p, obj);
    case PLAIN_FLOAT:
        return save_float(p, obj);
    default:
        break;
    }
    Slot *slot = met(p, obj);
    if (slot != NULL) {
        return put_again(p, slot);
    }
    if (plain == PLAIN_STR || plain == PLAIN_BYTES) {
        return plain == PLAIN_STR ? save_text(p, obj) : save_bytes(p, obj);
    }
    if (p->depth >= DEEPEST) {
        return NOT_PLAIN;
    }
    p->depth++;
    int done = save_nested(p, obj);
    p->depth--;
    return done;
}

/* pickle(objects, ways[, kept]): the stream of a dictionary, and the numbers of what something else refers to, too; or a type
 * that is not among `ways`; or None, where it cannot be pickled here. `kept` is a tuple of tuples, which somebody holds
 * only to keep what is in them alive: these references do not count.
 */
PyObject *
pickle_plain(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t count)
{
    PyObject *kept = count == 3 ? arguments[2] : NULL;
    int valid = (count == 2 || count == 3) && PyDict_CheckExact(arguments[0]) && PyDict_CheckExact(arguments[1]);
    for (Py_ssize_t place = 0; valid && kept != NULL && place < (PyTuple_CheckExact(kept) ? PyTuple_GET_SIZE(kept) : 1); place++) {
        valid = PyTuple_CheckExact(kept) && PyTuple_CheckExact(PyTuple_GET_ITEM(kept, place));
    }
    if (!valid) {
        PyErr_SetString(PyExc_TypeError, "pickle(objects, ways[, kept]): two dictionaries, and a tuple of tuples");
        return NULL;
    }
    Pickling p = {.ways = arguments[1], .kept = kept, .expected = 1};
    p.memo = (Memo *)MemoType.tp_alloc(&MemoType, 0);
    p.stream = PyBytes_FromStringAndSize(NULL, 256);
    if (p.memo == NULL || p.stream == NULL) {
        Py_XDECREF(p.memo);
        Py_XDECREF(p.stream);
        return NULL;
    }
    p.out = (Buffer){PyBytes_AS_STRING(p.stream), 0, 256};
    PyObject *found = NULL;
    int done = put(&p, "\x80\x05", 2);
    p.framing = 1;
    done = done < 0 ? done : save(&p, arguments[0]);
    if (done == WRITTEN) {
        done = put_code(&p, STOP);
    }
    if (done == WRITTEN) {
        close_frame(&p);
        int ended = _PyBytes_Resize(&p.stream, (Py_ssize_t)p.out.length);
        found = ended < 0 ? NULL : PyTuple_Pack(2, p.stream, (PyObject *)p.memo);
    }
    else if (done == NOT_PLAIN && !PyErr_Occurred()) {
        found = Py_NewRef(p.unknown == NULL ? Py_None : (PyObject *)p.unknown);
    }
    Py_XDECREF(p.stream);
    Py_DECREF(p.memo);
    return found;
}
