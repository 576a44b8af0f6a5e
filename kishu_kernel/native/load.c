/* The native twin of pickle's unpickler, for the opcodes that `pickle.c` writes: plain containers and atoms, instances that are
 * their attributes, and calls of what goes by its name.
 *
 * Law: what it gives is what the unpickler gives. The whole stream is looked through before anything is done: one with
 * other opcodes is the unpickler's. Attributes are put where they stand in a new instance: none gets a `__dict__`.
 */
#include "load.h"

/* -- the stack ------------------------------------------------------------------------------------------- */

int
damaged(void)
{
    PyErr_SetString(PyExc_ValueError, "the stream is no pickle");
    return FAILED;
}

int
push(Loading *l, PyObject *obj)
{
    if (obj == NULL) {
        return FAILED;
    }
    if (l->count == l->capacity) {
        Py_ssize_t capacity = l->capacity ? l->capacity * 2 : 256;
        PyObject **items = PyMem_Realloc(l->items, (size_t)capacity * sizeof(PyObject *));
        l->items = items == NULL ? l->items : items;
        Py_ssize_t *places = items == NULL ? NULL : PyMem_Realloc(l->places, (size_t)capacity * sizeof(Py_ssize_t));
        l->places = places == NULL ? l->places : places;
        if (places == NULL) {
            Py_DECREF(obj);
            PyErr_NoMemory();
            return FAILED;
        }
        l->capacity = capacity;
    }
    l->places[l->count] = -1;
    l->items[l->count++] = obj;
    return WRITTEN;
}

static inline Py_ssize_t
bottom(const Loading *l)
{
    return l->marked ? l->marks[l->marked - 1] : 0;
}

/* Whether so many items are there, above the last mark. */
static inline int
has(const Loading *l, Py_ssize_t count)
{
    return l->count - bottom(l) >= count;
}

static void
drop_to(Loading *l, Py_ssize_t count)
{
    while (l->count > count) {
        PyObject *item = l->items[--l->count];
        Py_DECREF(item);
    }
}

static int
mark(Loading *l)
{
    if (l->marked == l->marks_capacity) {
        Py_ssize_t capacity = l->marks_capacity ? l->marks_capacity * 2 : 64;
        Py_ssize_t *marks = PyMem_Realloc(l->marks, (size_t)capacity * sizeof(Py_ssize_t));
        if (marks == NULL) {
            PyErr_NoMemory();
            return FAILED;
        }
        l->marks = marks;
        l->marks_capacity = capacity;
    }
    l->marks[l->marked++] = l->count;
    return WRITTEN;
}

/* Where the items above the last mark begin, which goes; -1: there is none. At least `below` items stand under it. */
static Py_ssize_t
to_mark(Loading *l, Py_ssize_t below)
{
    if (l->marked == 0) {
        return damaged();
    }
    Py_ssize_t start = l->marks[--l->marked];
    return has(l, l->count - start + below) ? start : damaged();
}

/* -- containers ------------------------------------------------------------------------------------------ */

static PyObject *
tuple_from(Loading *l, Py_ssize_t start)
{
    PyObject *tuple = PyTuple_New(l->count - start);
    for (Py_ssize_t place = start; tuple != NULL && place < l->count; place++) {
        PyTuple_SET_ITEM(tuple, place - start, l->items[place]);
    }
    l->count = tuple == NULL ? l->count : start;
    return tuple;
}

static int
call(PyObject *obj, const char *method, PyObject *argument)
{
    PyObject *done = PyObject_CallMethod(obj, method, "(O)", argument);
    Py_XDECREF(done);
    return done == NULL ? FAILED : WRITTEN;
}

/* What stands from `start` on into the list below it; the unpickler asks what is no list for `extend`, be it for one item. */
static int
append_from(Loading *l, Py_ssize_t start)
{
    PyObject *list = l->items[start - 1];
    int done = WRITTEN;
    if (PyList_CheckExact(list)) {
        for (Py_ssize_t place = start; done == WRITTEN && place < l->count; place++) {
            done = PyList_Append(list, l->items[place]) < 0 ? FAILED : WRITTEN;
        }
    }
    else if (PyObject_HasAttrString(list, "extend")) {
        PyObject *items = PyList_New(0);
        for (Py_ssize_t place = start; items != NULL && place < l->count; place++) {
            if (PyList_Append(items, l->items[place]) < 0) {
                Py_CLEAR(items);
            }
        }
        done = items == NULL ? FAILED : call(list, "extend", items);
        Py_XDECREF(items);
    }
    else {
        for (Py_ssize_t place = start; done == WRITTEN && place < l->count; place++) {
            done = call(list, "append", l->items[place]);
        }
    }
    drop_to(l, start);
    return done;
}

static int
set_from(Loading *l, Py_ssize_t start)
{
    PyObject *dict = l->items[start - 1];
    int is_dict = PyDict_CheckExact(dict), failed = (l->count - start) % 2 ? damaged() < 0 : 0;
    for (Py_ssize_t place = start; !failed && place < l->count; place += 2) {
        PyObject *key = l->items[place], *value = l->items[place + 1];
        failed = (is_dict ? PyDict_SetItem(dict, key, value) : PyObject_SetItem(dict, key, value)) < 0;
    }
    drop_to(l, start);
    return failed ? FAILED : WRITTEN;
}

static int
add_from(Loading *l, Py_ssize_t start)
{
    PyObject *set = l->items[start - 1];
    int is_set = PySet_CheckExact(set), done = WRITTEN;
    for (Py_ssize_t place = start; done == WRITTEN && place < l->count; place++) {
        done = is_set ? (PySet_Add(set, l->items[place]) < 0 ? FAILED : WRITTEN) : call(set, "add", l->items[place]);
    }
    drop_to(l, start);
    return done;
}

static int
frozen_from(Loading *l, Py_ssize_t start)
{
    PyObject *tuple = tuple_from(l, start);
    PyObject *set = tuple == NULL ? NULL : PyFrozenSet_New(tuple);
    Py_XDECREF(tuple);
    return push(l, set);
}

/* -- atoms and the memo ------------------------------------------------------------------------------------ */

static PyObject *
float_at(const uint8_t *at)
{
    uint64_t bits = 0;
    double number;
    for (int place = 0; place < 8; place++) {
        bits = bits << 8 | at[place];
    }
    memcpy(&number, &bits, sizeof(number));
    return PyFloat_FromDouble(number);
}

static PyObject *
int_at(const uint8_t *at, size_t length)
{
#if PY_VERSION_HEX >= 0x030D0000
    return length ? PyLong_FromNativeBytes(at, length, Py_ASNATIVEBYTES_LITTLE_ENDIAN) : PyLong_FromLong(0);
#else
    return _PyLong_FromByteArray(at, length, 1, 1);
#endif
}

/* Atoms that nobody asks for again leave their number alone. */
static int
memoize(Loading *l)
{
    if (!has(l, 1)) {
        return damaged();
    }
    Py_ssize_t number = PyList_GET_SIZE(l->memo);
    PyObject *obj = l->items[l->count - 1];
    int kept = l->fetched[number] || !(PyUnicode_CheckExact(obj) || PyBytes_CheckExact(obj));
    l->places[l->count - 1] = number;
    return PyList_Append(l->memo, kept ? obj : Py_None) < 0 ? FAILED : WRITTEN;
}

static int
get(Loading *l, uint64_t number)
{
    if (number >= (uint64_t)PyList_GET_SIZE(l->memo)) {
        return damaged();
    }
    return push(l, Py_NewRef(PyList_GET_ITEM(l->memo, (Py_ssize_t)number)));
}

static int
pop_or_unmark(Loading *l)
{
    if (l->marked && l->marks[l->marked - 1] == l->count) {
        l->marked--;
        return WRITTEN;
    }
    if (!has(l, 1)) {
        return damaged();
    }
    drop_to(l, l->count - 1);
    return WRITTEN;
}

/* -- the loop ---------------------------------------------------------------------------------------------- */

#define FROM_MARK(below, step)                                    \
    do {                                                          \
        Py_ssize_t start = to_mark(l, below);                     \
        return start < 0 ? FAILED : (step);                       \
    } while (0)
#define NEEDS(items, step) return has(l, items) ? (step) : damaged()

/* `at` is behind the opcode and its number; what the number says stands there. */
static int
do_code(Loading *l, int code, uint64_t number, const uint8_t *at)
{
    switch (code) {
    case PROTO: case FRAME: return WRITTEN;
    case MARK: return mark(l);
    case POP: return pop_or_unmark(l);
    case POP_MARK: FROM_MARK(0, (drop_to(l, start), WRITTEN));
    case EMPTY_LIST: return push(l, PyList_New(0));
    case EMPTY_DICT: return push(l, PyDict_New());
    case EMPTY_SET: return push(l, PySet_New(NULL));
    case EMPTY_TUPLE: return push(l, PyTuple_New(0));
    case APPEND: NEEDS(2, append_from(l, l->count - 1));
    case APPENDS: FROM_MARK(1, append_from(l, start));
    case SETITEM: NEEDS(3, set_from(l, l->count - 2));
    case SETITEMS: FROM_MARK(1, set_from(l, start));
    case ADDITEMS: FROM_MARK(1, add_from(l, start));
    case FROZENSET: FROM_MARK(0, frozen_from(l, start));
    case TUPLE: FROM_MARK(0, push(l, tuple_from(l, start)));
    case TUPLE1: case TUPLE2: case TUPLE3:
        NEEDS(code - TUPLE1 + 1, push(l, tuple_from(l, l->count - (code - TUPLE1 + 1))));
    case STACK_GLOBAL: NEEDS(2, find_global(l));
    case NEWOBJ: NEEDS(2, make_instance(l));
    case REDUCE: NEEDS(2, call_it(l));
    case BUILD: NEEDS(2, build(l));
    case MEMOIZE: return memoize(l);
    case GET1: case GET4: return get(l, number);
    case NONE: return push(l, Py_NewRef(Py_None));
    case TRUE: case FALSE: return push(l, PyBool_FromLong(code == TRUE));
    case INT1: case INT2: return push(l, PyLong_FromLong((long)number));
    case INT4: return push(l, PyLong_FromLong((long)(int32_t)(uint32_t)number));
    case LONG1: case LONG4: return push(l, int_at(at, (size_t)number));
    case FLOAT: return push(l, float_at(at - 8));
    case TEXT1: case TEXT4: case TEXT8:
        return push(l, PyUnicode_DecodeUTF8((const char *)at, (Py_ssize_t)number, "surrogatepass"));
    default: return push(l, PyBytes_FromStringAndSize((const char *)at, (Py_ssize_t)number)); /* BYTES */
    }
}

static PyObject *
loaded(Loading *l)
{
    const uint8_t *at = l->data;
    for (;;) { /* it was looked through: each opcode is known, and is there with its argument */
        int code = *at++, argument = argument_of(code), width = argument < 0 ? -argument : argument;
        uint64_t number = width ? number_at(at, width) : 0;
        at += width;
        if (code == STOP) {
            if (!has(l, 1) || l->marked) {
                damaged();
                return NULL;
            }
            return pop(l);
        }
        if (do_code(l, code, number, at) < 0) {
            return NULL;
        }
        at += argument < 0 ? number : 0;
    }
}

/* load(stream, find, build, memo): what a stream holds, in a tuple; None, and nothing has been done, where it is for the
 * unpickler. `find(module, name)` gives what goes by its name, `build(obj, state)` gives an object its state in pickle's usual way;
 * all that is made goes into the list `memo`, which is empty, but atoms and states that nobody asks for again.
 */
PyObject *
stream_load(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 4 || !PyBytes_CheckExact(arguments[0]) || !PyList_CheckExact(arguments[3]) || PyList_GET_SIZE(arguments[3])) {
        PyErr_SetString(PyExc_TypeError, "load(stream, find, build, memo): bytes, two functions and an empty list");
        return NULL;
    }
    Loading l = {.data = (const uint8_t *)PyBytes_AS_STRING(arguments[0]), .find = arguments[1], .build = arguments[2]};
    l.end = l.data + PyBytes_GET_SIZE(arguments[0]);
    l.memo = arguments[3];
    int known = look_through(&l);
    PyObject *found = known == WRITTEN ? loaded(&l) : NULL;
    PyObject *type, *value, *trace; /* what goes now may run destructors */
    PyErr_Fetch(&type, &value, &trace);
    drop_to(&l, 0);
    for (int place = 0; place < NAMES; place++) {
        Py_XDECREF(l.names[place][0]);
        Py_XDECREF(l.names[place][1]);
    }
    PyErr_Restore(type, value, trace);
    PyMem_Free(l.fetched);
    PyMem_Free(l.items);
    PyMem_Free(l.places);
    PyMem_Free(l.marks);
    if (found != NULL) {
        PyObject *tuple = PyTuple_Pack(1, found);
        Py_DECREF(found);
        return tuple;
    }
    return known == NOT_PLAIN ? Py_NewRef(Py_None) : NULL;
}
